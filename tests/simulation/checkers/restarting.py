"""I11: a restart from any durable image goes on in one way. What is on the disk at an instant is all that the future
depends on, so two nodes that start from it, and are told the same, do the same:

* at drawn boots, beside the machine itself, one whose database was made anew, by syncing every block from genesis, with
  only its promises and findings copied: what a database has been through must not matter;
* at drawn instants of a machine that runs, one on a copy of its disk and one on such a new database; and whatever the
  machine has promised at its height by then, both must know.

They are told what the machine is told, step by step for a while, and their actions are compared, all of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.replica import Action, Elapsed, Halted, PeerConnected, Replica, ReplicaInput
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from tests.simulation.checkers.synced import Rows, Synced, own_rows
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "restarting"
_BOOTS_SHARE = 0.1
_STEPS_SHARE = 0.001
_STEPS = 30


@dataclass(slots=True)
class _Pair:
    """Two that must do the same: `left` is None where it is the machine itself."""

    boot: int
    left: Replica | None
    right: Replica
    steps_left: int = _STEPS


class Restarting:
    """At most one pair for each machine."""

    def __init__(self, synced: Synced, rng: random.Random) -> None:
        self._synced = synced
        self._rng = rng
        self._pairs: dict[int, _Pair] = {}
        self.compared = 0
        """How many steps were compared."""

    def booted(self, machine: Machine) -> None:
        """A machine came back, and has not taken a step."""
        if machine.boots == 1 or self._rng.random() >= _BOOTS_SHARE:
            return
        again = self._made_anew(machine)
        if again is not None:
            self._pairs[machine.identity.index] = _Pair(machine.boots, None, again)

    def took(self, machine: Machine, inputs: Sequence[ReplicaInput], backlog: bool, actions: Sequence[Action]) -> None:
        """A machine took a step with these inputs, and these actions came of it."""
        pair = self._pairs.get(machine.identity.index)
        if pair is None:
            return
        ended = pair.boot != machine.boots or any(isinstance(action, Halted) for action in actions)
        if ended or pair.steps_left == 0:
            del self._pairs[machine.identity.index]
            return
        pair.steps_left -= 1
        expected = actions if pair.left is None else pair.left.step(inputs, machine.now, backlog=backlog)
        self._compare(machine, expected, pair.right.step(inputs, machine.now, backlog=backlog))

    def stepped(self, machine: Machine) -> None:
        """A machine is done with a step: perhaps its power would go now."""
        if machine.identity.index in self._pairs or self._rng.random() >= _STEPS_SHARE:
            return
        right = self._made_anew(machine)
        if right is None:
            return
        left = _start(machine, machine.disk.image())
        for replica in (left, right):
            _check_promises(machine, replica)
        self._pairs[machine.identity.index] = _Pair(machine.boots, left, right)
        links = (other for other in machine.world.machines if machine.world.linked(machine, other))
        inputs = [Elapsed(), *(PeerConnected(peer) for peer in dict.fromkeys(other.identity.peer for other in links))]
        self._compare(machine, left.step(inputs, machine.now), right.step(inputs, machine.now))

    def _made_anew(self, machine: Machine) -> Replica | None:
        """A replica on a database that only synced the chain, or None when it is on the other side of a fork."""
        chain, height = machine.running._parts.chain, machine.durable_height
        if (
            machine.damaged
            or machine.disk.is_broken
            or machine.guard.read() is None
            or not self._synced.follow(chain, height)
        ):
            return None
        return _start(machine, self._synced.rows(height) | own_rows(machine))

    def _compare(self, machine: Machine, left: Sequence[Action], right: Sequence[Action]) -> None:
        self.compared += 1
        for one, other in zip(left, right, strict=False):
            good = one == other
            demand(good, _NAME, f"{machine.identity.name}, restarted on what it has, does {one}, and {other} otherwise")
        names = f"{[type(item).__name__ for item in left]} and {[type(item).__name__ for item in right]}"
        demand(len(left) == len(right), _NAME, f"{machine.identity.name}, restarted, does {names}")


def _start(machine: Machine, rows: Rows) -> Replica:
    """A replica with the keys of a machine, on a disk with these rows, and with a guard that knows the same."""
    guard, record = MemoryGuard(), machine.guard.read()
    assert record is not None
    guard.write(record)
    return Replica(
        chain=open_chain(MemoryStore(rows)),
        guard=guard,
        consensus_key=machine.consensus_key,
        node_key=machine.identity.founder.node_key,
        cosigning_key=machine.cosigning_key,
        verify=machine.world.memory.verify,
        now=machine.now,
    )


def _check_promises(machine: Machine, restarted: Replica) -> None:
    """All that the machine promised at its height is known after a restart, and its round is not below it."""
    running, after = machine.running._parts.deciding, restarted._parts.deciding
    who = f"{machine.identity.name}, restarted at height {running.height}"
    demand(after.height == running.height, _NAME, f"{who}, decides height {after.height}")
    if machine.running._parts.silence is None:  # whose engine may have cast what was never signed
        demand(after.engine.state.promises == running.engine.state.promises, _NAME, f"{who}, has other promises")
    demand(after.statements == running.statements, _NAME, f"{who}, remembers other statements of its own")
    demand(after.engine.round <= running.engine.round, _NAME, f"{who}, is in round {after.engine.round}")
