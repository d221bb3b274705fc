"""One chain: the same block at each height on all honest machines, ever; and no machine ever goes back (I1, I2, I8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.primitives import Digest
from node.replica import BlockAppended
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Agreement:
    """What was announced, by height and by machine."""

    def __init__(self) -> None:
        self.chain: dict[int, Digest] = {}
        self.announced: dict[int, int] = {}
        """By machine, the height of the newest block that it announced."""

    def appended(self, machine: Machine, block: BlockAppended) -> None:
        """A machine announces a block."""
        first = self.chain.setdefault(block.height, block.block_hash)
        demand(
            first == block.block_hash,
            "agreement",
            f"{machine.identity.name} appends {block.block_hash.hex()[:8]} at height {block.height}, "
            f"where another has {first.hex()[:8]}",
        )
        index = machine.identity.index
        before = self.announced.get(index, 0)
        demand(
            block.height <= before + 1 or machine.damaged,
            "agreement",
            f"{machine.identity.name} announces height {block.height} after {before}",
        )
        self.announced[index] = max(block.height, before)

    def booted(self, machine: Machine) -> None:
        """A machine came back: everything it announced must be there."""
        announced = self.announced.get(machine.identity.index, 0)
        height = machine.running._parts.chain.tip.header.height
        demand(
            height >= announced or machine.damaged,
            "agreement",
            f"{machine.identity.name} comes back at height {height}, and had announced {announced}",
        )
        # A block that was durable when the power went, and not announced, is simply there now.
        self.announced[machine.identity.index] = height
