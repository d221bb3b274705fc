"""What an audit has audited, in memory: for chains of a test's size."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from ledger.audit import ChainAudit
from ledger.chain import CandidateBlock, Tip
from ledger.crypto import Verify, verify
from ledger.genesis import Genesis, genesis_block
from ledger.primitives import Digest, PublicKey, Signature
from ledger.state import State


class MemoryAuditedChain:
    """State, ids and trie after the newest audited block (a `ledger.audit.AuditedChain`)."""

    def __init__(self, genesis: Genesis) -> None:
        self.rows: dict[bytes, bytes] = dict(genesis.state)
        self._keys: list[bytes] = sorted(self.rows)
        self._committed: set[Digest] = set()
        first = genesis_block(genesis)
        self.tip: Tip = first.tip
        self._nodes: dict[tuple[int, bytes], bytes] = {(0, path): row for path, row in first.trie.new_nodes}

    @property
    def state(self) -> MemoryAuditedChain:
        return self

    @property
    def typed_state(self) -> State:
        return State(self)

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, stop)]:
            yield key, self.rows[key]

    def transaction_committed(self, transaction_id: Digest) -> bool:
        return transaction_id in self._committed

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        return self._nodes.get((version, path))

    def commit(self, block: CandidateBlock, record: bytes, signers: Sequence[str]) -> None:
        for key, value in block.writes.items():
            if value is None:
                if self.rows.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self.rows:
                insort(self._keys, key)
            self.rows[key] = value
        self._committed.update(transaction.id for transaction in block.transactions)
        for place in block.trie.stale:
            del self._nodes[place]
        self._nodes.update({(block.header.height, path): row for path, row in block.trie.new_nodes})
        self.tip = block.tip()


def audit_in_memory(genesis: Genesis, verify_signature: Verify = verify) -> ChainAudit:
    """An audit from genesis that leaves nothing behind."""
    return ChainAudit(MemoryAuditedChain(genesis), verify_signature)


def remembering() -> Verify:
    """`verify`, which looks at no signature twice."""
    remembered: dict[tuple[PublicKey, bytes, Signature], bool] = {}

    def verify_once(key: PublicKey, message: bytes, signature: Signature) -> bool:
        asked = (key, message, signature)
        if asked not in remembered:
            remembered[asked] = verify(*asked)
        return remembered[asked]

    return verify_once
