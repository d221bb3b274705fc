"""Every mutant of verification, also ahead of time, and of set changes is seen by each of its killers."""

from __future__ import annotations

import pytest

from tests.mutants import ahead, sets, verification
from tests.mutants.mutant import Mutant
from tests.mutants.test_consensus import check_killed


@pytest.mark.parametrize(
    "mutant", [*verification.MUTANTS, *ahead.MUTANTS, *sets.MUTANTS], ids=lambda mutant: mutant.name
)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    check_killed(mutant)
