"""Single operations, done at one place on the small ledger of `members`."""

from __future__ import annotations

from typing import TypeAlias

from ledger.events import Event
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation, Place
from ledger.operations.streams import RecordAppend
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.state import Overlay
from tests.unit.ledger.members import state

RefusedOperation: TypeAlias = tuple[str, Operation, Code]
"""What is wrong with it, an operation, and the code that it is refused with over `overlay()`."""

PLACE = Place(
    height=9, time_ms=1_800_000_000_000, transaction_id=Digest(bytes(32)), transaction_index=4, operation_index=2
)


def overlay() -> Overlay:
    """The small ledger; the entity `known` of invoices has its newest record at revision 2."""
    prepared = Overlay(state())
    for text in ("first", "second"):
        outcome = RecordAppend("acme", "invoices", Content(text), key="known").apply(prepared, PLACE)
        assert not isinstance(outcome, Refusal)
    return prepared


def apply(operation: Operation, on: Overlay | None = None) -> tuple[Event, ...]:
    """The events of an operation that is not refused."""
    outcome = operation.apply(on or overlay(), PLACE)
    assert not isinstance(outcome, Refusal), outcome
    return outcome
