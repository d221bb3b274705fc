"""All mutants."""

from __future__ import annotations

from tests.mutants import ahead, consensus, replica, sets, storage, verification

MUTANTS = (
    *consensus.MUTANTS,
    *replica.MUTANTS,
    *storage.MUTANTS,
    *sets.MUTANTS,
    *verification.MUTANTS,
    *ahead.MUTANTS,
)
