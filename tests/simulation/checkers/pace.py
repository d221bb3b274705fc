"""A round is given up when its time is over, and not before, by the clock of who gives it up; but for one whose leader
was seen to propose twice, which is given up at once, and one without a link to its leader for half of its time. So
rounds and timeouts cannot run away (besu #1734).

The time of a round is what the protocol says of it, counted here once more: 1.5 times that of the round before, from
the base timeout up to the longest. A round begins when it is entered, or when the machine starts in it; a vote that was
on the disk by then is only repeated. A link is lost, or up again, when the machine takes in that it is; one that was
never up in this boot is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ledger.consensus.inputs import PeerId
from ledger.consensus.messages import SignedMessage
from ledger.consensus.statements import Statement, TimeoutStatement
from node.replica.inputs import PeerConnected, PeerDisconnected, ReplicaInput
from tests.simulation.plan import BASE_TIMEOUT_MS, TIMEOUT_MS_MAX
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "pace"
_ROUNDS_MAX = 16
"""The timeout of this round is the longest, and of every later one."""


class Pace:
    """Since when each machine is in its round."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[tuple[int, int, int], int]] = {}
        """By machine: its boot, height and round, and since when, by its own clock."""
        self._signed: dict[int, frozenset[Statement]] = {}
        """By machine: what it had signed of its height when it came to it."""
        self._lost: dict[tuple[int, int], dict[PeerId, int]] = {}
        """By machine and boot: since when links are lost, by its own clock."""

    def took(self, machine: Machine, inputs: Sequence[ReplicaInput]) -> None:
        """A machine took a step with these inputs; what it said in the step was judged before."""
        lost = self._lost.setdefault((machine.identity.index, machine.boots), {})
        for item in inputs:
            match item:
                case PeerDisconnected(peer):
                    lost[peer] = machine.now.monotonic_ms
                case PeerConnected(peer):
                    lost.pop(peer, None)
                case _:
                    pass
        self.looked_at(machine)

    def looked_at(self, machine: Machine) -> None:
        """A machine has started, or taken a step."""
        deciding = machine.running._parts.deciding
        index, place = machine.identity.index, (machine.boots, deciding.height, deciding.engine.round)
        before, _ = self._since.get(index, ((0, 0, 0), 0))
        if before != place:
            self._since[index] = place, machine.now.monotonic_ms
        if before[:2] != place[:2]:
            self._signed[index] = frozenset(deciding.engine.state.promises.values())

    def spoken(self, machine: Machine, message: SignedMessage) -> None:
        """A message leaves for the first time, in the middle of a step."""
        statement = message.statement
        if not isinstance(statement, TimeoutStatement) or statement in self._signed[machine.identity.index]:
            return
        height, round, deciding = statement.height, statement.round, machine.running._parts.deciding
        if deciding.height != height or len(deciding.engine.state.proposals.get(round, ())) > 1:
            return
        who = f"{machine.identity.name} gives up round {round} of height {height}"
        place, since_ms = self._since[machine.identity.index]
        demand(place == (machine.boots, height, round), _NAME, f"{who} in the step in which it enters it")
        leader = deciding.peer_of(deciding.engine.context.leader(round))
        lost_ms = self._lost.get((machine.identity.index, machine.boots), {}).get(leader)
        now_ms, timeout_ms = machine.now.monotonic_ms, timeout_of(round)
        if lost_ms is not None and now_ms - max(since_ms, lost_ms) >= timeout_ms // 2:
            return
        passed_ms = now_ms - since_ms
        demand(passed_ms >= timeout_ms, _NAME, f"{who} after {passed_ms} of {timeout_ms} ms")


def timeout_of(round: int) -> int:
    """How long a round lasts, in milliseconds."""
    round = min(round, _ROUNDS_MAX)
    return min(BASE_TIMEOUT_MS * 3**round // 2**round, TIMEOUT_MS_MAX)
