"""Rows of the state trie: the newest heights stay provable, and what no proof needs is deleted."""

from __future__ import annotations

import random

import pytest

from ledger.row_cache import NewestRows
from ledger.trie import EMPTY, TrieRoot, check_proof, prove, update
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.trie_rows import TrieRows

HEIGHTS = 40


class Growing:
    """A trie that each height changes at random."""

    def __init__(self, store: MemoryStore, proof_heights: int) -> None:
        self.store = store
        self.rows = TrieRows(store, proof_heights)
        self.roots: list[TrieRoot] = []
        self.values: list[dict[bytes, bytes]] = []
        self.random = random.Random(7)

    def grow(self, heights: int) -> None:
        for _ in range(heights):
            height = len(self.roots)
            value = dict(self.values[-1]) if self.values else {}
            writes: dict[bytes, bytes | None] = {}
            for _ in range(self.random.choice([0, 1, 12])):
                key = b"%d" % self.random.randrange(60)
                writes[key] = self.random.choice([None, self.random.randbytes(4)])
            change = update(self.roots[-1] if self.roots else EMPTY, writes, height, self.rows.read)
            batch = Batch()
            self.rows.write(batch, height, change)
            self.store.write(batch.puts, frozenset(batch.deletes), sync=True)
            self.rows.written(batch, height, change)
            for key, written in writes.items():
                if written is None:
                    value.pop(key, None)
                else:
                    value[key] = written
            self.roots.append(change.root)
            self.values.append(value)

    def assert_provable(self, height: int, rows: TrieRows) -> None:
        version = rows.root_version(height)
        assert version == self.roots[height].version
        root = TrieRoot(version, self.roots[height].hash)
        for key in (b"%d" % number for number in range(60)):
            proof = prove(root, key, rows.read)
            assert check_proof(root.hash, key, self.values[height].get(key), proof)

    def live_rows(self, heights: range) -> set[bytes]:
        """The keys of all rows that the tries of these heights consist of."""
        found: set[bytes] = set()
        for height in heights:
            reads: list[bytes] = []

            def read(version: int, path: bytes, reads: list[bytes] = reads) -> bytes | None:
                reads.append(keys.trie_node(version, path))
                return self.rows.read(version, path)

            for key in self.values[height]:
                prove(self.roots[height], key, read)
            found |= set(reads)
        return found


@pytest.mark.parametrize("proof_heights", [2, 3, 5, 100])
def test_the_newest_heights_are_provable_and_no_row_is_kept_in_vain(proof_heights: int) -> None:
    growing = Growing(MemoryStore(), proof_heights)
    growing.grow(HEIGHTS)
    newest = range(max(0, HEIGHTS - proof_heights), HEIGHTS)
    for height in newest:
        growing.assert_provable(height, TrieRows(growing.store, proof_heights))
    for height in range(newest.start):
        assert growing.rows.root_version(height) is None
    stored = {key for key, _ in growing.store.range(b"t", b"u")}
    if proof_heights < HEIGHTS:
        assert stored == growing.live_rows(newest)
    assert len(list(growing.store.range(b"u", b"v"))) <= proof_heights


def test_what_is_remembered_is_what_is_stored() -> None:
    growing = Growing(MemoryStore(), 3)
    growing.grow(HEIGHTS)
    for key, row in growing.store.range(b"t", b"u"):
        assert growing.rows.read(keys.unpack_height(key, 1), key[9:]) == row
    remembered = {keys.trie_node(version, path): row for path, (version, row) in growing.rows._newest.items()}
    assert remembered == {key: growing.store.get(key) for key in remembered}


def test_pruning_goes_on_after_a_restart() -> None:
    growing = Growing(MemoryStore(), 3)
    growing.grow(10)
    growing.rows = TrieRows(growing.store, 3)
    growing.grow(10)
    assert {key for key, _ in growing.store.range(b"t", b"u")} == growing.live_rows(range(17, 20))


def test_a_node_that_keeps_fewer_heights_than_before_catches_up() -> None:
    growing = Growing(MemoryStore(), 30)
    growing.grow(30)
    growing.rows = TrieRows(growing.store, 2)
    growing.grow(1)
    assert len(list(growing.store.range(b"u", b"v"))) > 2, "a few heights per commit, not all at once"
    growing.grow(20)
    assert {key for key, _ in growing.store.range(b"t", b"u")} == growing.live_rows(range(49, 51))


def test_a_malformed_list_of_stale_rows_is_damage() -> None:
    store = MemoryStore()
    store.write({keys.stale_nodes(1): b"\0\0\0\xff"}, sync=True)
    rows = TrieRows(store, 2)
    change = update(EMPTY, {b"a": b"1"}, 5, rows.read)
    with pytest.raises(DamagedError):
        rows.write(Batch(), 5, change)


def test_only_the_newest_trie_is_remembered() -> None:
    growing = Growing(MemoryStore(), 100)
    growing.grow(HEIGHTS)
    remembered = {keys.trie_node(version, path) for path, (version, _) in growing.rows._newest.items()}
    assert remembered
    assert remembered <= growing.live_rows(range(HEIGHTS - 1, HEIGHTS))
    assert len({key for key, _ in growing.store.range(b"t", b"u")}) > 2 * len(remembered), "older ones are stored"


def test_rows_of_which_the_newest_trie_has_none_any_more_are_forgotten() -> None:
    rows, many = TrieRows(MemoryStore(), 100), [b"%d" % number for number in range(60)]
    first = update(EMPTY, dict.fromkeys(many, b"1"), 1, rows.read)
    rows.written(Batch(), 1, first)
    assert len(rows._newest) > 10, "so many keys are no page"
    rows.written(Batch(), 2, update(first.root, dict.fromkeys(many[1:]), 2, rows.read))
    assert list(rows._newest) == [b""], "one key is, and the root has it"


def test_what_is_read_for_an_older_height_does_not_take_the_place_of_the_newest() -> None:
    growing = Growing(MemoryStore(), 100)
    growing.grow(HEIGHTS)
    newest = {path: version for path, (version, _) in growing.rows._newest.items()}
    for height in range(1, HEIGHTS - 1):
        growing.assert_provable(height, growing.rows)
        assert {path: growing.rows._newest[path][0] for path in newest} == newest
    growing.grow(1)
    growing.assert_provable(HEIGHTS, growing.rows)
    growing.assert_provable(HEIGHTS, TrieRows(growing.store, 100))


def test_the_memory_keeps_to_its_bound_and_forgets_what_it_was_told_longest_ago() -> None:
    size = 250 + 1 + 100  # of a row of 100 bytes, the path and what Python adds
    rows = NewestRows(bytes_max=32 * size)
    paths = [bytes((number,)) for number in range(33)]
    rows.remember(1, [(path, bytes(100)) for path in paths[:32]])
    assert list(rows) == paths[:32], "all of them have room"
    rows.remember(2, [(paths[0], bytes(100))])
    assert list(rows) == [*paths[1:32], paths[0]], "a row takes the place of an older one, and counts once"
    rows.remember(3, [(paths[32], bytes(100))])
    assert list(rows) == [*paths[4:32], paths[0], paths[32]], "there is room for a sixteenth besides"
    assert rows[paths[0]] == (2, bytes(100))
    rows.forget([paths[4], paths[4], b"none"])
    rows.remember(4, [(path, bytes(100)) for path in paths[1:4]])
    assert len(rows) == 32, "what was forgotten counts no longer"
    rows.remember(5, [(b"n", bytes(100))])
    assert len(rows) == 30, "and what was not there to forget never did"
    rows.remember(5, [(b"large", bytes(40 * size))])
    assert list(rows) == [], "nothing is kept that is larger than the bound"
    rows.remember(6, [(paths[0], bytes(100))])
    assert len(rows) == 1


def test_a_row_that_is_missing_or_another_is_damage_and_not_the_fault_of_a_block() -> None:
    growing = Growing(MemoryStore(), 3)
    growing.grow(HEIGHTS)
    root = growing.roots[-1]
    place = keys.trie_node(root.version, b"")
    row = growing.store.get(place)
    assert row is not None
    for changed in (None, b"", b"\0", row[:-1], row[:-1] + bytes((row[-1] ^ 1,)), row[1:], row + b"\0"):
        store = MemoryStore(growing.store.image())
        store.write(
            {} if changed is None else {place: changed}, frozenset({place} if changed is None else ()), sync=True
        )
        rows = TrieRows(store, 3)
        with pytest.raises(DamagedError, match="row of the state trie"):
            update(root, {b"1": b"other"}, HEIGHTS, rows.read)
        with pytest.raises(DamagedError, match="row of the state trie"):
            prove(root, b"1", rows.read)
