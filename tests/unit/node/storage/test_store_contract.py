"""What every store promises (`node.ports.Store`): the same tests run against the one on disk and the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.ports import Store
from node.storage.errors import StorageFailedError
from node.storage.leveldb import create_database, open_database
from node.storage.memory import MemoryStore

KEYS = st.binary(min_size=1, max_size=4)
BATCHES = st.lists(st.tuples(st.dictionaries(KEYS, st.binary(max_size=40)), st.frozensets(KEYS), st.booleans()))


class Disk:
    """Where stores are made and opened again."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._image: dict[bytes, bytes] = {}
        self._open: list[Store] = []

    def open(self) -> Store:
        store: Store
        if self._directory is None:
            store = MemoryStore(self._image)
        elif self._directory.exists():
            store = open_database(self._directory)
        else:
            store = create_database(self._directory)
        self._open.append(store)
        return store

    def reopen(self, store: Store) -> Store:
        if isinstance(store, MemoryStore):
            self._image = store.image()
        self.close()
        return self.open()

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


@pytest.fixture(params=["leveldb", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "database" if request.param == "leveldb" else None)
    yield disk
    disk.close()


def rows(store: Store) -> dict[bytes, bytes]:
    return dict(store.range(b"", b"\xff" * 8))


def test_what_was_written_is_read_again_also_after_reopening(disk: Disk) -> None:
    store = disk.open()
    assert store.get(b"a") is None
    store.write({b"a": b"1", b"b": b"", b"c": b"\0" * 100_000}, sync=True)
    for _ in range(2):
        assert store.get(b"a") == b"1"
        assert store.get(b"b") == b""
        assert store.get(b"c") == b"\0" * 100_000
        assert store.get(b"d") is None
        store = disk.reopen(store)


def test_a_batch_replaces_and_deletes_together(disk: Disk) -> None:
    store = disk.open()
    store.write({b"a": b"1", b"b": b"2"}, sync=True)
    store.write({b"a": b"3", b"c": b"4"}, frozenset({b"b", b"never there"}), sync=True)
    assert rows(store) == {b"a": b"3", b"c": b"4"}
    assert rows(disk.reopen(store)) == {b"a": b"3", b"c": b"4"}


def test_ranges_include_their_start_and_exclude_their_stop(disk: Disk) -> None:
    store = disk.open()
    store.write({key: key * 2 for key in (b"a", b"b", b"b\0", b"bb", b"c", b"\xff")}, sync=False)
    cases: list[tuple[bytes, bytes, list[bytes]]] = [
        (b"a", b"c", [b"a", b"b", b"b\0", b"bb"]),
        (b"b", b"b\0", [b"b"]),
        (b"aa", b"bb", [b"b", b"b\0"]),
        (b"c", b"c", []),
        (b"c", b"a", []),
        (b"", b"\xff", [b"a", b"b", b"b\0", b"bb", b"c"]),
        (b"c", b"\xff\0", [b"c", b"\xff"]),
    ]
    for start, stop, expected in cases:
        assert list(store.range(start, stop)) == [(key, key * 2) for key in expected]
        assert list(store.range(start, stop, reverse=True)) == [(key, key * 2) for key in reversed(expected)]


def test_a_range_may_be_left_early(disk: Disk) -> None:
    store = disk.open()
    store.write({bytes((item,)): b"" for item in range(200)}, sync=True)
    assert next(store.range(b"\x07", b"\xff"))[0] == b"\x07"
    assert next(store.range(b"\x07", b"\x90", reverse=True))[0] == b"\x8f"
    store.write({b"\x07\x01": b""}, sync=True)
    assert [key for key, _ in store.range(b"\x07", b"\x09")] == [b"\x07", b"\x07\x01", b"\x08"]


def test_a_batch_that_writes_and_deletes_a_key_is_a_bug(disk: Disk) -> None:
    store = disk.open()
    with pytest.raises(AssertionError):
        store.write({b"a": b""}, frozenset({b"a"}), sync=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, start=KEYS, stop=KEYS)
def test_a_store_is_an_ordered_map(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[dict[bytes, bytes], frozenset[bytes], bool]],
    start: bytes,
    stop: bytes,
) -> None:
    makers: list[Callable[[], Store]] = [
        MemoryStore,
        lambda: create_database(tmp_path_factory.mktemp("property") / "database"),
    ]
    for make in makers:
        store, model = make(), dict[bytes, bytes]()
        for puts, deletes, sync in batches:
            store.write(puts, deletes - puts.keys(), sync=sync)
            model.update(puts)
            for key in deletes - puts.keys():
                model.pop(key, None)
        expected = sorted((key, value) for key, value in model.items() if start <= key < stop)
        assert list(store.range(start, stop)) == expected
        assert list(store.range(start, stop, reverse=True)) == expected[::-1]
        assert {key: store.get(key) for key in model} == model
        store.close()


def test_a_large_batch_keeps_the_order_of_keys() -> None:
    store = MemoryStore()
    store.write({b"%03d" % item: b"" for item in range(0, 500, 2)}, sync=True)
    store.write({b"%03d" % item: b"" for item in range(499, 0, -2)}, sync=True)
    assert [key for key, _ in store.range(b"0", b"9")] == [b"%03d" % item for item in range(500)]


def test_a_store_refuses_everything_after_it_was_closed(disk: Disk) -> None:
    store = disk.open()
    store.write({b"a": b""}, sync=True)
    store.close()
    with pytest.raises(StorageFailedError, match="closed"):
        store.get(b"a")
    with pytest.raises(StorageFailedError, match="closed"):
        store.write({b"b": b""}, sync=True)
    with pytest.raises(StorageFailedError, match="closed"):
        list(store.range(b"", b"z"))
