"""Bearer tokens for nodes that answer only who shows one (RFC 6750), and to whom each may be shown.

A file of tokens has one on each line, for every node that is asked, or a node's URL and the token for that one alone:

    # what our own node wants, and what a partner gave us
    https://ledger.acme.example 0f1e...
    https://ledger.bolt.example kJ8s...

A token is shown to the node that it is for and to nobody else: redirects are not followed, and a token without a URL in
the file of a profile is for the nodes of that profile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from ledger.errors import MalformedError
from ledger.limits import HTTP_TOKEN_BYTES_MAX

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by the origin of a node's URL, and one for the others, if any."""

    by_origin: Mapping[str, str] = field(default_factory=dict)
    others: str | None = None

    def of(self, url: URL) -> str | None:
        """What is shown to whom this URL is of."""
        return self.by_origin.get(str(url.origin()), self.others)

    def limited_to(self, nodes: tuple[str, ...]) -> Tokens:
        """The same, but what is for every node is for these only."""
        if self.others is None:
            return self
        return Tokens({**{str(URL(node).origin()): self.others for node in nodes}, **self.by_origin})

    async def show(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """A middleware of aiohttp that shows each node its token."""
        token = self.of(request.url)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return await handler(request)


NO_TOKENS = Tokens()


def parse_tokens(text: str) -> Tokens:
    """The tokens in the text of a file. Raises `MalformedError`, naming the line and never a token."""
    by_origin: dict[str, str] = {}
    others: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        token = words[-1]
        if len(words) > 2 or len(token) > HTTP_TOKEN_BYTES_MAX or not _TOKEN.fullmatch(token):
            raise MalformedError(f"line {number} is neither a token nor a node's URL and a token")
        if len(words) == 1:
            others = token
            continue
        try:
            by_origin[str(URL(words[0]).origin())] = token
        except ValueError:
            raise MalformedError(f"line {number} begins with what is no URL of a node") from None
    if not by_origin and others is None:
        raise MalformedError("there is no token in it")
    return Tokens(by_origin, others)
