"""The rows of the state trie: written once, read through a memory, and deleted when no proof needs them any more.

The memory is for the newest trie, which every block reads: it has one row of each path, and what a height makes stale
leaves it at once. Such rows would be among those used last, and as many as those that took their places. A proof of an
older height reads from the database what is stale; only where the newest trie has no row, such rows are remembered.

The rows that a height makes stale are listed under that height. A proof is made for the newest `proof_heights` heights;
what became stale at height s serves proofs up to height s - 1 only, so the commit of height h deletes the lists up to
h - proof_heights + 1. A node that is told to keep fewer heights than before catches up a few heights per commit; one
that is told to keep more has them once the chain has grown.
"""

from __future__ import annotations

from ledger import framing
from ledger.errors import MalformedError
from ledger.limits import PRUNED_HEIGHTS_PER_COMMIT_MAX, TRIE_CACHE_BYTES_MAX
from ledger.row_cache import NO_ROW, NewestRows
from ledger.trie import TrieChange
from ledger.trie_nodes import DEPTH_MAX, is_row
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.rows import describe

_STALE_NODES_MAX = 2**32
_STALE_BYTES_MAX = 8 + DEPTH_MAX


class TrieRows:
    """Reads and writes of trie rows. `proof_heights` (>= 2) is how many of the newest heights can be proved."""

    def __init__(self, reader: Reader, proof_heights: int) -> None:
        assert proof_heights >= 2, "the newest height and the one before it"
        self._reader = reader
        self._newest = NewestRows(TRIE_CACHE_BYTES_MAX)
        self._proof_heights = proof_heights
        self._stale_from = 0  # no lists are left below: a range from 0 would wade through what was deleted

    def read(self, version: int, path: bytes) -> bytes:
        """The row written at (version, path) (a `ledger.trie_nodes.NodeReader`).

        Raises `DamagedError`, also when it is missing or no such row: another row says that it is there.
        """
        newest, row = self._newest.get(path, NO_ROW)
        if newest == version:
            return row
        key = keys.trie_node(version, path)
        stored = self._reader.get(key)
        if stored is None or not is_row(stored):
            raise DamagedError(f"a row of the state trie, {describe(key)}, is {'none' if stored else 'missing'}")
        if newest < version:
            self._newest.remember(version, ((path, stored),))
        return stored

    def write(self, batch: Batch, height: int, change: TrieChange) -> None:
        """Add to `batch` what `height` made of the trie, and the deletion of what proofs no longer need."""
        batch.puts[keys.trie_version(height)] = keys.pack_height(change.root.version)
        of_height = keys.trie_node(height, b"")
        batch.puts.update((of_height + path, row) for path, row in change.new_nodes)
        if change.stale:
            stale = framing.pack([keys.pack_height(version) + path for version, path in change.stale])
            batch.puts[keys.stale_nodes(height)] = stale
        if height >= self._proof_heights:
            batch.deletes.add(keys.trie_version(height - self._proof_heights))
            self._prune(batch, height - self._proof_heights + 1)

    def root_version(self, height: int) -> int | None:
        """The version of the root after `height`, or None when its proofs are kept no longer."""
        row = self._reader.get(keys.trie_version(height))
        return None if row is None else keys.unpack_height(row)

    def oldest_provable_height(self, newest: int) -> int:
        """The oldest height above 0 that is kept; a node that is told to keep more has them once the chain grew."""
        oldest = max(1, newest - self._proof_heights + 1)
        for key, _ in self._reader.range(keys.trie_version(oldest), keys.trie_version(newest)):
            return keys.unpack_height(key, 1)
        return newest

    def written(self, batch: Batch, height: int, change: TrieChange) -> None:
        """Remember what `batch`, which is durable now, made of the trie."""
        self._newest.forget([path for _, path in change.stale])
        self._newest.remember(height, change.new_nodes)
        for key in batch.deletes:
            if key.startswith(b"u"):
                self._stale_from = max(self._stale_from, keys.unpack_height(key, 1) + 1)

    def _prune(self, batch: Batch, stale_until: int) -> None:
        """Delete the rows that became stale at heights up to `stale_until`, of a few heights at most."""
        if stale_until < self._stale_from:
            return
        lists = self._reader.range(keys.stale_nodes(self._stale_from), keys.stale_nodes(stale_until + 1))
        for _, (key, packed) in zip(range(PRUNED_HEIGHTS_PER_COMMIT_MAX), lists, strict=False):
            batch.deletes.add(key)
            try:
                nodes = framing.unpack(packed, items_max=_STALE_NODES_MAX, item_bytes_max=_STALE_BYTES_MAX)
            except MalformedError as error:
                raise DamagedError(f"the list of stale trie rows is malformed: {error}") from error
            batch.deletes.update(b"t" + node for node in nodes)
