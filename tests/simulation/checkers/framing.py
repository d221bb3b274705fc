"""I5: nobody honest can be framed. All that an honest machine ever says at a height, across restarts, has no pair that
is evidence: neither by the rules of `contradictions`, nor by the ledger's own detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.evidence import contradiction as contradiction_on_ledger
from ledger.consensus.messages import SignedMessage
from ledger.consensus.statements import Statement
from tests.simulation.checkers.contradictions import Said, contradiction
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


class Framing:
    """Everything that each honest machine ever said, by height: as plain values, and as the ledger's own."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, int], list[tuple[Said, Statement]]] = {}

    def spoken(self, machine: Machine, said: Said, message: SignedMessage) -> None:
        """A message leaves."""
        who, now = machine.identity.name, message.statement
        before = self._said.setdefault((machine.identity.index, said.height), [])
        for earlier, on_ledger in before:
            kind = contradiction(earlier, said) or contradiction_on_ledger(on_ledger, now)
            demand(kind is None, "statements", f"{who} says {said} after {earlier}, which is {kind}")
        before.append((said, now))
