"""The validator set of each height, as honest machines find it in their state: the same on all of them (I13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.validators import ValidatorSet
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "sets"


class Sets:
    """Who may sign which height. A height's set is known from when the first honest machine has the block before it."""

    def __init__(self, first: ValidatorSet) -> None:
        self._by_height = {1: first}

    def learn(self, machine: Machine) -> None:
        """An honest machine has come to its tip: it knows the set of every height up to the next."""
        chain = machine.running._parts.chain
        for height in range(self.newest_height + 1, chain.tip.header.height + 2):
            self._by_height[height] = chain.validators_of(height)
        newest = chain.tip.header.height + 1
        demand(
            self._by_height[newest] == chain.validators_of(newest),
            _NAME,
            f"{machine.identity.name} has another validator set for height {newest} than others",
        )

    @property
    def newest_height(self) -> int:
        """The highest height whose set is known."""
        return max(self._by_height)

    def last_seat(self, machine: Machine) -> int | None:
        """The highest height that this machine's key may sign, as far as is known, or None."""
        heights = [height for height in self._by_height if self.seat(machine, height) is not None]
        return max(heights, default=None)

    def at(self, height: int) -> ValidatorSet:
        """The set that signs `height`."""
        return self._by_height[height]

    def seat(self, machine: Machine, height: int) -> int | None:
        """The index of this machine's consensus key in the set of `height`, or None."""
        return self.at(height).index_of_consensus_key(machine.identity.founder.consensus_key.public_key)
