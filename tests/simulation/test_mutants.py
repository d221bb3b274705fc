"""The simulator catches bugs: each mutant of production code fails within a few seeds, by the right checker."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import main
from tests.simulation.mutants import MUTANTS, Mutant, mutated
from tests.simulation.run import run
from tests.simulation.violation import Violation


def first_violation(mutant: Mutant) -> tuple[int, Violation] | None:
    """The first seed that shows the mutant."""
    n, q = (None, None) if mutant.quorum is None else mutant.quorum
    with mutated(mutant):
        for seed in range(mutant.seeds):
            try:
                run(seed, n=n, q=q, changes=mutant.set_changes, adjust=mutant.adjust)
            except Violation as violation:
                return seed, violation
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    found = first_violation(mutant)
    assert found is not None, f"{mutant.seeds} seeds see nothing"
    assert found[1].checker in mutant.seen_by, f"seed {found[0]}: {found[1]}"


def test_the_command_stops_at_the_first_violation_and_names_its_replay(capsys: pytest.CaptureFixture[str]) -> None:
    mutant = next(mutant for mutant in MUTANTS if "not synced" in mutant.name)
    with mutated(mutant):
        assert main(["--seeds", "0:4", "--jobs", "1"]) == 1
    assert "replay: scripts/simulate --seed " in capsys.readouterr().out
