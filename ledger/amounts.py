"""Amounts of assets: whole numbers of the smallest unit, strings in JSON, below 2^128.

    amount = ( "1".."9" ) *38( "0".."9" )        what an operation moves: at least 1
    total  = "0" / amount                        what a row holds: a supply, a balance

A number of JSON would lose digits above 2^53 in the hands of many readers. Decimals are display: an asset says how
many of an amount's last digits people read behind the point; no rule ever looks at them. (design section 5)
"""

from __future__ import annotations

import re
from typing import Final

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.limits import AMOUNT_MAX

AMOUNT_PATTERN: Final = "[1-9][0-9]{0,38}"
"""The grammar of an amount as a regular expression (to be matched in full); that it is below 2^128 is a rule beside."""

TOTAL_PATTERN: Final = f"0|{AMOUNT_PATTERN}"
"""The grammar of a total, likewise."""

_AMOUNT = re.compile(AMOUNT_PATTERN)


class Amount(int):
    """A number of smallest units, 1 to AMOUNT_MAX. A type of its own, because its JSON form is a string."""


def parse_amount(value: Json, what: str) -> Amount:
    """An amount from its JSON form. Raises `MalformedError`, naming `what`."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value) and int(value) <= AMOUNT_MAX:
        return Amount(value)
    raise MalformedError(
        f"{what} must be a string of decimal digits, a whole number of smallest units from 1 to 2^128 - 1"
    )


def parse_total(value: Json, what: str) -> int:
    """A total, which may be 0, from its JSON form. Raises `MalformedError`, naming `what`."""
    return 0 if value == "0" else parse_amount(value, what)
