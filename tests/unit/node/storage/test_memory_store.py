"""Crashes of the store in memory: what a power cut takes, and what a failed write leaves open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage.errors import DamagedError, StorageFailedError
from node.storage.memory import MemoryStore

SYNCED, LAZY = True, False


def rows(store: MemoryStore) -> dict[bytes, bytes]:
    return dict(store.range(b"", b"\xff"))


def test_a_power_cut_takes_what_was_not_synced() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=True)
    store.write({b"b": b"2"}, frozenset({b"a"}), sync=False)
    assert rows(store) == {b"b": b"2"}
    assert rows(MemoryStore(store.crash())) == {b"a": b"1"}


def test_a_sync_carries_all_earlier_writes() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=False)
    store.write({b"a": b"2", b"b": b"2"}, sync=False)
    store.write({b"c": b"3"}, sync=True)
    assert rows(MemoryStore(store.crash())) == {b"a": b"2", b"b": b"2", b"c": b"3"}


def test_a_killed_process_loses_nothing() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=False)
    assert rows(MemoryStore(store.crash(unsynced_survive=store.unsynced_writes))) == {b"a": b"1"}


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.binary(max_size=2)), st.booleans())))
def test_a_crash_leaves_a_prefix_that_reaches_the_last_sync(batches: list[tuple[dict[bytes, bytes], bool]]) -> None:
    states = [dict[bytes, bytes]()]
    store, synced = MemoryStore(), 0
    for number, (puts, sync) in enumerate(batches, 1):
        store.write(puts, sync=sync)
        states.append({**states[-1], **puts})
        synced = number if sync else synced
    assert store.unsynced_writes == len(batches) - synced
    assert rows(MemoryStore(store.image())) == states[synced]
    for survivors in range(store.unsynced_writes + 1):
        again = MemoryStore()
        for puts, sync in batches:
            again.write(puts, sync=sync)
        assert rows(MemoryStore(again.crash(unsynced_survive=survivors))) == states[synced + survivors]


def test_an_image_is_a_copy_and_the_store_goes_on() -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=True)
    store.write({b"b": b"2"}, sync=False)
    image = store.image()
    store.write({b"a": b"3"}, sync=True)
    assert rows(MemoryStore(image)) == {b"a": b"1"}
    assert rows(store) == {b"a": b"3", b"b": b"2"}


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("sync", [SYNCED, LAZY])
def test_after_a_failed_write_the_store_refuses_everything(survives: bool, sync: bool) -> None:
    store = MemoryStore()
    store.write({b"a": b"1"}, sync=True)
    store.fail_write(2, survives=survives)
    store.write({b"b": b"2"}, sync=True)
    with pytest.raises(StorageFailedError):
        store.write({b"c": b"3"}, sync=sync)
    for refused in (
        lambda: store.get(b"a"),
        lambda: list(store.range(b"", b"z")),
        lambda: store.write({b"d": b"4"}, sync=True),
    ):
        with pytest.raises(StorageFailedError):
            refused()
    after = MemoryStore(store.crash(unsynced_survive=store.unsynced_writes))
    assert after.get(b"b") == b"2"
    assert after.get(b"c") == (b"3" if survives else None)
    assert after.get(b"d") is None


def test_a_crashed_store_refuses_everything() -> None:
    store = MemoryStore()
    store.crash()
    with pytest.raises(StorageFailedError):
        store.write({b"a": b"1"}, sync=True)


def test_damage_is_noticed_when_it_is_read() -> None:
    store = MemoryStore()
    store.write({b"a": b"1", b"b": b"2"}, sync=True)
    store.damage(b"a", bit=3)
    assert store.get(b"b") == b"2"
    with pytest.raises(DamagedError):
        store.get(b"a")
    with pytest.raises(DamagedError):
        rows(store)


def test_a_value_that_stands_under_another_key_is_noticed() -> None:
    store = MemoryStore()
    store.write({b"a": b"1", b"b": b"2"}, sync=True)
    image = store.crash()
    image[b"a"], image[b"b"] = image[b"b"], image[b"a"]
    for key in (b"a", b"b"):
        with pytest.raises(DamagedError):
            MemoryStore(image).get(key)


def test_reading_on_after_a_write_is_a_bug() -> None:
    store = MemoryStore()
    store.write({b"a": b"1", b"b": b"2"}, sync=True)
    found = store.range(b"", b"z")
    next(found)
    store.write({b"c": b"3"}, sync=True)
    with pytest.raises(AssertionError):
        next(found)
