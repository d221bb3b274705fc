"""What would be wrong is seen: rules of durability that are broken fail at some instant of some history."""

from __future__ import annotations

import pytest
from tests.simulation.mutants import MUTANTS, Change, Mutant, mutated

from node.replica import voice
from node.storage import chain_store
from tests.crash_points.histories import HISTORIES
from tests.crash_points.operations import Restart
from tests.crash_points.recording import recording
from tests.crash_points.running import run
from tests.simulation.violation import Violation

_NAMES = ("the guard is not brought up to date at start", "a restarted node does not remember its votes")

BROKEN = (
    *(mutant for mutant in MUTANTS if mutant.name in _NAMES),
    Mutant(
        "the guard is written before the batch",
        (
            Change(
                voice,
                "speak",
                "    chain.promise(_promises(casts, own, deciding))\n    last = own[-1]\n"
                "    guard.write(promise(deciding.height, last.round, last.type, last.payload))\n",
                "    last = own[-1]\n    guard.write(promise(deciding.height, last.round, last.type, last.payload))\n"
                "    chain.promise(_promises(casts, own, deciding))\n",
            ),
        ),
        ("durability", "reputation", "standing"),
    ),
    Mutant(
        "a vote is in another batch than what it promises",
        (
            Change(
                chain_store,
                "ChainStore.promise",
                "    self._store.write(batch.puts, sync=True)\n",
                "    payloads = {message.payload for message in promises.messages}\n"
                "    own = {key: value for key, value in batch.puts.items() if value in payloads}\n"
                "    self._store.write(own, sync=True)\n"
                "    rest = {key: value for key, value in batch.puts.items() if key not in own}\n"
                "    self._store.write(rest, sync=True)\n",
            ),
        ),
        ("durability",),
    ),
)


def first_violation() -> Violation | None:
    """What is found first, over all histories of three validators."""
    for history in HISTORIES:
        try:
            for instant in recording(3, 2, history).futures:
                run(3, 2, history, instant, Restart.AT_ONCE)
        except Violation as violation:
            return violation
    return None


@pytest.mark.parametrize("mutant", BROKEN, ids=lambda mutant: mutant.name)
def test_a_broken_rule_is_seen(mutant: Mutant) -> None:
    with mutated(mutant):
        found = first_violation()
    assert found is not None
    assert found.checker in mutant.seen_by, found


def test_all_of_them_are_there() -> None:
    assert len(BROKEN) == len(_NAMES) + 2
