"""All mutants."""

from __future__ import annotations

from tests.mutants import ahead, consensus, leaders, replica, sets, storage, verification

MUTANTS = (
    *consensus.MUTANTS,
    *replica.MUTANTS,
    *storage.MUTANTS,
    *sets.MUTANTS,
    *verification.MUTANTS,
    *ahead.MUTANTS,
    *leaders.MUTANTS,
)
