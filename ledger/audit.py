"""The full audit: a stranger re-verifies and re-executes a chain from genesis, believing nobody.

Block by block, in order: the commit record is verified against the validator set that the audit itself computed; each
signature of each transaction is verified; the block is executed again and must give the header, byte for byte (so
every result, the log root, the state root and the next validator set are right). What is left to believe is the
genesis document, which the auditor brings.

`check_supplies` then holds all balances of that state against the supplies of their assets.

The audit holds the state of the newest block only, in memory. (design sections 1 and 10)
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.admission import check_signatures
from ledger.chain import CandidateBlock, Tip, check_block
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys
from ledger.conservation import check_supplies
from ledger.crypto import Verify, verify
from ledger.errors import VerificationError
from ledger.genesis import Genesis, genesis_block
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import State
from ledger.transaction import Transaction, parse_transaction


@dataclass(frozen=True, slots=True)
class AuditedBlock:
    """One block that held: what it is, who signed it (validator names), and its candidate with results and writes."""

    height: int
    block_hash: Digest
    signers: tuple[str, ...]
    block: CandidateBlock


class _MemoryReader:
    """The state, ids and trie after the newest audited block (a `ledger.chain.ChainReader`)."""

    def __init__(self, genesis: Genesis) -> None:
        self._rows: dict[bytes, bytes] = dict(genesis.state)
        self._keys: list[bytes] = sorted(self._rows)
        self._committed: set[Digest] = set()
        first = genesis_block(genesis)
        self._nodes: dict[tuple[int, bytes], bytes] = {(0, path): row for path, row in first.trie.new_nodes}

    @property
    def state(self) -> _MemoryReader:
        return self

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, stop)]:
            yield key, self._rows[key]

    def transaction_committed(self, transaction_id: Digest) -> bool:
        return transaction_id in self._committed

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        return self._nodes.get((version, path))

    def apply(self, block: CandidateBlock) -> None:
        for key, value in block.writes.items():
            if value is None:
                if self._rows.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self._rows:
                insort(self._keys, key)
            self._rows[key] = value
        self._committed.update(transaction.id for transaction in block.transactions)
        for place in block.trie.stale:
            del self._nodes[place]
        self._nodes.update({(block.header.height, path): row for path, row in block.trie.new_nodes})


class ChainAudit:
    """An audit in progress: hand it the blocks of a chain from height 1 on, one by one."""

    def __init__(self, genesis: Genesis, verify_signature: Verify = verify) -> None:
        self._context = SigningContext(genesis.chain, 0)
        self._verify = verify_signature
        self._reader = _MemoryReader(genesis)
        self.tip: Tip = genesis_block(genesis).tip

    def append(self, record_bytes: bytes, envelopes: Sequence[bytes]) -> AuditedBlock:
        """Verify the next block: its commit record in canonical JSON, and its body in order.

        Raises `MalformedError` or `VerificationError`, saying what does not hold; the audit stays where it was.
        """
        height = self.tip.header.height + 1
        validators = State(self._reader).validators()
        record = decode_commit_record(record_bytes)
        keys = HeightKeys(self._context, height, validators, self._verify)
        certified = verify_commit_record(record, keys=keys, parent_hash=self.tip.block_hash)
        transactions = [self._open(index, envelope) for index, envelope in enumerate(envelopes)]
        block = check_block(self.tip, self._reader, record.header, transactions)
        if isinstance(block, str):
            raise VerificationError(f"executing the block again does not give its header: {block}")
        self._reader.apply(block)
        self.tip = block.tip()
        signers = tuple(validators.validators[item.validator].name for item in record.certificate.signatures)
        return AuditedBlock(height, certified.block_hash, signers, block)

    def check_supplies(self) -> None:
        """Add up all balances after the newest audited block: they must make the supplies of their assets.

        Raises `VerificationError`, naming the asset. Each block was held against its parent already, so this only fails
        where genesis, or the rule itself, is wrong.
        """
        check_supplies(self._reader)

    def _open(self, index: int, envelope: bytes) -> Transaction:
        """The transaction in `envelope`, its signatures verified."""
        transaction = parse_transaction(envelope)
        refusal = transaction if isinstance(transaction, Refusal) else check_signatures(transaction, self._verify)
        if refusal is not None or isinstance(transaction, Refusal):
            raise VerificationError(f"transaction {index} is not one: {refusal}")
        return transaction
