"""Names of accounts, streams and assets: one grammar, and what a dot means in each.

    label    = letter *( letter / digit ) *( "-" 1*( letter / digit ) )      lower case only
    account  = label *( "." label )          at most NAME_BYTES_MAX bytes
    stream   = label *( "." label )          at most NAME_BYTES_MAX bytes
    asset    = label *( "." label )          at most NAME_BYTES_MAX bytes

The dots of an account's name are a hierarchy that reads like a host name: `alice.acme` stands under `acme`, and only
`acme`, or who may add any account, adds it. The dots in the name of a stream or an asset carry no meaning. A name has
no colon, so that `validator:<name>` can never be an account, and no slash, which separates the parts of a state key.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ledger.errors import MalformedError
from ledger.limits import NAME_BYTES_MAX

NAME_PATTERN = r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z][a-z0-9]*(-[a-z0-9]+)*)*"
"""The grammar as a regular expression (to be matched in full), for documentation and JSON Schema."""

_NAME = re.compile(NAME_PATTERN)


def parse_account_name(value: object, what: str) -> str:
    """`value` as the name of an account. Raises `MalformedError`, naming `what`."""
    if isinstance(value, str) and len(value) <= NAME_BYTES_MAX and (name := _known(value)) is not None:
        return name
    raise MalformedError(
        f"{what} must be a name: labels of lower-case letters, digits and single hyphens, each starting with a "
        f"letter, joined by dots, at most {NAME_BYTES_MAX} bytes"
    )


# The grammar is one; whose name it is shows in the reader that is called.
parse_stream_name = parse_account_name
parse_asset_name = parse_account_name


def parent_account(name: str) -> str | None:
    """The account under which `name` stands (`acme` for `alice.acme`), or None for a top-level name."""
    return name.partition(".")[2] or None


def top_account(name: str) -> str:
    """The account at the top of the hierarchy that `name` stands in: `acme` for `alice.acme` and for `acme`.

    Only who may add any account adds one there, so whoever shares something out between members counts by it.
    """
    return name.rpartition(".")[2]


# The same few names are in every transaction, and the expression costs more than the memory of its answers. What is
# returned is the string that was seen first: its hash is known, and a lookup by it compares no letters.
@lru_cache(maxsize=4_096)
def _known(text: str) -> str | None:
    """`text` if it is a name."""
    return text if _NAME.fullmatch(text) else None
