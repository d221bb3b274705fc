"""State at every height: what the versioned rows answer is what a replay of all writes would have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.row_cache import UNKNOWN, RowCache
from node.storage import keys, state_rows
from node.storage.batch import Batch
from node.storage.errors import DamagedError, StorageFailedError
from node.storage.memory import MemoryStore
from node.storage.state_rows import CurrentState, StateAt
from tests.unit.node.storage.noting import NotingStore

# Keys that are prefixes of each other, end in zeros or have the bytes of heights in them.
STATE_KEYS = st.one_of(
    st.sampled_from([b"a", b"a\0", b"a/b", b"ab", b"b", b"\0", b"\xff", b"a" + bytes(8), b"a" + b"\xff" * 8]),
    st.binary(min_size=1, max_size=3),
)
WRITES = st.dictionaries(STATE_KEYS, st.one_of(st.none(), st.binary(max_size=3)), max_size=5)


def write(store: MemoryStore, state: CurrentState, height: int, writes: dict[bytes, bytes | None]) -> None:
    batch = Batch()
    state.write(batch, height, writes)
    store.write(batch.puts, frozenset(batch.deletes), sync=True)
    state.written(batch, writes)


def replay(past: list[dict[bytes, bytes | None]]) -> dict[bytes, bytes]:
    values: dict[bytes, bytes | None] = {}
    for writes in past:
        values.update(writes)
    return {key: value for key, value in values.items() if value is not None}


@given(st.lists(WRITES, max_size=8), STATE_KEYS, STATE_KEYS, st.integers(0, 9))
def test_state_at_every_height_is_the_replay_of_all_writes(
    history: list[dict[bytes, bytes | None]], start: bytes, stop: bytes, keys_read_at: int
) -> None:
    store = MemoryStore()
    state = CurrentState(store)
    state._cache = RowCache(1_000)  # of three or four rows
    for height, writes in enumerate(history):
        if height == keys_read_at:
            state.read_keys()
        write(store, state, height, writes)
    known = {key for writes in history for key in writes} | {start, stop}
    for height in range(len(history)):
        expected = replay(history[: height + 1])
        views = [StateAt(store, height)]
        if height == len(history) - 1:
            views += [state, CurrentState(store)]  # with a warm memory, and with none
        for view in views:
            assert {key: value for key in known if (value := view.get(key)) is not None} == expected
            found = sorted((key, value) for key, value in expected.items() if start <= key < stop)
            assert list(view.range(start, stop)) == found
            listed = list(view.keys(start, stop, reverse=False))
            assert [key for key, present in listed if present] == [key for key, _ in found]
            assert [key for key, _ in listed] == sorted(
                {key for writes in history for key in writes if start <= key < stop}
            )
            assert list(view.keys(start, stop, reverse=True)) == listed[::-1]


@given(st.lists(WRITES, max_size=6), st.integers(0, 6))
def test_neither_a_memory_that_forgets_everything_nor_keys_that_are_known_change_what_is_written(
    history: list[dict[bytes, bytes | None]], keys_read_at: int
) -> None:
    stores = MemoryStore(), MemoryStore(), MemoryStore()
    remembering, forgetting, knowing = map(CurrentState, stores)
    forgetting._cache = knowing._cache = RowCache(0)
    for height, writes in enumerate(history):
        if height == keys_read_at:
            knowing.read_keys()
        write(stores[0], remembering, height, writes)
        write(stores[1], forgetting, height, writes)
        write(stores[2], knowing, height, writes)
    assert stores[0].image() == stores[1].image() == stores[2].image()


def test_a_key_that_is_written_once_costs_one_row() -> None:
    store = MemoryStore()
    state = CurrentState(store)
    write(store, state, 3, {b"once": b"1", b"twice": b"2"})
    write(store, state, 7, {b"twice": b"3"})
    assert sorted(store.image()) == [keys.state(b"once"), keys.state(b"twice"), keys.replaced_state(b"twice", 3)]


def test_writes_are_not_seen_before_they_are_durable() -> None:
    store = MemoryStore()
    state = CurrentState(store)
    write(store, state, 0, {b"a": b"1"})
    state.write(Batch(), 1, {b"a": b"2"})
    assert state.get(b"a") == b"1"


def test_reading_what_is_remembered_does_not_read_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    state = CurrentState(store)
    write(store, state, 0, {b"a": b"1"})
    assert state.get(b"absent") is None
    store.close()
    assert state.get(b"a") == b"1"
    assert state.get(b"absent") is None


def test_once_keys_are_read_one_that_was_never_written_is_not_looked_for() -> None:
    store = NotingStore()
    state = CurrentState(store)
    write(store, state, 0, {b"old": b"1", b"deleted": b"1"})
    write(store, state, 1, {b"deleted": None})
    state = CurrentState(store)  # which remembers nothing
    state.read_keys()
    store.read.clear()
    assert [state.get(b"new/%d" % number) for number in range(1_000)] == [None] * 1_000
    write(store, state, 2, {b"new/%d" % number: b"2" for number in range(1_000)})
    assert store.read == []
    assert state.get(b"old") == b"1"
    assert state.get(b"deleted") is None
    assert store.read[-2:] == [keys.state(b"old"), keys.state(b"deleted")]


def test_what_a_deleted_key_held_is_kept_when_it_is_written_again() -> None:
    store = MemoryStore()
    write(store, CurrentState(store), 0, {b"a": b"1"})
    write(store, CurrentState(store), 1, {b"a": None})
    state = CurrentState(store)
    state.read_keys()
    write(store, state, 2, {b"a": b"2"})
    assert sorted(store.image()) == sorted(
        (keys.state(b"a"), keys.replaced_state(b"a", 0), keys.replaced_state(b"a", 1))
    )


class Unwalkable(MemoryStore):
    """One whose rows cannot be gone through: the first is whole, and then there is damage."""

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        yield from [next(super().range(start, stop, reverse=reverse))]
        raise DamagedError("injected")


def test_rows_that_are_damaged_when_keys_are_read_leave_every_answer_to_the_database() -> None:
    store = Unwalkable()
    write(store, CurrentState(store), 0, {b"a": b"1", b"b": b"2"})
    state = CurrentState(store)
    state.read_keys()
    assert state.get(b"b") == b"2"
    write(store, state, 1, {b"c": b"3"})  # to have learnt of some keys since is not to know all
    state._cache = RowCache(0)
    assert [state.get(key) for key in (b"a", b"b", b"c")] == [b"1", b"2", b"3"]


def test_a_database_that_is_closed_has_no_keys_to_read() -> None:
    store = MemoryStore()
    store.close()
    with pytest.raises(StorageFailedError):
        CurrentState(store).read_keys()


def test_a_row_that_is_neither_value_nor_deletion_is_damage() -> None:
    store = MemoryStore()
    store.write({keys.state(b"a"): keys.pack_height(1) + b"\x02value"}, sync=True)
    with pytest.raises(DamagedError):
        CurrentState(store).get(b"a")
    with pytest.raises(DamagedError):
        StateAt(store, 5).get(b"a")


def test_the_memory_is_bounded_and_forgets_the_least_recently_used() -> None:
    cache = RowCache(bytes_max=3 * (250 + 1 + 100))
    for key in (b"a", b"b", b"c"):
        cache.put(key, bytes(100))
    cache.get(b"a")
    cache.put(b"d", bytes(100))
    assert cache.get(b"b") is UNKNOWN
    assert cache.get(b"a") == bytes(100)
    cache.put(b"a", bytes(200))  # a longer row takes the place of two
    assert cache.get(b"c") is UNKNOWN
    assert cache.get(b"d") == bytes(100) or cache.get(b"a") == bytes(200)
    cache.put(b"huge", bytes(10_000))
    assert cache.get(b"huge") is UNKNOWN
    cache.put(b"none", None)
    assert cache.get(b"none") is None
    cache.forget(b"none")
    cache.forget(b"never there")
    assert cache.get(b"none") is UNKNOWN
    assert state_rows.STATE_CACHE_BYTES_MAX > 0
