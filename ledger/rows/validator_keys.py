"""Who had which validator key, and at which heights: kept for ever, so that no key serves twice.

A key that has a row can never be registered again: what it signed has one author, whatever the set was since. Evidence
and receipts ask here whose a signature was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.encoding import Json, decode, expect_fields, expect_integer
from ledger.errors import MalformedError
from ledger.primitives import PublicKey
from ledger.rows.reading import ROW_BYTES_MAX
from ledger.validators import KeyPurpose, parse_validator_name

VALIDATOR_KEY_PREFIX: Final = b"validator-key/"


@dataclass(frozen=True, slots=True)
class ValidatorKey:
    """A key of `validator` (its name) for `purpose`, in force at the heights since..until, both included.

    `until` is None while the key is in force.
    """

    validator: str
    purpose: KeyPurpose
    since: int
    until: int | None = None

    def in_force_at(self, height: int) -> bool:
        """Whether it was, or is, the validator's key at `height`."""
        return self.since <= height and (self.until is None or height <= self.until)

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {"validator": self.validator, "purpose": str(self.purpose), "since": self.since, "until": self.until}


def validator_key_key(key: PublicKey) -> bytes:
    """The state key of the row of a validator's key."""
    return VALIDATOR_KEY_PREFIX + key.hex().encode()


def parse_validator_key_row(data: bytes) -> ValidatorKey:
    """Whose a key is, from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="validator key row"),
        what="validator key",
        required=frozenset({"validator", "purpose", "since", "until"}),
    )
    until = fields["until"]
    return ValidatorKey(
        validator=parse_validator_name(fields["validator"]),
        purpose=_parse_purpose(fields["purpose"]),
        since=expect_integer(fields["since"], what="since", minimum=1),
        until=None if until is None else expect_integer(until, what="until"),
    )


def _parse_purpose(value: Json) -> KeyPurpose:
    if isinstance(value, str) and value in tuple(KeyPurpose):
        return KeyPurpose(value)
    raise MalformedError(f"purpose must be one of: {', '.join(KeyPurpose)}")
