"""Who may read: everybody, or who shows a bearer token (RFC 6750).

A node has tokens or has none. With none, everything is open and an Authorization header means nothing. With some, every
route needs one of them but those that say nothing of the ledger (`Audience.EVERYBODY`), and those that the operator has
opened: figures for a Prometheus that sends no token, and submission, where a transaction's own signatures say who sends
it. Tokens are kept as their SHA-256, and every one is compared with, whatever it is, in constant time.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import StrEnum, unique
from hashlib import sha256

from ledger.errors import MalformedError
from ledger.limits import HTTP_TOKEN_BYTES_MAX, HTTP_TOKEN_BYTES_MIN
from node.http.problems import HttpCode, Problem, ProblemError

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SCHEME = "bearer "
_REALM = 'Bearer realm="quorum-ledger"'


@unique
class Audience(StrEnum):
    """Whom a route is for, when the node has tokens."""

    EVERYBODY = "everybody"
    READERS = "readers"
    SUBMITTERS = "submitters"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Access:
    """The SHA-256 digests of the tokens, none for open access, and what is open though there are some."""

    tokens: tuple[bytes, ...] = ()
    open_submission: bool = False
    open_metrics: bool = False

    def needs_token(self, audience: Audience) -> bool:
        """Whether a route for `audience` answers only who shows a token."""
        if not self.tokens or audience is Audience.EVERYBODY:
            return False
        if audience is Audience.SUBMITTERS:
            return not self.open_submission
        return not (audience is Audience.METRICS and self.open_metrics)

    def check(self, authorization: str | None) -> None:
        """Raise `ProblemError` (401) unless the Authorization header has one of the tokens."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise ProblemError(
                Problem(HttpCode.TOKEN_MISSING, "there is no bearer token", headers={"WWW-Authenticate": _REALM})
            )
        shown = sha256(authorization[len(_SCHEME) :].strip(" ").encode("utf-8", "surrogateescape")).digest()
        if not any([hmac.compare_digest(shown, token) for token in self.tokens]):  # noqa: C419 - all, always
            headers = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
            raise ProblemError(Problem(HttpCode.TOKEN_INVALID, "the bearer token is not known here", headers=headers))


OPEN = Access()
"""Everybody may ask everything."""


def parse_token(text: str) -> bytes:
    """The digest of a token that is written as itself, or as `sha256:` and its digest. Raises `MalformedError`."""
    digest = _DIGEST.fullmatch(text)
    if digest is not None:
        return bytes.fromhex(digest[1])
    if text.startswith("sha256:"):
        raise MalformedError("sha256: is followed by 64 lower-case hexadecimal digits")
    if not HTTP_TOKEN_BYTES_MIN <= len(text) <= HTTP_TOKEN_BYTES_MAX or not _TOKEN.fullmatch(text):
        raise MalformedError(
            f"a token has {HTTP_TOKEN_BYTES_MIN} to {HTTP_TOKEN_BYTES_MAX} letters, digits and -._~+/, and = at its end"
        )
    return sha256(text.encode("ascii")).digest()
