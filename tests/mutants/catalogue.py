"""All mutants."""

from __future__ import annotations

from tests.mutants import ahead, consensus, consensus_proofs, leaders, replica, sets, storage, tries, verification

MUTANTS = (
    *consensus.MUTANTS,
    *consensus_proofs.MUTANTS,
    *replica.MUTANTS,
    *storage.MUTANTS,
    *sets.MUTANTS,
    *verification.MUTANTS,
    *ahead.MUTANTS,
    *leaders.MUTANTS,
    *tries.MUTANTS,
)
