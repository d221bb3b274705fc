"""Beyond the bound the chain can fork, and then it is proved who did it (I15): 2q - n validators, and nobody honest.

With 2q - n validators that sign two different things, or more, safety is gone and accountability is what is left. Every
other invariant that does not depend on the bound is asked as ever, in runs that fork and in runs that happen not to.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest

from ledger import split_view
from tests.simulation.checkers import contradictions
from tests.simulation.plan import Plan
from tests.simulation.run import Report, run
from tests.simulation.violation import Violation

BEYOND = ((3, 2, 1), (4, 3, 2), (5, 3, 1), (5, 4, 3), (7, 5, 3))
"""(n, q, how many sign two different things)."""

SPLITTERS = ("splitter",)
LIARS = ("splitter", "twin", "twin", "liar", "framer", "forgetful")
SPLIT_SEEDS = 10
DRAWN_SEEDS = 16


def lying(count: int, seed: int, kinds: tuple[str, ...]) -> Callable[[Plan], Plan]:
    """`count` validators lie, and with so many nobody promises that the chain goes on."""
    rng = random.Random(seed)

    def adjust(plan: Plan) -> Plan:
        byzantine = tuple(sorted((index, rng.choice(kinds)) for index in rng.sample(range(plan.n), count)))
        return replace(plan, byzantine=byzantine, dead=(), lively=False, safety_ms=1_500, transactions=10)

    return adjust


def calm(plan: Plan) -> Plan:
    """A network that delivers: what the attack needs most."""
    return replace(plan, loss=0.0, delay_ms=2, tail_rate=0.0, slow_machine=-1, partition_every_ms=0, cut_rate=0.002)


def attacked(n: int, q: int, count: int, seed: int, kinds: tuple[str, ...]) -> Report:
    """One run; every fork in it names enough, and nobody honest. A failure names what replays it."""
    lie = lying(count, seed, kinds)
    try:
        report = run(seed, n=n, q=q, adjust=lambda plan: lie(calm(plan) if kinds == SPLITTERS else plan))
    except Violation as violation:
        pytest.fail(f"{violation}\nreplay: attacked({n}, {q}, {count}, {seed}, {kinds})")
    liars = {f"v{index}" for index, _ in report.plan.byzantine}
    for fork in report.forks:
        assert len(fork.culprits) >= 2 * q - n
        assert set(fork.culprits) <= liars
    return report


@pytest.mark.parametrize(("n", "q", "count"), BEYOND)
def test_those_who_split_the_chain_are_named(n: int, q: int, count: int) -> None:
    forked = sum(bool(attacked(n, q, count, seed, SPLITTERS).forks) for seed in range(SPLIT_SEEDS))
    assert forked >= SPLIT_SEEDS // 2, f"{forked} of {SPLIT_SEEDS} runs fork"


@pytest.mark.parametrize(("n", "q", "count"), BEYOND)
def test_whatever_many_liars_do_only_they_are_named(n: int, q: int, count: int) -> None:
    for seed in range(DRAWN_SEEDS):
        attacked(n, q, count, seed, LIARS)


@pytest.mark.parametrize(("n", "q"), [(4, 3), (5, 4), (7, 5)])
def test_with_one_less_the_same_attack_comes_to_nothing(n: int, q: int) -> None:
    for seed in range(SPLIT_SEEDS):
        report = attacked(n, q, 2 * q - n - 1, seed, SPLITTERS)
        assert not report.forks


def test_a_detector_that_misses_somebody_is_found_out() -> None:
    seed = next(seed for seed in range(SPLIT_SEEDS) if attacked(4, 3, 2, seed, SPLITTERS).forks)

    def fork() -> None:
        run(seed, n=4, q=3, adjust=lambda plan: lying(2, seed, SPLITTERS)(calm(plan)))

    with (
        patch.object(split_view, "find_evidence", lambda statements: ()),
        pytest.raises(Violation, match="the ledger accuses"),
    ):
        fork()
    nobody = patch.object(contradictions, "contradiction", lambda one, other: None)
    with nobody, pytest.raises(Violation, match="must name at least 2"):
        fork()
