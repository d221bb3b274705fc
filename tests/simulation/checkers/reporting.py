"""I19: what a client was told is committed is never lost, even if all machines lose their power at once.

It is on the disk of the machine that says so, at the instant at which it does; and in the end it is in the chain of
that machine, exactly once (`audit`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ledger.primitives import Digest
from node.storage import keys
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Reporting:
    """What was said to be committed, and by whom."""

    def __init__(self) -> None:
        self.reported: dict[tuple[Digest, int], Machine] = {}

    def announced(self, machine: Machine, transaction_ids: Iterable[Digest]) -> None:
        """A machine announces a block with these transactions."""
        self.reported.update(((name, machine.identity.index), machine) for name in transaction_ids)

    def told(self, machine: Machine, transaction_id: Digest) -> None:
        """A client is told that its transaction is committed."""
        found = machine.disk.durable(keys.transaction(transaction_id))
        who = f"{machine.identity.name} reports {transaction_id.hex()[:8]} committed"
        demand(found is not None, "durability", f"{who}, and it is not on its disk")
        self.announced(machine, [transaction_id])
