"""Committing: a height is decided when q committed a block that is here and valid, and its record is complete.

A commit certificate of any round decides. For a round above 0 the record needs the justification chain (amendment A8);
what of it is not known is fetched, and until it is here the node goes on voting like any other.
"""

from __future__ import annotations

from ledger.consensus.effects import Commit
from ledger.consensus.inputs import BlockFacts
from ledger.consensus.justification import allows, flaw_in_chain
from ledger.consensus.messages import CommitCertificate, TimeoutCertificate
from ledger.consensus.state import HeightState
from ledger.primitives import Digest


def decide(state: HeightState) -> None:
    """Commit if some commit certificate has its block and its chain; ask for what is missing otherwise."""
    for certificate in state.commit_certificates:
        facts = state.blocks.get(certificate.block_hash)
        if facts is None:
            state.want_block(certificate.block_hash)
            continue
        chain = _chain(state, certificate, facts)
        if chain is not None:
            state.decided = True
            state.effects.append(Commit(certificate.block_hash, certificate, chain))
            return


def _chain(
    state: HeightState, certificate: CommitCertificate, facts: BlockFacts
) -> tuple[TimeoutCertificate, ...] | None:
    """The justifications of the record, or None while one is missing (and then asked for)."""
    round, block_hash = certificate.round, certificate.block_hash
    chain: list[TimeoutCertificate] = []
    while round > 0:
        if not chain:
            justification = _any_justification(state, round, block_hash, facts)
        else:
            prepared = chain[-1].prepare_certificate
            assert prepared is not None
            justification = _known(state, prepared.justification_digest)
        if justification is None:
            return None
        chain.append(justification)
        if justification.prepare_certificate is None or justification.prepare_certificate.round >= round:
            break
        round = justification.prepare_certificate.round
    found = tuple(chain)
    flaw = flaw_in_chain(found, round=certificate.round, block_hash=block_hash, fresh_round=facts.round)
    return found if flaw is None else None


def _any_justification(
    state: HeightState, round: int, block_hash: Digest, facts: BlockFacts
) -> TimeoutCertificate | None:
    """Any known justification that allows the block in `round`; otherwise those it was prepared with are asked for."""
    for justification in state.justifications.values():
        if allows(justification, round=round, block_hash=block_hash, fresh_round=facts.round):
            return justification
    prepared = state.prepare_certificates.get(round)
    if prepared is not None and prepared.block_hash == block_hash:
        return _known(state, prepared.justification_digest)
    for digest in state.book.justification_digests(round, block_hash):
        state.want_justification(digest)
    return None


def _known(state: HeightState, digest: Digest) -> TimeoutCertificate | None:
    """The justification with this digest; asked for if it is not here."""
    justification = state.justifications.get(digest)
    if justification is None:
        state.want_justification(digest)
    return justification
