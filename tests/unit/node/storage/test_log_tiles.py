"""The log in tiles: every subtree of every size is there, whatever the sizes of the blocks that filled it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.merkle import (
    EMPTY_FRONTIER,
    check_consistency,
    check_inclusion,
    frontier_at,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
)
from ledger.primitives import Digest
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.log_tiles import GrowingTiles, TileReader, read_tile
from node.storage.memory import MemoryStore


def leaf(number: int) -> Digest:
    return Digest(hashlib.sha256(b"%d" % number).digest())


def log_of(sizes: list[int], *, remembers: bool = False) -> MemoryStore:
    store, frontier = MemoryStore(), EMPTY_FRONTIER
    tiles = GrowingTiles(store)
    for size in sizes:
        change = frontier.extend([leaf(frontier.size + offset) for offset in range(size)])
        batch = Batch()
        tiles.write(batch, change.levels)
        store.write(batch.puts, sync=True)
        frontier = change.frontier
        if remembers:
            tiles.written(batch, frontier.size)
    return store


def subtree(level: int, index: int) -> Digest:
    if level == 0:
        return leaf(index)
    return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 300), max_size=6))
@example([256, 256])  # the first tile of two levels grows or is full at once
def test_tiles_do_not_depend_on_how_the_log_was_cut_into_blocks(sizes: list[int]) -> None:
    whole = log_of([sum(sizes)]).image()
    assert log_of(sizes).image() == log_of(sizes, remembers=True).image() == whole


def test_entries_are_held_against_the_log_and_the_first_that_differs_is_named() -> None:
    entries = [b"entry %d" % number for number in range(600)]
    store, batch = MemoryStore(), Batch()
    GrowingTiles(store).write(batch, EMPTY_FRONTIER.extend([leaf_hash(entry) for entry in entries]).levels)
    store.write(batch.puts, sync=True)
    for start, stop in ((0, 600), (0, 0), (255, 257), (256, 512), (300, 301), (511, 600)):
        given_entries = entries[start:stop]
        assert TileReader(store).first_difference(start, given_entries) is None
        for wrong in {0, len(given_entries) // 2, len(given_entries) - 1} if given_entries else ():
            changed = [*given_entries[:wrong], b"another", *given_entries[wrong + 1 :]]
            assert TileReader(store).first_difference(start, changed) == start + wrong
    with pytest.raises(DamagedError, match="ends too early"):
        TileReader(store).first_difference(590, [*entries[590:], b"entry 600"])
    first = store.get(keys.tile(0, 0)) or b""
    for length in (len(first) - 1, len(first) + 32):  # too short for its last hash; longer than a tile can be
        store.write({keys.tile(0, 0): (first + bytes(32))[:length]}, sync=True)
        if length < len(first):
            with pytest.raises(DamagedError, match="ends too early"):
                TileReader(store).first_difference(250, entries[250:270])
        else:
            assert TileReader(store).first_difference(250, entries[250:270]) is None, "what is beyond it is not read"


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 1000])
def test_every_full_subtree_is_read_and_nothing_beyond_the_end(size: int) -> None:
    reader = TileReader(log_of([size]))
    for level in range(10):
        for index in range(size >> level):
            if level < 3 or index in (0, (size >> level) - 1):
                assert reader(level, index) == subtree(level, index)
        with pytest.raises(DamagedError):
            reader(level, size >> level)


def test_a_log_of_several_tile_levels_is_proved_from_its_tiles() -> None:
    size = 66_000  # 257 full tiles, so that the second level has more than one
    store = log_of([1000] * 66)
    root = frontier_at(size, TileReader(store)).root()
    for index in (0, 1, 255, 256, 65_535, 65_536, 65_999):
        path = prove_inclusion(index, size, TileReader(store))
        assert check_inclusion(leaf(index), index, size, path, root)
    for old in (1, 256, 1000, 65_536, 65_537):
        old_root = frontier_at(old, TileReader(store)).root()
        path = prove_consistency(old, size, TileReader(store))
        assert check_consistency(old, size, old_root, root, path)
    assert len(read_tile(store, 1, 0, width=256)) == 256 * 32
    assert read_tile(store, 1, 1, width=1) == TileReader(store)(8, 256)
    assert read_tile(store, 2, 0, width=1) == TileReader(store)(16, 0)


def test_the_newest_tile_is_not_read_again_by_who_wrote_it() -> None:
    store, frontier, batch = MemoryStore(), EMPTY_FRONTIER, Batch()
    tiles = GrowingTiles(store)
    for number in range(300):
        change = frontier.extend([leaf(number)])
        tiles.write(batch, change.levels)  # to a store that has none of them
        frontier = change.frontier
        tiles.written(batch, frontier.size)
    store.write(batch.puts, sync=True)
    assert store.image() == log_of([300]).image()


def test_an_earlier_partial_tile_is_the_beginning_of_the_later_one() -> None:
    assert read_tile(log_of([200]), 0, 0, width=70) == read_tile(log_of([70]), 0, 0, width=70)


def test_a_tile_that_is_too_short_to_grow_is_damage() -> None:
    store = log_of([10])
    store.write({keys.tile(0, 0): read_tile(store, 0, 0, width=9)}, sync=True)
    frontier = EMPTY_FRONTIER.append([leaf(number) for number in range(10)])
    with pytest.raises(DamagedError):
        GrowingTiles(store).write(Batch(), frontier.extend([leaf(10)]).levels)
    with pytest.raises(DamagedError):
        read_tile(store, 0, 1, width=1)
