"""Why a round may propose a block: the question is objective, so every node and every auditor answers it alike.

A justification of round r > 0 is a timeout certificate of round r - 1. With m its highest high round:

    r = 0           no justification; the block must be fresh in round 0
    m = -1          nothing can have been committed below r: any block that is fresh in r
    m >= 0          only the block of the prepare certificate of round m, which comes with it

Followed from a commit down to the round in which the block was fresh, they are the chain of a commit record.
"""

from __future__ import annotations

from ledger.consensus.codec import justification_digest
from ledger.consensus.messages import TimeoutCertificate
from ledger.primitives import ZERO_DIGEST, Digest


def allows(justification: TimeoutCertificate | None, *, round: int, block_hash: Digest, fresh_round: int) -> bool:
    """Whether `justification`, which is verified, lets `round` propose the block that was fresh in `fresh_round`."""
    if justification is None:
        return round == 0 and fresh_round == 0
    if justification.round != round - 1:
        return False
    prepared = justification.prepare_certificate
    return fresh_round == round if prepared is None else prepared.block_hash == block_hash


def flaw_in_chain(
    chain: tuple[TimeoutCertificate, ...], *, round: int, block_hash: Digest, fresh_round: int
) -> str | None:
    """Why `chain` does not lead from `round` down to `fresh_round`, or None if it does (amendment A8).

    The first of the chain may be any justification that allows the block; each further one is exactly the one that the
    prepare certificate before it binds by its digest.
    """
    bound: Digest | None = None
    for justification in chain:
        if round == 0:
            return "there is a justification beyond the round in which the block was fresh"
        if bound is not None and justification_digest(justification) != bound:
            return f"round {round} was prepared with another justification"
        if not allows(justification, round=round, block_hash=block_hash, fresh_round=fresh_round):
            return f"round {round} was not free to propose the block"
        prepared = justification.prepare_certificate
        if prepared is None:
            return None if justification is chain[-1] else "there is a justification beyond the fresh proposal"
        round, bound = prepared.round, prepared.justification_digest
    if round != 0:
        return f"the justification of round {round} is missing"
    if fresh_round != 0 or bound not in (None, ZERO_DIGEST):
        return f"the block was fresh in round {fresh_round}, and the chain leads to round 0"
    return None
