"""Single operations, done at one place on the small ledger of `members`."""

from __future__ import annotations

from typing import Final, TypeAlias

from ledger.amounts import Amount
from ledger.events import Event
from ledger.limits import AMOUNT_MAX
from ledger.operations.assets import AssetDefine, AssetFreezeHolder, AssetIssue
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation, Place
from ledger.operations.streams import RecordAppend
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.state import Overlay
from tests.unit.ledger.members import CHAIN, state

RefusedOperation: TypeAlias = tuple[str, Operation, Code]
"""What is wrong with it, an operation, and the code that it is refused with over `overlay()`."""

PLACE = Place(
    chain=CHAIN,
    height=9,
    time_ms=1_800_000_000_000,
    transaction_id=Digest(bytes(32)),
    transaction_index=4,
    operation_index=2,
)


PREPARED: Final[tuple[Operation, ...]] = (
    RecordAppend("acme", "invoices", Content("first"), key="known"),
    RecordAppend("acme", "invoices", Content("second"), key="known"),
    AssetDefine("mint", "euro", 2, Amount(1_000), ("board", "mint")),
    AssetIssue("mint", "euro", "alice.acme", Amount(300)),
    AssetIssue("mint", "euro", "globex", Amount(150)),
    AssetIssue("mint", "euro", "pair", Amount(50)),
    AssetFreezeHolder("mint", "euro", "pair"),
    AssetFreezeHolder("mint", "euro", "org"),
    AssetDefine("acme", "point", 0),
    AssetIssue("acme", "point", "globex", Amount(AMOUNT_MAX - 5)),
)


def overlay() -> Overlay:
    """The small ledger after PREPARED.

    The entity `known` of invoices has its newest record at revision 2. Of euro, whose cap is 1000, alice.acme holds
    300, globex 150 and pair 50; pair and org, who holds none, are frozen. Of point, which has no cap, globex holds all
    but 5 of what there can be.
    """
    prepared = Overlay(state())
    for operation in PREPARED:
        outcome = operation.apply(prepared, PLACE)
        assert not isinstance(outcome, Refusal), outcome
    return prepared


def apply(operation: Operation, on: Overlay | None = None) -> tuple[Event, ...]:
    """The events of an operation that is not refused."""
    outcome = operation.apply(on or overlay(), PLACE)
    assert not isinstance(outcome, Refusal), outcome
    return outcome
