"""I8: a height never decreases; (height, round) never decreases while a machine runs; and after a restart it is not
below what was announced, nor its round below one that was signed (amendment A9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.replica import BlockAppended
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "agreement"


class Forward:
    """Where each machine was last."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, int, int]] = {}
        """By machine: its boot, the height that it decides, and the round."""

    def appended(self, machine: Machine, block: BlockAppended, announced: int) -> None:
        """A machine that had announced the height `announced` announces a block."""
        good = block.height <= announced + 1 or machine.damaged
        demand(good, _NAME, f"{machine.identity.name} announces height {block.height} after {announced}")

    def stepped(self, machine: Machine) -> None:
        """A machine is done with a step."""
        deciding = machine.running._parts.deciding
        now = machine.boots, deciding.height, deciding.engine.round
        before = self._places.get(machine.identity.index, now)
        good = now >= before
        demand(good, _NAME, f"{machine.identity.name} goes from height and round {before[1:]} to {now[1:]}")
        self._places[machine.identity.index] = now

    def booted(self, machine: Machine, announced: int, signed_round: int) -> None:
        """A machine came back, its disk sound: what it announced is there, and its round is not below one it signed."""
        if machine.damaged:
            return
        parts, who = machine.running._parts, machine.identity.name
        height, round = parts.chain.tip.header.height, parts.deciding.engine.round
        demand(height >= announced, _NAME, f"{who} comes back at height {height}, and had announced {announced}")
        demand(
            round >= signed_round, "statements", f"{who} comes back in round {round} and had signed in {signed_round}"
        )
