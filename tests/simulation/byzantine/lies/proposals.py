"""Lies about what is proposed: two blocks, no valid one, without what belongs to it, or in somebody else's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ledger.block import Header, block_hash, encode_header, parse_header
from ledger.consensus.codec import justification_digest
from ledger.consensus.messages import Proposal, ProposedBlock, TimeoutCertificate
from ledger.consensus.statements import ProposalStatement
from ledger.primitives import Digest

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_NOWHERE = Digest(b"\x0b" * 32)


def two_proposals(liar: Liar) -> bool:
    """One block or two in a round that it leads, fresh ones or the one that was prepared; each to some."""
    state, rng = liar.state, liar.world.rng
    if not _leads(liar):
        return False
    prepared = None if state.entry is None else state.entry.prepare_certificate
    for _ in range(rng.choice((1, 2, 2))):
        if prepared is not None and rng.random() < 0.7:
            _propose(liar, prepared.block_hash, None, state.entry)
        else:
            name, block = liar.fresh(state.round)
            _propose(liar, name, block, state.entry)
    return True


def invalid_block(liar: Liar) -> bool:
    """A block that breaks one of the rules of blocks, rightly proposed."""
    if not _leads(liar):
        return False
    _, block = liar.fresh(liar.state.round)
    header = _broken(liar, parse_header(block.header))
    data = encode_header(header)
    _propose(liar, block_hash(data), ProposedBlock(data, block.envelope_hashes), liar.state.entry)
    return True


def _broken(liar: Liar, header: Header) -> Header:
    """The header with one field that is not what it must be."""
    names = [validator.name for validator in liar.deciding.validators.validators]
    ways = (
        replace(header, state_root=_NOWHERE),
        replace(header, log_root=_NOWHERE),
        replace(header, log_size=header.log_size + 1),
        replace(header, transaction_count=header.transaction_count + 1),
        replace(header, parent_hash=_NOWHERE),
        replace(header, chain=_NOWHERE),
        replace(header, time_ms=max(1, header.time_ms - 10_000_000)),
        replace(header, round=header.round + 1),
        replace(header, height=header.height + 1),
        replace(header, proposer=liar.world.rng.choice(names)),
        replace(header, validators_hash=_NOWHERE),
        replace(header, next_validators_hash=_NOWHERE),
    )
    return liar.world.rng.choice(ways)


def proposal_without_block(liar: Liar) -> bool:
    """A fresh block's hash, and the block to nobody."""
    if not _leads(liar):
        return False
    name, _ = liar.fresh(liar.state.round)
    _propose(liar, name, None, liar.state.entry)
    return True


def proposal_of_another_leader(liar: Liar) -> bool:
    """A valid block in a round that somebody else leads."""
    if _leads(liar):
        return False
    name, block = liar.fresh(liar.state.round)
    _propose(liar, name, block, liar.state.entry)
    return True


def wrong_justification(liar: Liar) -> bool:
    """A fresh block in a later round, with no justification, or with that of another round."""
    state = liar.state
    if state.entry is None:
        return False
    name, block = liar.fresh(state.round)
    if liar.world.rng.random() < 0.5:
        liar.claim(_signed(liar, state.round, name, block, None))
    else:
        liar.claim(_signed(liar, state.round + 1, name, block, state.entry))
    return True


def _leads(liar: Liar) -> bool:
    return bool(liar.deciding.engine.context.leader(liar.state.round) == liar.me)


def _propose(liar: Liar, name: Digest, block: ProposedBlock | None, justification: TimeoutCertificate | None) -> None:
    liar.say(_signed(liar, liar.state.round, name, block, justification))


def _signed(
    liar: Liar, round: int, name: Digest, block: ProposedBlock | None, justification: TimeoutCertificate | None
) -> Proposal:
    statement = ProposalStatement(liar.deciding.height, round, name, justification_digest(justification))
    return Proposal(statement, liar.me, liar.sign(statement), justification, block)
