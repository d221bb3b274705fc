"""A small chain for tests, made by the production code and signed with the founders' keys: no network, no storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ledger.block import Leaf
from ledger.chain import CandidateBlock, Tip, block_time_ms, build_block, leader_order_at
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.crypto import SigningKey
from ledger.genesis import Genesis, genesis_block
from ledger.merkle import prove_inclusion
from ledger.operations.kinds import Operation
from ledger.pinned_checkpoint import PinnedCheckpoint, build_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import build_pinned_receipt, build_receipt
from ledger.refusals import Refusal
from ledger.state import State
from ledger.state_proof import ProvedRow, build_state_proof
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.trie import prove
from tests.unit.ledger.founders import TIME_MS, founders, genesis_of, signing_key


@dataclass
class MemoryChain:
    """A chain in memory: a `ChainReader` that grows by one certified block at a time."""

    genesis: Genesis
    rows: dict[bytes, bytes] = field(default_factory=dict)
    nodes: dict[tuple[int, bytes], bytes] = field(default_factory=dict)
    leaf_hashes: list[Digest] = field(default_factory=list)
    blocks: list[tuple[CommitRecord, CandidateBlock]] = field(default_factory=list)
    nonce: int = 0

    def __post_init__(self) -> None:
        first = genesis_block(self.genesis)
        self.tip: Tip = first.tip
        self.rows.update(self.genesis.state)
        self.nodes.update({(0, path): row for path, row in first.trie.new_nodes})

    @property
    def state(self) -> MemoryChain:
        return self

    @property
    def typed_state(self) -> State:
        return State(self)

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(item for item in self.rows.items() if start <= item[0] < stop))

    def transaction_committed(self, transaction_id: Digest) -> bool:
        return any(transaction_id == item.id for _, block in self.blocks for item in block.transactions)

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        return self.nodes.get((version, path))

    def sign(self, sender: str, keys: Sequence[SigningKey], *operations: Operation) -> Transaction:
        """A signed transaction of `sender`, with a nonce of its own."""
        self.nonce += 1
        body = build_body(
            chain=self.genesis.chain,
            sender=sender,
            nonce=self.nonce.to_bytes(16, "big"),
            valid_until_ms=self.tip.header.time_ms + 60_000,
            operations=operations,
        )
        transaction = parse_transaction(assemble(body, [sign_body(body, key) for key in keys]))
        assert not isinstance(transaction, Refusal)
        return transaction

    def append(self, *transactions: Transaction, signers: Sequence[int] | None = None) -> CandidateBlock:
        """Build the next block, have `signers` (the first q by default) commit it, and append it."""
        validators = State(self).validators()
        height = self.tip.header.height + 1
        leader = validators.validators[leader_order_at(self, height)[0]].name
        time_ms = block_time_ms(self.tip.header.time_ms, 0, TIME_MS + 1_000 * height)
        built = build_block(self.tip, self, round=0, proposer=leader, time_ms=time_ms, transactions=transactions)
        assert not built.refused, built.refused
        block = built.block
        record = CommitRecord(block.header_bytes, self.certify(block.block_hash, height, signers), ())
        for key, value in block.writes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.nodes.update({(height, path): row for path, row in block.trie.new_nodes})
        self.leaf_hashes.extend(block.leaf_hashes)
        self.blocks.append((record, block))
        self.tip = block.tip()
        return block

    def certify(self, block_hash: Digest, height: int, signers: Sequence[int] | None = None) -> CommitCertificate:
        """A commit certificate of round 0 by `signers`."""
        statement = CommitStatement(height, 0, block_hash)
        content = signed_bytes(SigningContext(self.genesis.chain, 0), statement)
        all_founders = founders(len(self.genesis.validators))
        who = range(self.genesis.validators.quorum) if signers is None else signers
        signatures = tuple(VoteSignature(i, all_founders[i].consensus_key.sign(content)) for i in who)
        return CommitCertificate(height, 0, block_hash, signatures)

    def receipt(self, height: int, index: int) -> bytes:
        """The receipt of one transaction, against the log root of its own block."""
        record, block = self.blocks[height - 1]
        leaf, position = self._leaf(height, index)
        path = prove_inclusion(position, block.header.log_size, self.subtree_hash)
        envelope = block.transactions[index].envelope
        return build_receipt(envelope=envelope, leaf=leaf, path=path, record=record, trail=())

    def pinned_receipt(self, height: int, index: int, pinned_height: int) -> bytes:
        """The receipt of one transaction, against the log root of a block that somebody pinned."""
        header = self.blocks[pinned_height - 1][1].header
        leaf, position = self._leaf(height, index)
        return build_pinned_receipt(
            envelope=self.blocks[height - 1][1].transactions[index].envelope,
            leaf=leaf,
            path=prove_inclusion(position, header.log_size, self.subtree_hash),
            position=position,
            header=header,
        )

    def checkpoint(self, height: int) -> PinnedCheckpoint:
        """What pins one block of a chain whose validator set never changes."""
        header = self.blocks[height - 1][1].header
        return build_pinned_checkpoint(network=self.genesis.network, header=header, validators=self.genesis.validators)

    def _leaf(self, height: int, index: int) -> tuple[Leaf, int]:
        """What the log has of one transaction, and where."""
        block = self.blocks[height - 1][1]
        transaction = block.transactions[index]
        leaf = Leaf(height, index, transaction.id, transaction.envelope_hash, block.results[index])
        return leaf, block.header.log_size - block.header.transaction_count + index

    def state_proof(self, key: bytes) -> bytes:
        """The proof of what the state of the newest block holds for `key`."""
        record, block = self.blocks[-1]
        row = ProvedRow(key, self.rows.get(key), prove(block.trie.root, key, self.trie_node))
        return build_state_proof(row, record=record, trail=())

    def subtree_hash(self, level: int, index: int) -> Digest:
        """The hash of a full perfect subtree of the log (a `ledger.merkle.HashReader`)."""
        from ledger.merkle import node_hash

        if level == 0:
            return self.leaf_hashes[index]
        return node_hash(self.subtree_hash(level - 1, 2 * index), self.subtree_hash(level - 1, 2 * index + 1))


def sample_chain(validators: int = 4) -> MemoryChain:
    """Three blocks: two accounts, one of them 2-of-2; a stream; four records, the last of which is refused."""
    from ledger.operations.accounts import AccountAdd
    from ledger.operations.fields import Content
    from ledger.operations.streams import RecordAppend, StreamCreate

    chain = MemoryChain(genesis_of(validators))
    org0 = founders(validators)[0].operator_key
    alice, bob, carol = signing_key("alice"), signing_key("bob"), signing_key("carol")
    pair = tuple(sorted((bob.public_key, carol.public_key)))
    chain.append(
        chain.sign("org0", [org0], AccountAdd(by="org0", name="alice", keys=(alice.public_key,), threshold=1)),
        chain.sign("org0", [org0], AccountAdd(by="org0", name="pair", keys=pair, threshold=2)),
    )
    chain.append(chain.sign("alice", [alice], StreamCreate(by="alice", name="notes", writers=("alice", "pair"))))
    chain.append(
        chain.sign("alice", [alice], RecordAppend(by="alice", stream="notes", content=Content({"text": "first"}))),
        chain.sign("pair", [bob, carol], RecordAppend(by="pair", stream="notes", content=Content("second"), key="k")),
        chain.sign("alice", [alice], RecordAppend(by="alice", stream="notes", content=Content([3]), key="k")),
        chain.sign("org0", [org0], RecordAppend(by="org0", stream="notes", content=Content("not a writer"))),
    )
    return chain
