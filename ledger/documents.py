"""Documents that stand for themselves: each says first what it is, and by which rules it is read.

What leaves a node or a home as a file, or as an answer that proves itself, is canonical JSON with the fields `kind`,
"quorum-ledger/" and a word, and `version`. So whoever finds one knows what it is, one cannot be taken for another, and
a reader of today says in words that it does not read one of tomorrow.
"""

from __future__ import annotations

from ledger.encoding import Json
from ledger.errors import MalformedError


def expect_kind(value: Json, kind: str, version: int) -> dict[str, Json]:
    """`value` as a document that says that it is of this kind and version. Raises `MalformedError`."""
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise MalformedError(f'not a {kind} document: its "kind" is not that')
    found = value.get("version")
    if found != version or type(found) is not int:  # True == 1, and it would be a second form of the document
        raise MalformedError(f"a {kind} document of version {found!r}; this software reads version {version}")
    return value
