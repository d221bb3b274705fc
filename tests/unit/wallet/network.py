"""A chain with valid blocks, commit certificates and receipts, made by the production code in memory."""

from __future__ import annotations

import hashlib
import time

from ledger.audit import ChainAudit
from ledger.block import Leaf
from ledger.chain import CandidateBlock, Tip, build_block, leader_order_at
from ledger.consensus.codec import decode_commit_record, encode_commit_record
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.export import ManifestBuilder, block_lines, first_line
from ledger.genesis import assemble_genesis
from ledger.light_client import build_light_update
from ledger.merkle import perfect_subtrees, prove_consistency, prove_inclusion
from ledger.parameters import Parameters
from ledger.pinned_checkpoint import PinnedCheckpoint, build_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import build_pinned_receipt, build_receipt
from ledger.refusals import Refusal
from ledger.state import State
from ledger.transaction import Transaction, parse_transaction
from ledger.validators import default_quorum
from tests.unit.ledger.audited import MemoryAuditedChain
from tests.unit.ledger.founders import founders

COUNT = 4


class Network:
    """Four validators (quorum 3) whose blocks are committed at once. org0 is the administrator."""

    def __init__(self, name: str = "testnet") -> None:
        self.founders = founders(COUNT)
        self.genesis = assemble_genesis(
            network=name,
            salt=bytes(16),
            time_ms=time.time_ns() // 1_000_000,
            quorum=default_quorum(COUNT),
            parameters=Parameters(),
            cards=tuple(founder.card for founder in self.founders),
            administrators=("org0",),
        )
        self._chain = MemoryAuditedChain(self.genesis)
        self._audit = ChainAudit(self._chain)
        self.blocks: list[CandidateBlock] = []
        self.records: list[bytes] = []
        self.trees: dict[tuple[int, int], Digest] = {}

    @staticmethod
    def operator_seed(index: int) -> bytes:
        """The private key of the operator account org<index>, as `founders` makes it."""
        return hashlib.sha256(b"test key " + f"operator {index}".encode()).digest()

    @property
    def head_time_ms(self) -> int:
        """Ledger time."""
        return self._audit.tip.header.time_ms

    @property
    def head(self) -> tuple[int, str]:
        """Height and block hash of the newest block."""
        return self._audit.tip.header.height, self._audit.tip.block_hash.hex()

    @property
    def tip(self) -> Tip:
        """The newest block."""
        return self._chain.tip

    def lines(self, height: int) -> bytes:
        """A block as it stands in an export."""
        block = self.blocks[height - 1]
        leaves = [
            Leaf(height, index, item.id, item.envelope_hash, block.results[index])
            for index, item in enumerate(block.transactions)
        ]
        envelopes = [item.envelope for item in block.transactions]
        return block_lines(block.block_hash, self.records[height - 1], zip(envelopes, leaves, strict=True))

    def export(self) -> bytes:
        """The whole chain as an export."""
        manifest = ManifestBuilder(self.genesis)
        blocks = [self.lines(block.header.height) for block in self.blocks]
        for lines in blocks:
            manifest.add(lines)
        return first_line(self.genesis) + b"".join(blocks) + manifest.build(self.tip.header, self.tip.block_hash)

    def forget(self, blocks: int) -> None:
        """Take back the newest blocks."""
        kept = list(zip(self.records, self.blocks, strict=True))[: len(self.blocks) - blocks]
        self.records, self.blocks = [], []
        self._chain = MemoryAuditedChain(self.genesis)
        self._audit = ChainAudit(self._chain)
        for record, block in kept:
            self._audit.append(record, [transaction.envelope for transaction in block.transactions])
            self.records.append(record)
            self.blocks.append(block)

    def fork(self) -> Network:
        """Another network with the same past, which goes its own way."""
        other = Network()
        other.genesis = self.genesis
        other.records, other.blocks, other.trees = [*self.records], [*self.blocks], dict(self.trees)
        other.forget(0)
        return other

    @property
    def state(self) -> State:
        """The state after the newest block."""
        return State(self._chain)

    def submit(self, envelope: bytes) -> Transaction | Refusal:
        """Commit one transaction in a block of its own, or say why it is inadmissible."""
        transaction = parse_transaction(envelope)
        if isinstance(transaction, Refusal):
            return transaction
        refused = self.commit([transaction])
        return refused[0] if refused else transaction

    def commit(self, transactions: list[Transaction], *, later_ms: int = 1_000) -> list[Refusal]:
        """Append a block `later_ms` after the last; returns why transactions are not in it."""
        tip, reader = self._audit.tip, self._chain
        height = tip.header.height + 1
        leader = leader_order_at(reader, height)[0]
        built = build_block(
            tip,
            reader,
            round=0,
            proposer=f"v{leader}",
            time_ms=tip.header.time_ms + later_ms,
            transactions=transactions,
        )
        if built.refused:
            return [refusal for _, refusal in built.refused]
        block = built.block
        statement = CommitStatement(height, 0, block.block_hash)
        context = SigningContext(self.genesis.chain, 0)
        votes = tuple(
            VoteSignature(index, self.founders[index].consensus_key.sign(signed_bytes(context, statement)))
            for index in range(3)
        )
        record = encode_commit_record(
            CommitRecord(block.header_bytes, CommitCertificate(height, 0, block.block_hash, votes), ())
        )
        for level, index, value in perfect_subtrees(tip.log, block.leaf_hashes):
            self.trees[level, index] = value
        self._audit.append(record, [transaction.envelope for transaction in block.transactions])
        self.blocks.append(block)
        self.records.append(record)
        return []

    def find(self, transaction_id: str) -> tuple[CandidateBlock, int] | None:
        """The block and index of a committed transaction."""
        for block in self.blocks:
            for index, transaction in enumerate(block.transactions):
                if transaction.id.hex() == transaction_id:
                    return block, index
        return None

    def checkpoint(self, height: int) -> PinnedCheckpoint:
        """What pins a block."""
        header = self.blocks[height - 1].header
        return build_pinned_checkpoint(network=self.genesis.network, header=header, validators=self.genesis.validators)

    def light_update(self, log_size: int, height: int) -> bytes:
        """What leads a light client that knows a log of this size to a block."""
        size = self.blocks[height - 1].header.log_size
        path = prove_consistency(log_size, size, lambda level, at: self.trees[level, at]) if log_size < size else ()
        record = decode_commit_record(self.records[height - 1])
        return build_light_update(trail=(), record=record, consistency=path)

    def receipt(self, transaction_id: str, from_height: int = 0) -> bytes:
        """The receipt of a committed transaction, for holders of genesis or of a checkpoint."""
        found = self.find(transaction_id)
        assert found is not None
        block, index = found
        transaction = block.transactions[index]
        leaf = Leaf(block.header.height, index, transaction.id, transaction.envelope_hash, block.results[index])
        position = block.header.log_size - block.header.transaction_count + index
        header = self.blocks[max(from_height, leaf.height) - 1].header
        path = prove_inclusion(position, header.log_size, lambda level, at: self.trees[level, at])
        if leaf.height <= from_height:
            return build_pinned_receipt(
                envelope=transaction.envelope, leaf=leaf, path=path, position=position, header=header
            )
        record = decode_commit_record(self.records[block.header.height - 1])
        return build_receipt(envelope=transaction.envelope, leaf=leaf, path=path, record=record, trail=())
