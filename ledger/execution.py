"""Executing a block: its transactions in order, each all or none, over one overlay of the parent's state.

What comes in was admitted (`ledger.admission`). An operation that is refused takes its whole transaction back and
leaves the refusal's code as the transaction's result; the id is used nevertheless. Results, writes and events are a
function of the parent's state, height, time and transactions alone: every validator finds the same. At the end of
each block no asset has become more or less than was issued and burnt (`ledger.conservation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from ledger.conservation import assert_conserved
from ledger.events import Event
from ledger.governance.activation import activate
from ledger.operations.kinds import Place
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import Overlay, State
from ledger.transaction import Transaction

APPLIED: Final = "applied"
"""The result of a transaction all of whose operations were applied; any other result is a refusal's code."""


class Execution(Struct, frozen=True):
    """What executing a block did.

    `results` has one entry per transaction, `APPLIED` or a code; `writes` the changed state rows (None deletes);
    `events` are those of applied transactions, in order; what came into force at the end shows in `writes` alone.
    """

    results: tuple[str, ...]
    writes: Mapping[bytes, bytes | None]
    events: tuple[Event, ...]


def execute(
    state: State, *, chain: Digest, height: int, time_ms: int, transactions: Sequence[Transaction]
) -> Execution:
    """Execute the `transactions` of the block of `chain` at `height` with time `time_ms`, over the parent's `state`.

    At its end comes into force what governance has decided for the next height.
    """
    overlay = Overlay(state)
    results: list[str] = []
    events: list[Event] = []
    for index, transaction in enumerate(transactions):
        savepoint, happened = overlay.savepoint(), len(events)
        result: str = APPLIED
        for operation_index, operation in enumerate(transaction.body.operations):
            outcome = operation.apply(overlay, Place(chain, height, time_ms, transaction.id, index, operation_index))
            if isinstance(outcome, Refusal):  # then nothing of the transaction has happened
                overlay.roll_back(savepoint)
                del events[happened:]
                result = str(outcome.code)
                break
            events += outcome
        results.append(result)
    activate(overlay, height)
    assert_conserved(overlay)
    return Execution(tuple(results), overlay.writes(), tuple(events))
