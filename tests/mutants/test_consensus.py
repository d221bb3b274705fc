"""Every mutant of consensus is seen by each of its killers."""

from __future__ import annotations

import pytest

from tests.mutants import consensus, consensus_proofs
from tests.mutants.killing import kill
from tests.mutants.mutant import Mutant


def check_killed(mutant: Mutant) -> None:
    """Each killer sees it."""
    for killer in mutant.killers:
        assert kill(mutant, killer).seen is not None, f"{killer} sees nothing"


@pytest.mark.parametrize("mutant", [*consensus.MUTANTS, *consensus_proofs.MUTANTS], ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    check_killed(mutant)
