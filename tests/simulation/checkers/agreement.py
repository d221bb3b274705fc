"""I1: one chain: the same block at each height on all honest machines, ever; while no more sign two different things
than the quorum bears. Beyond that bound a fork is noted here, and `forks` asks who is to blame for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.primitives import Digest
from node.replica import BlockAppended
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Agreement:
    """What was announced, by height and by machine."""

    def __init__(self, *, within_bound: bool) -> None:
        self.within_bound = within_bound
        self.chain: dict[int, Digest] = {}
        """By height, the block that was announced first."""
        self.announced: dict[int, int] = {}
        """By machine, the height of the newest block that it announced."""

    def appended(self, machine: Machine, block: BlockAppended) -> None:
        """A machine announces a block."""
        first = self.chain.setdefault(block.height, block.block_hash)
        demand(
            first == block.block_hash or not self.within_bound,
            "agreement",
            f"{machine.identity.name} appends {block.block_hash.hex()[:8]} at height {block.height}, "
            f"where another has {first.hex()[:8]}",
        )
        index = machine.identity.index
        self.announced[index] = max(block.height, self.announced.get(index, 0))

    def booted(self, machine: Machine) -> None:
        """A machine came back. A block that was durable when the power went, and not announced, is simply there now."""
        self.announced[machine.identity.index] = machine.running._parts.chain.tip.header.height
