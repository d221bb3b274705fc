"""The changes of the validator set: an index of the heights that decided one.

A header whose `next_validators_hash` is not its `validators_hash` decides the set that signs from the next height on.
The index has a row for each such height, with the hash of the new set; the set itself stands in the state after that
height. So what a receipt's trail costs depends on how often the set has changed, not on the length of the chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.block import Header
from ledger.primitives import DIGEST_BYTES, Digest
from ledger.state import State
from ledger.validators import ValidatorSet
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.state_rows import StateAt


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A row of the index: the block of `height` decided the set with this hash."""

    height: int
    validators_hash: Digest


def changes_set(header: Header) -> bool:
    """Whether the block with this header decided another validator set for the next height."""
    return header.next_validators_hash != header.validators_hash


def write_set_change(batch: Batch, header: Header) -> None:
    """Add the row of a block that decided another set; nothing for any other block."""
    if changes_set(header):
        batch.puts[keys.set_change(header.height)] = header.next_validators_hash


def read_set_changes(
    reader: Reader, first_height: int, stop_height: int, *, reverse: bool = False
) -> Iterator[ChangeRow]:
    """The rows of first_height .. stop_height - 1, in order of height or newest first. Raises `DamagedError`."""
    found = reader.range(keys.set_change(first_height), keys.set_change(stop_height), reverse=reverse)
    for key, row in found:
        height = keys.unpack_height(key, 1)
        if len(row) != DIGEST_BYTES:
            raise DamagedError(f"the change of the validator set at height {height} is malformed")
        yield ChangeRow(height, Digest(row))


def check_set_change(reader: Reader, header: Header) -> None:
    """Raise `DamagedError` unless index and state have of this block what its header says of the validator set."""
    height = header.height
    expected = header.next_validators_hash if changes_set(header) else None
    row = reader.get(keys.set_change(height))
    if row != expected:
        what = "lacks" if row is None else "has a wrong row for" if expected is not None else "names"
        raise DamagedError(f"the index of changes of the validator set {what} height {height}")
    if validators_after(reader, height).hash != header.next_validators_hash:
        raise DamagedError("the validator set in the state is not the one that its header names")


def validators_after(reader: Reader, height: int) -> ValidatorSet:
    """The validator set in force after a committed block: the one that signs `height` + 1. Raises `DamagedError`."""
    return State(StateAt(reader, height)).validators()
