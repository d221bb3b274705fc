"""Proposing: what the leader of the current round puts forward, once, and never after it gave the round up.

Nothing was prepared below (round 0, or a justification without a prepare certificate): a fresh block is asked for. Else
the block of the justification is proposed again, with its header as it is; its body is known or can be fetched.
"""

from __future__ import annotations

from ledger.consensus.codec import justification_digest
from ledger.consensus.effects import BuildBlock, CastProposal
from ledger.consensus.inputs import BlockBuilt
from ledger.consensus.messages import ProposedBlock
from ledger.consensus.pacemaker import quiet_until_ms
from ledger.consensus.state import HeightState
from ledger.consensus.statements import ProposalStatement, StatementType
from ledger.primitives import Digest


def propose(state: HeightState) -> None:
    """Propose if this node leads the round, its timer runs ("Once the timer of a height runs, its leaders propose, an
    empty block if need be"), and it has neither proposed nor given up.
    """
    if not _may_propose(state):
        return
    prepared = None if state.entry is None else state.entry.prepare_certificate
    if prepared is not None:
        _cast(state, prepared.block_hash, None)
    elif state.built_round != state.round and (state.work_pending or _empty_may_be_proposed(state)):
        state.built_round = state.round
        state.effects.append(BuildBlock(state.round))


def take_built(state: HeightState, built: BlockBuilt) -> None:
    """Propose the block that was asked for, if it still has its place.

    A block that our own check refuses is not proposed (cometbft #5204); the round passes to the next leader, unless
    the next attempt, at the tick, is better.
    """
    if built.round != state.round or not _may_propose(state) or built.facts is None:
        return
    if not built.block.envelope_hashes and not _empty_may_be_proposed(state):
        # The work has gone. Others may still wait for it: an empty block follows after the pause of A10, and the round
        # is not given up in that very moment.
        state.work_pending, state.built_round = False, None
        state.round_ends_at_ms, state.heard = None, True
        return
    assert built.facts.round == state.round
    assert built.facts.proposer == state.context.me
    state.blocks[built.block_hash] = built.facts
    _cast(state, built.block_hash, built.block)


def _may_propose(state: HeightState) -> bool:
    return (
        state.leads
        and state.votes
        and state.round_ends_at_ms is not None
        and state.promised(StatementType.PROPOSAL) is None
        and state.promised(StatementType.TIMEOUT) is None
    )


def _empty_may_be_proposed(state: HeightState) -> bool:
    """Amendment A10: not before the base timeout has passed since the parent's commit. In a later round it has: a
    quorum, and so an honest validator, saw round 0 time out.
    """
    return state.round > 0 or state.now.monotonic_ms >= quiet_until_ms(state)


def _cast(state: HeightState, block_hash: Digest, block: ProposedBlock | None) -> None:
    justification = state.entry
    statement = ProposalStatement(state.context.height, state.round, block_hash, justification_digest(justification))
    state.promise(statement)
    body_is_here = state.blocks.get(block_hash) is not None
    durable = state.durable(block_hash=block_hash if body_is_here else None)
    state.effects.append(CastProposal(statement, justification, block, durable))
