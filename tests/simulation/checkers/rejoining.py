"""I12: after a commit nothing of the height is left. A machine that took part has, row by row, what a node has that was
only given the block; it begins the next height as that one does, and knows nothing of it that is of another height.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.mempool import Mempool
from node.replica.deciding import begin
from tests.simulation.checkers.synced import Synced, shared_rows
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from ledger.consensus.state import HeightState
    from tests.simulation.machine import Machine

_NAME = "rejoining"
_ROWS_SHARE = 0.25  # of commits: comparing all rows costs more than a step
_CONTEXT = ("height", "parent_hash", "parent_time_ms", "validator_count", "quorum", "leader_order", "me", "timing")


class Rejoining:
    """Which machines have appended a block in the step that they are at."""

    def __init__(self, synced: Synced, rng: random.Random) -> None:
        self._synced = synced
        self._rng = rng
        self._appending: dict[int, int] = {}

    def appended(self, machine: Machine, height: int) -> None:
        """A machine announces a block, which it has just written."""
        if machine.damaged:
            return
        self._appending[machine.identity.index] = height
        if self._rng.random() >= _ROWS_SHARE or machine.durable_height != height:
            return
        if self._synced.follow(machine.running._parts.chain, height):
            found, expected = shared_rows(machine), self._synced.rows(height)
            differing = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
            demand(
                not differing,
                _NAME,
                f"{machine.identity.name} has other rows at {height} than who synced it: {sorted(differing)[:3]}",
            )

    def stepped(self, machine: Machine) -> None:
        """The step is done: the machine has begun the next height."""
        height = self._appending.pop(machine.identity.index, None)
        deciding = machine.running._parts.deciding
        if height is None or deciding.height != height + 1:
            return
        for what, at in _heights(deciding.engine.state):
            demand(at == height + 1, _NAME, f"{machine.identity.name} has a {what} of height {at} at {height + 1}")
        demand(
            all(statement.height == height + 1 for statement in deciding.statements),
            _NAME,
            f"{machine.identity.name} counts statements of another height as its own at {height + 1}",
        )
        if self._synced.height == height and self._synced.chain.tip == machine.running._parts.chain.tip:
            self._check_beginning(machine)

    def _check_beginning(self, machine: Machine) -> None:
        parts = machine.running._parts
        key = None if parts.key is None else parts.key.public_key
        fresh = begin(
            self._synced.chain,
            key=key,
            may_vote=True,
            restored=None,
            mempool=Mempool(),
            verify=parts.verify,
            now=parts.now,
        )
        for name in _CONTEXT:
            found, expected = getattr(parts.deciding.engine.context, name), getattr(fresh.engine.context, name)
            who = f"{machine.identity.name} begins height {fresh.height}"
            demand(found == expected, _NAME, f"{who} with {name} {found}, and who synced with {expected}")
        for name in ("parameters", "validators", "admission", "me", "unknown_rules"):
            same = getattr(parts.deciding, name) == getattr(fresh, name)
            demand(same, _NAME, f"{machine.identity.name} begins height {fresh.height} with other {name}")


def _heights(state: HeightState) -> Iterator[tuple[str, int]]:
    """The height of everything that an engine has learned and promised."""
    for proposals in state.proposals.values():
        yield from (("proposal", proposal.statement.height) for proposal in proposals)
    yield from (("prepare certificate", item.height) for item in state.prepare_certificates.values())
    yield from (("commit certificate", item.height) for item in state.commit_certificates)
    yield from (("justification", item.height) for item in state.justifications.values())
    yield from (("promise", statement.height) for statement in state.promises.values())
    yield from (("message of its own", message.statement.height) for message in state.spoken.values())
    for places in state.book._seen.values():
        for statements in places.values():
            yield from (("vote", signed.statement.height) for signed in statements)
