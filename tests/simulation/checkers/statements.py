"""No honest validator ever signs two statements that contradict each other, across restarts (I4, I5, I8).

And it signs from its seat only: the index that its key has in the set of that height, if any. A validator that is
re-keyed has two machines for a while; at each height it speaks with one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.evidence import contradiction
from ledger.consensus.messages import SignedMessage
from ledger.consensus.statements import Statement
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Statements:
    """Everything that each honest validator ever said, by height."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, int], list[Statement]] = {}
        self._speakers: dict[tuple[int, str], int] = {}

    def spoken(self, machine: Machine, message: SignedMessage) -> None:
        """A message leaves."""
        statement = message.statement
        self._check_seat(machine, message)
        said = self._said.setdefault((machine.identity.index, statement.height), [])
        for earlier in said:
            kind = contradiction(earlier, statement)
            demand(
                kind is None, "statements", f"{machine.identity.name} says {statement} after {earlier}, which is {kind}"
            )
        said.append(statement)

    def _check_seat(self, machine: Machine, message: SignedMessage) -> None:
        sets, who, height = machine.world.sets, machine.identity.name, message.statement.height
        seat = sets.seat(machine, height)
        demand(seat is not None, "statements", f"{who} speaks at height {height}, in whose set it has no seat")
        demand(
            seat == message.validator, "statements", f"{who} speaks at height {height} from another seat than {seat}"
        )
        name = sets.at(height).validators[message.validator].name
        speaker = self._speakers.setdefault((height, name), machine.identity.index)
        demand(speaker == machine.identity.index, "statements", f"{name} speaks at height {height} with two keys")

    def booted(self, machine: Machine) -> None:
        """A machine came back: its round is not below one that it signed (amendment A9), unless its disk is damaged."""
        if machine.damaged:
            return
        deciding = machine.running._parts.deciding
        said = self._said.get((machine.identity.index, deciding.height), [])
        signed = max((statement.round for statement in said), default=0)
        demand(
            deciding.engine.round >= signed,
            "statements",
            f"{machine.identity.name} comes back in round {deciding.engine.round} and had signed in {signed}",
        )
