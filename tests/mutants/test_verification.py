"""Every mutant of verification, and of the changes of the validator set, is seen by each of its killers."""

from __future__ import annotations

import pytest

from tests.mutants import sets, verification
from tests.mutants.mutant import Mutant
from tests.mutants.test_consensus import check_killed


@pytest.mark.parametrize("mutant", [*verification.MUTANTS, *sets.MUTANTS], ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    check_killed(mutant)
