"""Voting: when a validator prepares, and when it commits. Each at most once per round, and never after giving it up.

Both votes promise that the block is here, valid and durable; so both wait for `BlockChecked`, and ask for the block
where it is missing. A prepare certificate without the block is not enough (indy-plenum #523 and others).
"""

from __future__ import annotations

from ledger.consensus.codec import justification_digest
from ledger.consensus.effects import CastCommit, CastPrepare
from ledger.consensus.inputs import BlockFacts
from ledger.consensus.justification import allows
from ledger.consensus.messages import TimeoutCertificate
from ledger.consensus.state import HeightState
from ledger.consensus.statements import CommitStatement, PrepareStatement, ProposalStatement, StatementType
from ledger.limits import CLOCK_AHEAD_MS_MAX


def want_blocks(state: HeightState) -> None:
    """Ask for the blocks that the current round is about. Observers do too, so that a commit finds its block here."""
    for proposal in state.proposals.get(state.round, ()):
        state.want_block(proposal.statement.block_hash)
    prepared = state.prepare_certificates.get(state.round)
    if prepared is not None:
        state.want_block(prepared.block_hash)


def braked(state: HeightState) -> bool:
    """Whether the leader of this round was seen to propose twice: then the round is given up at once.

    Not needed for safety within the bound; it protects in practice when q is a bare majority (design section 3).
    """
    return state.context.equivocation_brake and len(state.proposals.get(state.round, ())) > 1


def prepare(state: HeightState) -> None:
    """Prepare a proposal of the current round: verified, justified, its block valid and, when fresh, timely.

    A leader prepares its own as soon as it is cast: both are made durable together, and leave together.
    """
    if state.promised(StatementType.PREPARE) is not None or _gave_up(state) or braked(state):
        return
    committed = state.promised(StatementType.COMMIT)
    for statement, justification in _proposals(state):
        if isinstance(committed, CommitStatement) and committed.block_hash != statement.block_hash:
            continue  # amendment A1: a certificate had us commit another block of this round
        facts = state.blocks.get(statement.block_hash)
        if facts is None or not _justified(statement, justification, facts) or not _timely(state, facts):
            continue
        vote = PrepareStatement(statement.height, statement.round, statement.block_hash, statement.justification_digest)
        state.promise(vote)
        # One certificate per round is durable. From here on it must be the one that we bind by its digest: a commit
        # record may need exactly this one, when nobody else has it any more (A8). It proves the round as well (A2).
        state.entry = justification
        durable = state.durable(block_hash=statement.block_hash)
        state.effects.append(CastPrepare(vote, durable))
        return


def commit(state: HeightState) -> None:
    """Commit the block of the current round's prepare certificate, whether or not we prepared it ourselves."""
    certificate = state.prepare_certificates.get(state.round)
    if certificate is None or state.promised(StatementType.COMMIT) is not None or _gave_up(state) or braked(state):
        return
    prepared = state.promised(StatementType.PREPARE)
    if isinstance(prepared, PrepareStatement) and prepared.block_hash != certificate.block_hash:
        return
    if state.blocks.get(certificate.block_hash) is None:
        return
    vote = CommitStatement(state.context.height, state.round, certificate.block_hash)
    state.promise(vote)
    durable = state.durable(prepared=certificate, block_hash=certificate.block_hash)
    state.effects.append(CastCommit(vote, durable))


def _proposals(state: HeightState) -> list[tuple[ProposalStatement, TimeoutCertificate | None]]:
    """The proposals of the current round, each with its justification: those that came, and ours once it is cast."""
    came = [(proposal.statement, proposal.justification) for proposal in state.proposals.get(state.round, [])]
    ours = state.promised(StatementType.PROPOSAL)
    if came or not isinstance(ours, ProposalStatement):
        return came
    assert ours.justification_digest == justification_digest(state.entry), "it was cast with what let us into its round"
    return [(ours, state.entry)]


def _gave_up(state: HeightState) -> bool:
    """Whether a timeout of this round or a later one is signed: what the safety argument calls "never after"."""
    return any(kind == StatementType.TIMEOUT and round >= state.round for round, kind in state.promises)


def _justified(statement: ProposalStatement, justification: TimeoutCertificate | None, facts: BlockFacts) -> bool:
    return allows(justification, round=statement.round, block_hash=statement.block_hash, fresh_round=facts.round)


def _timely(state: HeightState, facts: BlockFacts) -> bool:
    """Amendment A7, the only place where a clock matters; a block proposed again was judged when it was fresh.

    Exactly 1 ms above the parent is always in time, so a clock that is wrong cannot stop the chain. Otherwise only a
    block of round 0 may have a time of its own, at most `CLOCK_AHEAD_MS_MAX` ahead of our clock.
    """
    if facts.round != state.round or facts.time_ms == state.context.parent_time_ms + 1:
        return True
    return facts.round == 0 and facts.time_ms <= state.now.wall_ms + CLOCK_AHEAD_MS_MAX
