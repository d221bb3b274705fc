"""Files of bearer tokens for the HTTP API: a token on each line, or its digest as `sha256:HEX`; `#` begins a comment.

A file with a token is as secret as a key: it is refused when others may read it. One that has digests only may be
anybody's to read, and is handled alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.errors import MalformedError
from ledger.limits import HTTP_TOKEN_BYTES_MAX, HTTP_TOKENS_MAX
from node.config import Config
from node.http.access import OPEN, Access, parse_token
from node.identity import IdentityError, read_private

_FILE_BYTES_MAX = 2 * HTTP_TOKENS_MAX * HTTP_TOKEN_BYTES_MAX  # with a comment as long as the token on each line


def load_access(config: Config) -> Access:
    """Who may read the API of the node of this configuration. Raises `IdentityError`, naming the file and the line."""
    if not config.api_token_paths:
        return OPEN
    tokens = [digest for path in config.api_token_paths for _, digest in _read(path)]
    if not tokens:
        raise IdentityError(f"{config.api_token_paths[0]} has no token: nobody could read the API")
    if len(tokens) > HTTP_TOKENS_MAX:
        raise IdentityError(f"the files of api.token_files have {len(tokens)} tokens, more than {HTTP_TOKENS_MAX}")
    return Access(
        tuple(dict.fromkeys(tokens)),
        open_submission=config.api_open_submission,
        open_metrics=config.api_open_metrics,
    )


def first_token(paths: Sequence[Path]) -> str | None:
    """The first token in these files that is there as itself, or None. Raises `IdentityError`."""
    return next((text for path in paths for text, _ in _read(path) if not text.startswith("sha256:")), None)


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each token of a file, as it is written and as its digest."""
    try:
        lines = read_private(path, _FILE_BYTES_MAX).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise IdentityError(f"{path} has a line that is no token: it is not ASCII") from None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                yield text, parse_token(text)
            except MalformedError as error:
                raise IdentityError(f"{path}, line {number}: {error}") from None
