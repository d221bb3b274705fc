"""What the readers of all rows share."""

from __future__ import annotations

from typing import Final

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.limits import MIB

ROW_BYTES_MAX: Final = MIB


def parse_boolean(value: Json, what: str) -> bool:
    """`value` as a truth value. Raises `MalformedError`, naming `what`."""
    if not isinstance(value, bool):
        raise MalformedError(f"{what} must be true or false")
    return value
