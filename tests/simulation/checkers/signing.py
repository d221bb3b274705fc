"""I4: no honest validator ever signs two different statements of one type for one (height, round), across restarts.

And it signs from its seat only: the index that its key has in the set of that height, if any. A validator that is
re-keyed has two machines for a while; at each height it speaks with one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checkers.contradictions import Said
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "statements"


class Signing:
    """What each honest machine said, by place."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, int, int, str], Said] = {}
        self._speakers: dict[tuple[int, str], int] = {}

    def spoken(self, machine: Machine, said: Said) -> None:
        """A statement leaves."""
        place = machine.identity.index, said.height, said.round, said.kind
        first = self._said.setdefault(place, said)
        demand(first == said, _NAME, f"{machine.identity.name} says {said} after {first}")

    def has_said(self, machine: Machine, height: int, round: int, kind: str) -> bool:
        """Whether a statement of this type left in this round."""
        return (machine.identity.index, height, round, kind) in self._said

    def newest_round(self, machine: Machine, height: int) -> int:
        """The highest round in which a machine signed at a height, or 0."""
        index = machine.identity.index
        return max((round for who, at, round, _ in self._said if (who, at) == (index, height)), default=0)

    def seated(self, machine: Machine, height: int, validator: int) -> None:
        """A machine speaks as this validator of a height."""
        sets, who = machine.world.sets, machine.identity.name
        seat = sets.seat(machine, height)
        demand(seat is not None, _NAME, f"{who} speaks at height {height}, in whose set it has no seat")
        demand(seat == validator, _NAME, f"{who} speaks at height {height} from another seat than {seat}")
        name = sets.at(height).validators[validator].name
        speaker = self._speakers.setdefault((height, name), machine.identity.index)
        demand(speaker == machine.identity.index, _NAME, f"{name} speaks at height {height} with two keys")
