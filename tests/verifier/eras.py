"""A chain to take receipts from: a set that grows, gets new keys and shrinks, and blocks that took several rounds.

Signatures are real. The path of a block is the rounds in which it was proposed: first the one in which it was fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as changed

from ledger.block import block_hash, encode_header
from ledger.chain import CandidateBlock
from ledger.consensus.codec import encode_commit_record, justification_digest
from ledger.consensus.messages import (
    CommitCertificate,
    CommitRecord,
    PrepareCertificate,
    TimeoutCertificate,
    TimeoutEntry,
    VoteSignature,
)
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    SigningContext,
    Statement,
    TimeoutStatement,
    signed_bytes,
)
from ledger.pinned_checkpoint import PinnedCheckpoint, build_pinned_checkpoint
from ledger.primitives import ZERO_DIGEST, Digest, Signature
from ledger.state import State
from ledger.transaction import Transaction
from ledger.validators import Quorum, QuorumRule, ValidatorSet
from node.http.receipts import receipt_of
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from node.storage.queries import Queries
from tests.unit.ledger.founders import founder, rekeyed, set_of
from tests.unit.ledger.set_changes import rows_of_change
from tests.unit.node.storage.chains import FOUNDERS, append, candidate, create_stream, new_chain, transaction

_KEYS = {item.consensus_key.public_key: item.consensus_key for item in FOUNDERS}


class Signing:
    """Makes certificates of one height; `signers` are indexes into the set."""

    def __init__(self, chain: Digest, height: int, validators: ValidatorSet, signers: Sequence[int]) -> None:
        self._context = SigningContext(chain, 0)
        self.height = height
        self.validators = validators
        self.signers = signers

    def sign(self, index: int, statement: Statement) -> Signature:
        """A signature by the key that the set has at this index."""
        key = self.validators.validators[index].consensus_key
        return _KEYS[key].sign(signed_bytes(self._context, statement))

    def votes(self, statement: Statement) -> tuple[VoteSignature, ...]:
        """One by each signer."""
        return tuple(VoteSignature(index, self.sign(index, statement)) for index in self.signers)

    def record(self, header: bytes, path: Sequence[int]) -> CommitRecord:
        """The record of a block that was proposed in the rounds of `path`, and committed in the last of them."""
        name, fresh = block_hash(header), path[0]
        justifications = [] if fresh == 0 else [self.given_up(fresh - 1, None)]
        round = fresh
        for again in path[1:]:
            bound = justification_digest(justifications[0]) if justifications else ZERO_DIGEST
            justifications.insert(0, self.given_up(again - 1, self.prepared(round, name, bound)))
            round = again
        return CommitRecord(header, self.committed(round, name), tuple(justifications))

    def committed(self, round: int, block: Digest) -> CommitCertificate:
        """The certificate for a block."""
        return CommitCertificate(self.height, round, block, self.votes(CommitStatement(self.height, round, block)))

    def prepared(self, round: int, block: Digest, bound: Digest) -> PrepareCertificate:
        """The certificate for a block with a justification of this digest."""
        votes = self.votes(PrepareStatement(self.height, round, block, bound))
        return PrepareCertificate(self.height, round, block, bound, votes)

    def given_up(
        self, round: int, prepared: PrepareCertificate | None, another: Digest | None = None
    ) -> TimeoutCertificate:
        """The certificate that a round was given up. The last signer has not seen the prepare certificate, and the
        first one names `another` block instead, if there is one.
        """
        entries = []
        for index in self.signers:
            seen = prepared if prepared is not None and index != self.signers[-1] else None
            high = (NO_ROUND, ZERO_DIGEST) if seen is None else (seen.round, seen.block_hash)
            if another is not None and seen is not None and index == self.signers[0]:
                high = (seen.round, another)
            signature = self.sign(index, TimeoutStatement(self.height, round, *high))
            entries.append(TimeoutEntry(index, *high, signature))
        return TimeoutCertificate(self.height, round, tuple(entries), prepared)


def with_new_keys(validators: ValidatorSet, index: int, keys: int) -> ValidatorSet:
    """The set in which the validator at `index` has the keys of another founder."""
    entries = list(validators.validators)
    entries[index] = rekeyed(index, keys)
    return replace(validators, validators=tuple(entries))


GROWN = set_of(0, 1, 2, 3, 4)
REKEYED = with_new_keys(GROWN, 1, 5)
SHRUNK = replace(
    REKEYED, validators=(*REKEYED.validators[:2], REKEYED.validators[4]), quorum_rule=Quorum(QuorumRule.FIXED, 2)
)
SETS = {2: GROWN, 4: REKEYED, 6: SHRUNK}
"""By the height that decides it."""

PATHS = {2: (1,), 3: (0, 2), 5: (1, 2, 4), 6: (0, 1), 8: (2,)}
"""Of the blocks that were not committed in round 0."""

HEIGHT = 8


class EraChain:
    """The chain, and its receipts and checkpoints."""

    def __init__(self) -> None:
        self.store: ChainStore = new_chain(MemoryStore())
        for height in range(1, HEIGHT + 1):
            if height in SETS:
                self._append(height, [])
            else:
                first = [transaction(create_stream())] if height == 1 else []
                self._append(height, [*first, *(self._appending(height, number) for number in range(1 + height % 3))])

    def _appending(self, height: int, number: int) -> Transaction:
        return transaction(append(f"{height}/{number} é"), nonce=height * 10 + number, cosigner=number or None)

    def _append(self, height: int, transactions: Sequence[Transaction]) -> None:
        validators, path = State(self.store.state).validators(), PATHS.get(height, (0,))
        writes = rows_of_change(State(self.store.state), SETS[height], height) if height in SETS else None
        block = in_round(candidate(self.store, transactions, writes=writes), path[0])
        signers = range(len(validators) - validators.quorum, len(validators)) if height % 2 else range(len(validators))
        record = Signing(self.store.chain, height, validators, signers).record(block.header_bytes, path)
        names = tuple(validators.validators[index].name for index in signers)
        self.store.commit(block, encode_commit_record(record), names)

    def checkpoint(self, height: int) -> PinnedCheckpoint:
        """What pins a block."""
        header, validators = self.store.header(height), self.store.validators_of(height + 1)
        return build_pinned_checkpoint(network="test", header=header, validators=validators)

    def receipt(self, height: int, index: int = 0, from_height: int = 0) -> bytes:
        """The receipt of a transaction, as a node gives it."""
        item = Queries(self.store).transaction(self.store.leaves(height)[index].transaction_id)
        assert item is not None
        return receipt_of(self.store, item, from_height)


def in_round(block: CandidateBlock, round: int) -> CandidateBlock:
    """The same block, fresh in another round."""
    header = changed(block.header, round=round)
    data = encode_header(header)
    return changed(block, header=header, header_bytes=data, block_hash=block_hash(data))


assert founder(5).consensus_key.public_key == REKEYED.validators[1].consensus_key
