"""The rows that govern the chain itself: the validator set, the parameters, and who led failed rounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.encoding import Json, decode, expect_integer, expect_string
from ledger.errors import MalformedError
from ledger.limits import NAME_BYTES_MAX
from ledger.parameters import Parameters, parse_parameters
from ledger.rows.reading import ROW_BYTES_MAX
from ledger.validators import ValidatorSet, parse_validator_set

VALIDATORS_KEY: Final = b"validators"
PARAMETERS_KEY: Final = b"parameters"
LEADERS_KEY: Final = b"leaders"


@dataclass(frozen=True, slots=True)
class Leaders:
    """By validator name, the last height at which it led a failed round (amendment A6). Without the others."""

    failed_heights: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return dict(self.failed_heights)


# These rows are the same for many heights, and checking a validator's keys costs 0.1 ms: remember the newest few.
@lru_cache(maxsize=8)
def parse_validators_row(data: bytes) -> ValidatorSet:
    """The validator set from the value of its row. Raises `MalformedError`."""
    return parse_validator_set(decode(data, bytes_max=ROW_BYTES_MAX, what="validators row"))


@lru_cache(maxsize=8)
def parse_parameters_row(data: bytes) -> Parameters:
    """The parameters from the value of their row. Raises `MalformedError`."""
    return parse_parameters(decode(data, bytes_max=ROW_BYTES_MAX, what="parameters row"))


@lru_cache(maxsize=8)
def parse_leaders_row(data: bytes) -> Leaders:
    """The leaders row from its value. Raises `MalformedError`."""
    value = decode(data, bytes_max=ROW_BYTES_MAX, what="leaders row")
    if not isinstance(value, dict):
        raise MalformedError("leaders must be a JSON object")
    return Leaders(
        tuple(
            (expect_string(name, what="validator", bytes_max=NAME_BYTES_MAX), expect_integer(height, what="height"))
            for name, height in value.items()
        )
    )
