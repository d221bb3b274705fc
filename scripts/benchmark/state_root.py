"""What the state root costs per key that a block touches, in a state of a million keys: in CPU time, in a database.

The trie grows block by block as a node's does, with as many keys in each; then blocks touch keys that are there, chosen
at random. Finding the new root reads rows, from memory or from the database, hashes, and makes the rows to be written;
writing those in the block's batch is measured apart, because everything else that a block writes goes the same way.
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ledger.limits import PROOF_HEIGHTS_DEFAULT
from ledger.trie import EMPTY, TrieRoot, update
from node.app import GARBAGE_THRESHOLD
from node.ports import Store
from node.storage.batch import Batch
from node.storage.leveldb import create_database
from node.storage.trie_rows import TrieRows

KEYS_PER_BLOCK = 1_000
BLOCKS = 100
_VALUE_BYTES = 120  # about what the newest record of a key has


@dataclass(slots=True)
class _Trie:
    """A trie that is written block by block, and the CPU seconds for its roots and for writing its rows."""

    store: Store
    rows: TrieRows
    root: TrieRoot = EMPTY
    height: int = 0
    root_seconds: float = 0.0
    write_seconds: float = 0.0

    def append(self, keys: Iterable[bytes]) -> None:
        """A block that touches these keys."""
        self.height += 1
        value = self.height.to_bytes(_VALUE_BYTES, "big")
        writes: dict[bytes, bytes | None] = dict.fromkeys(keys, value)
        started = time.thread_time()
        change = update(self.root, writes, self.height, self.rows.read)
        found = time.thread_time()
        batch = Batch()
        self.rows.write(batch, self.height, change)
        self.store.write(batch.puts, frozenset(batch.deletes), sync=False)
        self.rows.written(batch, self.height, change)
        self.root = change.root
        self.root_seconds += found - started
        self.write_seconds += time.thread_time() - found


def run(keys: int, say: Callable[[str], None]) -> dict[str, object]:
    """Build a state of so many `keys`, touch some of them; the figures by name."""
    say(f"a state of {keys} keys, {KEYS_PER_BLOCK} in a block")
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    with (
        tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory,
        closing(create_database(Path(directory) / "database")) as store,
    ):
        trie = _Trie(store, TrieRows(store, PROOF_HEIGHTS_DEFAULT))
        for first in range(0, keys, KEYS_PER_BLOCK):
            trie.append(map(_key, range(first, first + KEYS_PER_BLOCK)))
        growing = trie.root_seconds / keys
        trie.root_seconds = trie.write_seconds = 0.0
        chosen = random.Random(7)
        for _ in range(BLOCKS):
            before = trie.root
            trie.append(map(_key, chosen.sample(range(keys), KEYS_PER_BLOCK)))
            assert trie.root != before, "a block that touched keys has another root"
    touched = BLOCKS * KEYS_PER_BLOCK
    return {
        "state_root_keys": keys,
        "state_root_microseconds_per_key": round(1e6 * trie.root_seconds / touched, 2),
        "state_root_microseconds_per_new_key": round(1e6 * growing, 2),
        "state_root_write_microseconds_per_key": round(1e6 * trie.write_seconds / touched, 2),
    }


def _key(number: int) -> bytes:
    return b"latest/bench%d/order-%d" % (number % 2, number)
