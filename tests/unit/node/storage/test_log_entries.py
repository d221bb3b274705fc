"""Entries of the log by position, across blocks and chunks of every size; what they cost, and what damage does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.block import encode_leaf
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.log_entries import read_entries
from node.storage.memory import MemoryStore
from tests.unit.node.storage.chains import grow, new_chain

SIZES = (1, 0, 2, 65, 0, 0, 130, 1, 1, 64, 3, 0)


@pytest.fixture(scope="module")
def chain() -> ChainStore:
    chain = new_chain(MemoryStore())
    grow(chain, SIZES)
    return chain


@pytest.fixture(scope="module")
def entries(chain: ChainStore) -> list[bytes]:
    return [encode_leaf(leaf) for height in range(1, len(SIZES) + 1) for leaf in chain.leaves(height)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_range_is_what_the_blocks_have(chain: ChainStore, entries: list[bytes], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(entries) - 1))
    stop = data.draw(st.integers(start + 1, len(entries)))
    assert read_entries(chain.store, start, stop, log_size=len(entries)) == entries[start:stop]


def test_the_newest_entries_are_there_when_the_newest_blocks_are_empty(chain: ChainStore, entries: list[bytes]) -> None:
    size = len(entries)
    assert read_entries(chain.store, size - 1, size, log_size=size) == entries[-1:]


class Counting:
    """A reader that counts what it is asked for."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.keys: list[bytes] = []
        self.rows = 0

    def get(self, key: bytes) -> bytes | None:
        self.keys.append(key)
        return self._store.get(key)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        for item in self._store.range(start, stop, reverse=reverse):
            self.rows += 1
            yield item


def test_a_bundle_is_read_at_a_cost_that_follows_its_entries() -> None:
    store = MemoryStore()
    grow(new_chain(store), [64] * 12)
    reader = Counting(store)
    read_entries(reader, 256, 512, log_size=768)
    assert not any(key.startswith(b"b") for key in reader.keys), "no envelope is read"
    assert len(reader.keys) == 4 + 1, "the outcomes of four chunks, and one tile"
    assert reader.rows <= 6


def test_damage_is_noticed_and_named() -> None:
    store = MemoryStore()
    grow(new_chain(store), [3, 3])
    row = keys.outcomes(2, 0)
    good = store.get(row)
    assert good is not None
    for bad in (
        b"",
        good[:-1] + b"x",
        good[:100],
        b"\0" + good[1:],
        good[:100] + b"\0" + good[101:],
        good + b" applied",
    ):
        store.write({row: bad}, sync=True)
        assert read_entries(store, 0, 3, log_size=6)
        with pytest.raises(DamagedError):
            read_entries(store, 2, 6, log_size=6)
    store.write({row: good}, frozenset({keys.first_leaf(3)}), sync=True)
    with pytest.raises(DamagedError):
        read_entries(store, 4, 5, log_size=6)
    store.write({}, frozenset({keys.first_leaf(0)}), sync=True)
    with pytest.raises(DamagedError, match="no block"):
        read_entries(store, 4, 5, log_size=6)
