"""The voice of a validator: the one place where it signs. Durable before visible. [safety]

The order is: sign; write one synced batch with all messages and everything they promise; write the guard; and only
then send, and count the messages here (through the engine's queue, never by recursion). Whatever fails before the
last step has promised nothing. (design section 2, consensus research section 1.3 "Persist before send")

One timeout certificate is kept per round: the newest that a statement came with. The engine sees to it that this is
the one that our prepare vote binds by its digest, because a commit record may need exactly that one (amendment A8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, assert_never

from ledger.consensus.codec import (
    encode_message,
    encode_prepare_certificate,
    encode_timeout_certificate,
)
from ledger.consensus.effects import CastCommit, CastPrepare, CastProposal, CastTimeout
from ledger.consensus.inputs import MessageReceived
from ledger.consensus.messages import (
    CommitVote,
    PrepareVote,
    Proposal,
    SignedMessage,
    TimeoutVote,
)
from ledger.consensus.statements import signed_bytes
from ledger.crypto import SigningKey
from ledger.primitives import Digest
from node.ports import Guard
from node.replica.deciding import Deciding
from node.replica.outbox import Outbox
from node.storage.chain_store import ChainStore
from node.storage.guard import promise
from node.storage.promises import OwnMessage, Promises, StoredCandidate, StoredCertificate
from node.wire import Consensus

Cast: TypeAlias = CastProposal | CastPrepare | CastCommit | CastTimeout


def speak(
    casts: Sequence[Cast], deciding: Deciding, *, key: SigningKey, chain: ChainStore, guard: Guard, out: Outbox
) -> None:
    """Sign what the engine cast, make it durable with what it promises, and only then let it leave.

    Raises `StorageFailedError`; then nothing has left, and nothing may be signed any more.
    """
    assert casts
    messages = [_sign(cast, deciding, key) for cast in casts]
    own = [OwnMessage(item.statement.round, item.statement.type, encode_message(item)) for item in messages]
    chain.promise(_promises(casts, own, deciding))
    last = own[-1]
    guard.write(promise(deciding.height, last.round, last.type, last.payload))
    for message, item in zip(messages, own, strict=True):
        deciding.statements.add(message.statement)
        out.send_to_validators(Consensus(deciding.height, item.payload))
        deciding.inputs.append(MessageReceived(message, None))


def _sign(cast: Cast, deciding: Deciding, key: SigningKey) -> SignedMessage:
    """The signed message of a cast."""
    me, statement = deciding.me, cast.statement
    assert me is not None, "an engine without a seat casts nothing"
    assert statement.height == deciding.height
    signature = key.sign(signed_bytes(deciding.keys.context, statement))
    match cast:
        case CastProposal():
            return Proposal(cast.statement, me, signature, cast.justification, cast.block)
        case CastPrepare():
            return PrepareVote(cast.statement, me, signature)
        case CastCommit():
            return CommitVote(cast.statement, me, signature)
        case CastTimeout():
            return TimeoutVote(cast.statement, me, signature, cast.prepare_certificate)
        case _:
            assert_never(cast)


def _promises(casts: Sequence[Cast], own: Sequence[OwnMessage], deciding: Deciding) -> Promises:
    """The batch: the messages, and everything that they promise. What is stored already is not written again."""
    timeouts: dict[int, bytes] = {}
    prepares: dict[int, bytes] = {}
    candidates: dict[Digest, StoredCandidate] = {}
    for cast in casts:
        for timeout_certificate in cast.durable.timeout_certificates:
            timeouts[timeout_certificate.round] = encode_timeout_certificate(timeout_certificate)
        for prepare_certificate in cast.durable.prepare_certificates:
            prepares[prepare_certificate.round] = encode_prepare_certificate(prepare_certificate)
        if (name := cast.durable.block_hash) is not None and name not in candidates:
            block = deciding.blocks.checked(name)
            assert block is not None, "the engine promises checked blocks only"
            envelopes = tuple(item.envelope for item in block.transactions)
            candidates[name] = StoredCandidate(name, block.header_bytes, envelopes)
    return Promises(
        height=deciding.height,
        messages=tuple(own),
        timeout_certificates=tuple(StoredCertificate(*item) for item in timeouts.items()),
        prepare_certificates=tuple(StoredCertificate(*item) for item in prepares.items()),
        candidates=tuple(candidates.values()),
    )
