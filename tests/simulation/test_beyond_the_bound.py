"""Beyond the bound the chain can fork, and then it is proved who did it (I15): 2q - n validators, and nobody honest.

With 2q - n validators that sign two different things, or more, safety is gone and accountability is what is left. Every
other invariant that does not depend on the bound is asked as ever, in runs that fork and in runs that happen not to.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest

from ledger import split_view
from tests.simulation.beyond import BEYOND, LIARS, SPLITTERS, attack, run_attacks
from tests.simulation.checkers import contradictions
from tests.simulation.run import Report
from tests.simulation.violation import Violation

SPLIT_SEEDS = 8
DRAWN_SEEDS = 8


def attacked(n: int, q: int, count: int, seed: int, kinds: tuple[str, ...]) -> Report:
    """One run; every fork in it names enough, and nobody honest. A failure names what replays it."""
    try:
        report = attack(n, q, count, seed, kinds)
    except Violation as violation:
        pytest.fail(f"{violation}\nreplay: attack({n}, {q}, {count}, {seed}, {kinds})")
    liars = {f"v{index}" for index, _ in report.plan.byzantine}
    for fork in report.forks:
        assert len(fork.culprits) >= 2 * q - n
        assert set(fork.culprits) <= liars
    return report


@pytest.mark.parametrize(("n", "q", "count"), BEYOND)
def test_those_who_split_the_chain_are_named(n: int, q: int, count: int) -> None:
    forked = sum(bool(attacked(n, q, count, seed, SPLITTERS).forks) for seed in range(SPLIT_SEEDS))
    assert forked >= SPLIT_SEEDS - 2, f"{forked} of {SPLIT_SEEDS} runs fork"


@pytest.mark.parametrize(("n", "q", "count"), BEYOND)
def test_whatever_many_liars_do_only_they_are_named(n: int, q: int, count: int) -> None:
    for seed in range(DRAWN_SEEDS):
        attacked(n, q, count, seed, LIARS)


@pytest.mark.parametrize(("n", "q"), [(4, 3), (5, 4), (7, 5)])
def test_with_one_less_the_same_attack_comes_to_nothing(n: int, q: int) -> None:
    for seed in range(SPLIT_SEEDS):
        assert not attacked(n, q, 2 * q - n - 1, seed, SPLITTERS).forks


def test_a_detector_that_misses_somebody_is_found_out() -> None:
    seed = next(seed for seed in range(SPLIT_SEEDS) if attacked(4, 3, 2, seed, SPLITTERS).forks)
    nobody_on_ledger = patch.object(split_view, "find_evidence", lambda statements: ())
    with nobody_on_ledger, pytest.raises(Violation, match="the ledger accuses"):
        attack(4, 3, 2, seed, SPLITTERS)
    nobody = patch.object(contradictions, "contradiction", lambda one, other: None)
    with nobody, pytest.raises(Violation, match="must name at least 2"):
        attack(4, 3, 2, seed, SPLITTERS)


def test_a_campaign_counts_runs_that_fork() -> None:
    outcome = run_attacks(0, len(BEYOND) + 1)
    assert outcome.violations == ()
    assert outcome.counts["runs with splitters"] == len(BEYOND)
    assert outcome.counts["runs with liars"] == 1
    assert outcome.counts["culprits named"] >= outcome.counts["forks"] > 0
