"""What peers say: each message judged by its height, verified, and handed to the piece that it concerns.

Of the height being decided, messages are verified against its validators and queued for the engine. Those of the next
height wait unread (see `postbox`); those further ahead are dropped, the tick repeats them. A peer that is behind is
given the block that it lacks, one per tick, and asks for the rest itself.
"""

from __future__ import annotations

from typing import assert_never

from ledger.consensus.codec import decode_message, decode_timeout_certificate, justification_digest
from ledger.consensus.inputs import MessageReceived, PeerId, StatusReceived
from ledger.consensus.messages import ProposedBlock
from ledger.consensus.verification import verify_message, verify_timeout_certificate
from ledger.errors import LedgerError
from ledger.refusals import Code, Refusal
from ledger.transaction import name_envelopes
from node.replica import fetching, gathering, repairing, serving
from node.replica.parts import Parts
from node.wire import (
    Block,
    Checkpoint,
    Consensus,
    Cosignature,
    FetchBlock,
    FetchJustification,
    FetchRecords,
    FetchTransactions,
    Justification,
    PeerMessage,
    Records,
    Status,
    Transactions,
)

BLOCKS_LEVEL_MAX = 2
"""Who is no more than so many blocks behind us is level: what it says is a little old when it comes."""

_BLAMED = frozenset(
    {
        Code.TRANSACTION_MALFORMED,
        Code.TRANSACTION_TOO_LARGE,
        Code.VALIDATOR_SENDER_LIMITED,
        Code.SIGNATURE_INVALID,
        Code.EVIDENCE_UNPROVEN,
    }
)
"""What no correct peer sends: it passes on only what it accepted, and these do not depend on anybody's state."""


def hear(parts: Parts, peer: PeerId, message: PeerMessage) -> None:
    """Take in one message. Nothing in it is believed before it is verified."""
    known = parts.peers.get(peer)
    if known is None or parts.out.blamed(peer):
        return
    known.heard_at_ms = parts.now.monotonic_ms
    if parts.deciding.suspended and not isinstance(message, Status | FetchRecords):
        return  # it is judged by rules that are unknown here; what is asked of the past is answered
    match message:
        case Consensus(height, payload):
            _hear_consensus(parts, peer, height, payload)
        case Status(height, round):
            _hear_status(parts, peer, height, round)
        case Transactions(envelopes):
            _hear_transactions(parts, peer, envelopes)
        case Block(height, header, envelope_hashes):
            if height == parts.deciding.height and len(set(envelope_hashes)) == len(envelope_hashes):
                fetching.take_content(parts, peer, ProposedBlock(header, envelope_hashes))
        case Justification(height, payload):
            _hear_justification(parts, peer, height, payload)
        case Records(items):
            if not repairing.take(parts, peer, items):
                parts.syncing.receive(peer, items)
        case FetchTransactions():
            serving.send_transactions(peer, message, parts.deciding, parts.door, parts.out)
        case FetchBlock(height):
            serving.send_block(peer, message, parts.deciding, parts.out)
            _help(parts, peer, height)
        case FetchJustification(height):
            serving.send_justification(peer, message, parts.deciding, parts.out)
            _help(parts, peer, height)
        case FetchRecords(from_height, count_max):
            serving.send_records(peer, from_height, count_max, parts.chain, parts.out)
        case Cosignature() | Checkpoint():
            gathering.hear(parts, peer, message)
        case _:
            assert_never(message)


def judge_consensus(parts: Parts, peer: PeerId, payload: bytes) -> None:
    """Verify a message of the height being decided and queue it for the engine."""
    try:
        message = decode_message(payload)
        verify_message(message, parts.deciding.keys)
    except LedgerError as error:
        parts.out.blame(peer, f"consensus message: {error}")
        return
    parts.deciding.inputs.append(MessageReceived(message, peer))


def _hear_consensus(parts: Parts, peer: PeerId, height: int, payload: bytes) -> None:
    here = parts.deciding.height
    if height > here:
        known = parts.peers.get(peer)
        assert known is not None
        # A claim like that of a status, and sooner.
        known.claim(max(known.height, height), known.round, parts.now.monotonic_ms)
    if height == here:
        judge_consensus(parts, peer, payload)
    elif height == here + 1:
        parts.postbox.put(peer, payload)
    elif height < here - 1:
        # A message of the height just decided is only late: its sender gets there itself, or its status will say.
        _help(parts, peer, height)


def _hear_status(parts: Parts, peer: PeerId, height: int, round: int) -> None:
    known = parts.peers.get(peer)
    assert known is not None
    known.claim(height, round, parts.now.monotonic_ms)
    here = parts.deciding.height
    if height >= here - BLOCKS_LEVEL_MAX:
        known.level_at_ms = parts.now.monotonic_ms
    if height == here:
        parts.deciding.inputs.append(StatusReceived(peer, round))
    elif height < here:
        _help(parts, peer, height)


def _hear_transactions(parts: Parts, peer: PeerId, envelopes: tuple[bytes, ...]) -> None:
    named = name_envelopes(envelopes)
    outcomes, _ = parts.door.admit(named, parts.deciding)
    for outcome in outcomes:
        if isinstance(outcome, Refusal) and outcome.code in _BLAMED:
            parts.out.blame(peer, f"transaction: {outcome}")
            break
    fetching.take_bodies(parts, named)


def _hear_justification(parts: Parts, peer: PeerId, height: int, payload: bytes) -> None:
    if height != parts.deciding.height:
        return
    try:
        justification = decode_timeout_certificate(payload)
        digest = justification_digest(justification)
        if digest not in parts.deciding.requests:
            return
        verify_timeout_certificate(justification, parts.deciding.keys)
    except LedgerError as error:
        parts.out.blame(peer, f"justification: {error}")
        return
    fetching.take_justification(parts, digest, justification)


def _help(parts: Parts, peer: PeerId, height: int) -> None:
    """Send a peer that is behind the block it lacks, once per tick."""
    known = parts.peers.get(peer)
    if known is not None and not known.served and 1 <= height <= parts.chain.tip.header.height:
        known.served = True
        serving.send_records(peer, height, 1, parts.chain, parts.out)
