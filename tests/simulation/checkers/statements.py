"""No honest validator ever signs two statements that contradict each other, across restarts (I4, I5, I8)."""

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

    def spoken(self, machine: Machine, message: SignedMessage) -> None:
        """A message leaves."""
        statement = message.statement
        said = self._said.setdefault((machine.identity.index, statement.height), [])
        for earlier in said:
            kind = contradiction(earlier, statement)
            demand(
                kind is None, "statements", f"{machine.identity.name} says {statement} after {earlier}, which is {kind}"
            )
        said.append(statement)

    def booted(self, machine: Machine) -> None:
        """A machine came back: its round is not below one that it signed (amendment A9)."""
        deciding = machine.running._parts.deciding
        said = self._said.get((machine.identity.index, deciding.height), [])
        signed = max((statement.round for statement in said), default=0)
        demand(
            deciding.engine.round >= signed,
            "statements",
            f"{machine.identity.name} comes back in round {deciding.engine.round} and had signed in {signed}",
        )
