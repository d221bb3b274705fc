"""Driving the engine: its inputs one by one, its effects in order, and what it cast spoken in batches.

Everything that the engine casts while its queue is being emptied is spoken together: one synced batch, however many
messages. The engine gets its own messages back through the queue, so a validator alone decides without recursion.
"""

from __future__ import annotations

from typing import assert_never

from ledger.chain import CandidateBlock, block_time_ms, build_block, check_block
from ledger.consensus.codec import encode_commit_record, encode_message
from ledger.consensus.effects import (
    Broadcast,
    BroadcastStatus,
    BuildBlock,
    CastCommit,
    CastPrepare,
    CastProposal,
    CastTimeout,
    CheckBlock,
    Commit,
    Effect,
    ReportEvidence,
    Send,
    VoteStateContradicted,
    WakeAt,
    WantJustification,
)
from ledger.consensus.inputs import BlockBuilt
from ledger.consensus.messages import CommitRecord, ProposedBlock
from node.replica import accusing, fetching, repairing
from node.replica.deciding import Decided
from node.replica.opening import REPLACE_KEY
from node.replica.parts import Parts
from node.replica.voice import Cast, speak
from node.wire import Consensus, Status, split_transactions


def drive(parts: Parts) -> None:
    """Hand the engine all that waits for it, until nothing is left or its height is decided.

    At a height whose rules are unknown here the engine is told nothing: nothing is voted for, checked or appended.
    """
    deciding = parts.deciding
    if deciding.suspended:
        deciding.inputs.clear()
        parts.wake_at_ms = parts.now.monotonic_ms + deciding.parameters.heartbeat_ms
        return
    while deciding.inputs and deciding.decided is None:
        casts: list[Cast] = []
        while deciding.inputs and deciding.decided is None:
            for effect in deciding.engine.handle(deciding.inputs.popleft(), parts.now):
                _carry_out(parts, effect, casts)
        if casts and parts.silence is None:
            assert parts.key is not None, "an engine without a seat casts nothing"
            speak(casts, deciding, key=parts.key, chain=parts.chain, guard=parts.guard, out=parts.out)


def ask_for_records(parts: Parts, *, eager: bool) -> None:
    """Ask peers that are further. A validator one block behind waits for the tick: it is about to be there itself."""
    deciding = parts.deciding
    if (deciding.decided is None or parts.syncing.busy) and not deciding.suspended:
        above = deciding.height if eager or deciding.me is None else deciding.height + 1
        parts.syncing.ask(deciding.height, above, parts.now.monotonic_ms, parts.out)


def repeat_submissions(parts: Parts) -> None:
    """Send what was submitted here and still waits to all peers again, one frame of it."""
    for message in split_transactions(parts.door.overdue())[:1]:
        parts.out.send_to_all(message)


def _carry_out(parts: Parts, effect: Effect, casts: list[Cast]) -> None:
    """Do what the engine asks for; what it cast is collected in `casts`."""
    deciding = parts.deciding
    match effect:
        case CastProposal() | CastPrepare() | CastCommit() | CastTimeout():
            casts.append(effect)
        case Broadcast(message):
            parts.out.send_to_validators(Consensus(deciding.height, encode_message(message)))
        case BroadcastStatus(round):
            parts.out.send_to_all(Status(deciding.height, round))
            _tick(parts)
        case Send(peer, message):
            parts.out.send(peer, Consensus(deciding.height, encode_message(message)))
        case BuildBlock(round):
            deciding.inputs.append(_build(parts, round))
        case CheckBlock():
            fetching.want_block(parts, effect)
        case WantJustification():
            fetching.want_justification(parts, effect)
        case Commit():
            deciding.decided = _decided(parts, effect)
        case ReportEvidence():
            accusing.keep_evidence(parts, effect)
        case VoteStateContradicted(signed):
            statement = signed.statement
            parts.keep_silent(
                f"a peer shows a statement of height {statement.height}, round {statement.round} that this node's key "
                f"signed and this node does not remember: {REPLACE_KEY}"
            )
        case WakeAt(monotonic_ms):
            parts.wake_at_ms = monotonic_ms
        case _:
            assert_never(effect)


def _tick(parts: Parts) -> None:
    """The engine's resend tick is the replica's too."""
    timing = parts.deciding.engine.context.timing
    parts.peers.tick(parts.now.monotonic_ms, timing.tick_ms)
    ask_for_records(parts, eager=True)
    repeat_submissions(parts)
    repairing.repair(parts)


def _build(parts: Parts, round: int) -> BlockBuilt:
    """A fresh block, checked by the same function as everybody else's (consensus research 2, row 17)."""
    deciding, chain, parameters = parts.deciding, parts.chain, parts.deciding.parameters
    assert deciding.me is not None
    transactions = parts.door.mempool.take(
        count_max=parameters.block_transactions_max,
        bytes_max=parameters.block_bytes_max,
        quota=parameters.sender_quota,
    )
    parent_time_ms = chain.tip.header.time_ms
    built = build_block(
        chain.tip,
        deciding.reader,
        round=round,
        proposer=deciding.name(deciding.me),
        time_ms=block_time_ms(parent_time_ms, round, parts.now.wall_ms),
        transactions=transactions,
    )
    if built.refused:
        parts.door.remove([transaction.id for transaction, _ in built.refused])
        parts.out.log("transactions_dropped", count=len(built.refused), reason=str(built.refused[0][1]))
    block = built.block
    content = ProposedBlock(block.header_bytes, tuple(item.envelope_hash for item in block.transactions))
    checked = check_block(chain.tip, deciding.reader, block.header_bytes, block.transactions)
    if not isinstance(checked, CandidateBlock):
        parts.out.log("own_block_refused", height=deciding.height, round=round, reason=checked)
        return BlockBuilt(round, block.block_hash, content, None)
    deciding.blocks.add(checked)
    return BlockBuilt(round, checked.block_hash, content, deciding.blocks.facts(checked))


def _decided(parts: Parts, commit: Commit) -> Decided:
    candidate = parts.deciding.blocks.checked(commit.block_hash)
    assert candidate is not None, "the engine commits checked blocks only"
    record = CommitRecord(candidate.header_bytes, commit.certificate, commit.justifications)
    return Decided(candidate, record, encode_commit_record(record))
