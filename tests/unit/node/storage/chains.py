"""Small chains for tests of storage: real transactions, really executed, with real certificates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from ledger.block import HEADER_VERSION, Header, Leaf, block_hash, encode_header, leaf_hash
from ledger.chain import CandidateBlock
from ledger.consensus.codec import encode_commit_record
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.execution import execute
from ledger.genesis import Genesis
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.primitives import Digest
from ledger.rows.settings import VALIDATORS_KEY, parse_validators_row
from ledger.state import State
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.trie import update
from ledger.validators import ValidatorSet
from node.ports import Store
from node.storage.chain_store import ChainStore
from node.storage.opening import create_chain
from node.storage.promises import StoredCandidate
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.ledger.set_changes import rows_of_change

FOUNDERS = tuple(founder(index) for index in range(6))
SIGNERS = ("v0", "v1", "v2")


@cache
def genesis() -> Genesis:
    """Genesis of four validators."""
    return genesis_of(4)


def new_chain(store: Store, *, proof_heights: int = 256) -> ChainStore:
    """The chain of `genesis()` at its beginning."""
    return create_chain(store, genesis(), proof_heights=proof_heights)


def transaction(*operations: Operation, sender: int = 0, nonce: int = 0, cosigner: int | None = None) -> Transaction:
    """A signed transaction by org<sender>, cosigned at wish."""
    body = build_body(
        chain=genesis().chain,
        sender=f"org{sender}",
        nonce=nonce.to_bytes(16, "big"),
        valid_until_ms=genesis().time_ms + 3_600_000,
        operations=operations,
        cosigners=() if cosigner is None else (f"org{cosigner}",),
    )
    signers = (sender,) if cosigner is None else (sender, cosigner)
    envelope = assemble(body, [sign_body(body, FOUNDERS[index].operator_key) for index in signers])
    parsed = parse_transaction(envelope)
    assert isinstance(parsed, Transaction), parsed
    return parsed


def create_stream(name: str = "invoices", *, by: int = 0) -> StreamCreate:
    """An operation that makes a stream."""
    return StreamCreate(by=f"org{by}", name=name)


def append(content: str, *, stream: str = "invoices", key: str | None = None, by: int = 0) -> RecordAppend:
    """An operation that appends a record."""
    return RecordAppend(by=f"org{by}", stream=stream, content=Content({"n": content}), key=key)


def candidate(
    chain: ChainStore,
    transactions: Sequence[Transaction] = (),
    *,
    writes: Mapping[bytes, bytes | None] | None = None,
    time_ms: int | None = None,
) -> CandidateBlock:
    """A block on the tip of `chain`, executed; `writes` are written to state besides, the validator set among them."""
    tip = chain.tip
    height = tip.header.height + 1
    time_ms = tip.header.time_ms + 1 if time_ms is None else time_ms
    done = execute(State(chain.state), chain=chain.chain, height=height, time_ms=time_ms, transactions=transactions)
    hashes = [
        leaf_hash(Leaf(height, index, item.id, item.envelope_hash, done.results[index]))
        for index, item in enumerate(transactions)
    ]
    log = tip.log.extend(hashes)
    all_writes = {**done.writes, **(writes or {})}
    trie = update(tip.trie_root, all_writes, height, chain.trie_node)
    changed = all_writes.get(VALIDATORS_KEY)
    header = Header(
        version=HEADER_VERSION,
        chain=chain.chain,
        epoch=0,
        height=height,
        parent_hash=tip.block_hash,
        round=0,
        proposer="v0",
        time_ms=time_ms,
        transaction_count=len(transactions),
        log_size=log.frontier.size,
        log_root=log.frontier.root(),
        state_root=trie.root.hash,
        validators_hash=tip.header.next_validators_hash,
        next_validators_hash=(
            tip.header.next_validators_hash if changed is None else parse_validators_row(changed).hash
        ),
    )
    header_bytes = encode_header(header)
    return CandidateBlock(
        header=header,
        header_bytes=header_bytes,
        block_hash=block_hash(header_bytes),
        transactions=tuple(transactions),
        results=done.results,
        leaf_hashes=tuple(hashes),
        writes=all_writes,
        events=done.events,
        trie=trie,
        log=log.frontier,
        log_levels=log.levels,
    )


def record_of(block: CandidateBlock, validators: ValidatorSet | None = None) -> bytes:
    """The encoded commit record of `block`, signed by the first q of `validators`: SIGNERS, of genesis."""
    statement = CommitStatement(block.header.height, 0, block.block_hash)
    content = signed_bytes(SigningContext(block.header.chain, 0), statement)
    keys = {item.consensus_key.public_key: item.consensus_key for item in FOUNDERS}
    validators = validators or genesis().validators
    signatures = tuple(
        VoteSignature(index, keys[validator.consensus_key].sign(content))
        for index, validator in enumerate(validators.validators[: validators.quorum])
    )
    certificate = CommitCertificate(block.header.height, 0, block.block_hash, signatures)
    return encode_commit_record(CommitRecord(block.header_bytes, certificate, ()))


def stored_candidate(block: CandidateBlock) -> StoredCandidate:
    """What a validator keeps of a block that it prepares."""
    return StoredCandidate(block.block_hash, block.header_bytes, tuple(item.envelope for item in block.transactions))


def commit(
    chain: ChainStore,
    transactions: Sequence[Transaction] = (),
    *,
    writes: Mapping[bytes, bytes | None] | None = None,
) -> CandidateBlock:
    """Append a block."""
    validators = State(chain.state).validators()
    block = candidate(chain, transactions, writes=writes)
    signers = tuple(item.name for item in validators.validators[: validators.quorum])
    chain.commit(block, record_of(block, validators), signers)
    return block


def change_set(chain: ChainStore, validators: ValidatorSet) -> CandidateBlock:
    """Append a block that decides this set for the next height, as if a proposal had become active."""
    return commit(chain, writes=rows_of_change(State(chain.state), validators, chain.tip.header.height + 1))


def grow(chain: ChainStore, sizes: Iterable[int]) -> list[CandidateBlock]:
    """Append one block per size, each with that many transactions, appending keyed records to one stream."""
    blocks = []
    for size in sizes:
        height = chain.tip.header.height + 1
        items = []
        for index in range(size):
            nonce = height << 16 | index
            key = f"key-{index % 3}" if index % 2 else None
            operation = append(f"{height}/{index}", key=key)
            first = State(chain.state).stream("invoices") is None and index == 0
            items.append(transaction(*((create_stream(), operation) if first else (operation,)), nonce=nonce))
        blocks.append(commit(chain, items))
    return blocks


def digest_of(text: str) -> Digest:
    """Some digest."""
    return Digest(hashlib.sha256(text.encode()).digest())
