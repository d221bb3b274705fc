"""A state trie and its rows, as a database keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.trie import EMPTY, StateProof, TrieChange, TrieRoot, prove, update

Place = tuple[int, bytes]


@dataclass(slots=True)
class StoredTrie:
    """Rows as a database has them that deletes what is stale at once, and looks closely at each change."""

    root: TrieRoot = EMPTY
    version: int = 0
    rows: dict[Place, bytes] = field(default_factory=dict)
    state: dict[bytes, bytes] = field(default_factory=dict)

    def write(self, writes: Mapping[bytes, bytes | None]) -> TrieChange:
        self.version += 1
        reads: list[Place] = []

        def read(version: int, path: bytes) -> bytes | None:
            reads.append((version, path))
            return self.rows.get((version, path))

        change = update(self.root, writes, self.version, read)
        again = [place for place in set(reads) if reads.count(place) > 1]
        assert len(reads) == len(set(reads)) + len(again)
        assert set(again) <= set(change.stale), "once more only where a page that did not change was taken into another"
        assert set(change.stale) <= set(reads)
        assert len(set(change.stale)) == len(change.stale)
        for place in change.stale:
            del self.rows[place]
        for path, row in change.new_nodes:
            assert (self.version, path) not in self.rows
            self.rows[self.version, path] = row
        self.root = change.root
        for key, value in writes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        return change

    def prove(self, key: bytes) -> StateProof:
        return prove(self.root, key, self.read)

    def read(self, version: int, path: bytes) -> bytes | None:
        return self.rows.get((version, path))
