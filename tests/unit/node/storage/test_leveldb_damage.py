"""What happens to a database on a real disk: bits flip, files vanish, the disk fills, two processes want it.

In every case the answer is an error or the true data: never a wrong value, and never silence about a missing one that
the files could have shown. What no file can show (a log whose end is gone) is for the guard.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from node.storage import leveldb
from node.storage.durable import disk_is_low, free_disk_bytes
from node.storage.errors import (
    DamagedError,
    StorageError,
    StorageFailedError,
    StoreExistsError,
    StoreLockedError,
    StoreMissingError,
)
from node.storage.leveldb import LevelDBStore, create_database, open_database

ROOT = Path(__file__).resolve().parents[4]
plyvel = leveldb.plyvel  # or the fork that stands in for it
ROWS = {b"key %04d" % number: bytes((number % 256,)) * 100 for number in range(300)}


@pytest.fixture(scope="module")
def in_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with ROWS, each in a batch of its own, all of them in the log."""
    directory = tmp_path_factory.mktemp("log") / "database"
    store = create_database(directory)
    for key, value in ROWS.items():
        store.write({key: value}, sync=False)
    store.close()
    return directory


@pytest.fixture(scope="module", params=[None, "snappy"])
def in_table(request: pytest.FixtureRequest, in_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same database with all rows in one table: as it is written now, and as earlier releases wrote it."""
    directory = tmp_path_factory.mktemp("table") / "database"
    shutil.copytree(in_log, directory)
    database = plyvel.DB(str(directory), paranoid_checks=True, bloom_filter_bits=10, compression=request.param)
    database.compact_range()
    database.close()
    return directory


@pytest.fixture
def directory(in_log: Path, tmp_path: Path) -> Path:
    """A copy of `in_log` to damage."""
    return shutil.copytree(in_log, tmp_path / "database")


@pytest.fixture
def compacted(in_table: Path, tmp_path: Path) -> Path:
    """A copy of `in_table` to damage."""
    return shutil.copytree(in_table, tmp_path / "compacted")


def table_of(directory: Path) -> Path:
    (table,) = directory.glob("*.ldb")
    return table


def logs(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


def flip_bit(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def read_all(directory: Path) -> dict[bytes, bytes]:
    store = open_database(directory)
    try:
        return dict(store.range(b"", b"\xff"))
    finally:
        store.close()


# ---- creating and opening


def test_only_creating_creates(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        open_database(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreMissingError):
        open_database(tmp_path / "empty")
    assert not (tmp_path / "nothing").exists()
    assert not any((tmp_path / "empty").iterdir())
    create_database(tmp_path / "empty").close()
    open_database(tmp_path / "empty").close()


def test_tables_hold_rows_as_they_are_whatever_they_were_written_with(compacted: Path) -> None:
    changed = {min(ROWS): b"changed", max(ROWS): b"changed"}
    with closing(open_database(compacted)) as store:
        assert dict(store.range(b"", b"\xff")) == ROWS
        store.write(changed, sync=False)
        store._database.compact_range(start=min(ROWS), stop=max(ROWS))  # type: ignore[attr-defined]
    assert b"\x07" * 100 in b"".join(table.read_bytes() for table in compacted.glob("*.ldb"))
    assert read_all(compacted) == ROWS | changed


def test_nothing_is_created_over_something(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreExistsError):
        create_database(directory)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreExistsError):
        create_database(tmp_path / "file")
    assert read_all(directory) == ROWS


def test_a_database_is_opened_once_in_a_process(directory: Path) -> None:
    store = open_database(directory)
    with pytest.raises(StoreLockedError, match="already running"):
        open_database(directory)
    store.close()
    open_database(directory).close()


def test_a_database_is_opened_by_one_process(directory: Path) -> None:
    program = """
import sys
from pathlib import Path
from node.storage.leveldb import open_database
store = open_database(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLockedError, match="already running"):
            open_database(directory)
        other.kill()
    assert read_all(directory) == ROWS


def test_a_killed_process_keeps_all_that_it_wrote(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from node.storage.leveldb import create_database
store = create_database(Path(sys.argv[1]))
for number in range(1_000_000):
    store.write({b"%08d" % number: b"value"}, sync=number % 2 == 0)
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "database")], stdout=subprocess.PIPE, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 50:
                break
        writer.send_signal(signal.SIGKILL)
        last = int(([b"50", *writer.stdout.read().split()])[-1])
    rows = read_all(tmp_path / "database")
    assert len(rows) - (last + 1) in (0, 1), "all that was reported, and at most the one that was not yet"


# ---- damage


@pytest.mark.parametrize("seed", range(24))
def test_a_flipped_bit_in_the_log_is_noticed_at_opening(directory: Path, seed: int) -> None:
    (log,) = logs(directory)
    flip_bit(log, random.Random(seed).randrange(8 * (log.stat().st_size - 200)))
    with pytest.raises(DamagedError):
        read_all(directory)


def test_a_zeroed_page_in_the_log_is_noticed_at_opening(directory: Path) -> None:
    (log,) = logs(directory)
    with log.open("r+b") as file:
        file.seek(8192)
        file.write(bytes(4096))
    with pytest.raises(DamagedError):
        read_all(directory)


@pytest.mark.parametrize("cut", [1, 50, 130, 1000])
def test_a_truncated_log_opens_without_its_end_which_only_the_guard_can_notice(directory: Path, cut: int) -> None:
    (log,) = logs(directory)
    os.truncate(log, log.stat().st_size - cut)
    rows = read_all(directory)
    assert rows == dict(list(ROWS.items())[: len(rows)])
    assert len(ROWS) - 10 < len(rows) < len(ROWS)


def test_a_deleted_log_is_noticed(directory: Path) -> None:
    """LevelDB itself opens as empty then."""
    (log,) = logs(directory)
    log.unlink()
    with pytest.raises(DamagedError, match="lacks its log"):
        read_all(directory)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_in_a_table_never_gives_a_wrong_or_missing_value(compacted: Path, seed: int) -> None:
    table = table_of(compacted)
    flip_bit(table, random.Random(seed).randrange(8 * table.stat().st_size))
    try:
        store = open_database(compacted)
    except DamagedError:
        return
    for read in (lambda: dict(store.range(b"", b"\xff")), lambda: dict(store.range(b"", b"\xff", reverse=True))):
        try:
            assert read() == ROWS
        except DamagedError:
            continue
    for key, value in ROWS.items():
        try:
            assert store.get(key) == value
        except DamagedError:
            continue
    store.close()


def test_a_flipped_bit_in_the_data_of_a_table_is_noticed(compacted: Path) -> None:
    """The test above would pass if nothing were ever damaged: a bit in the middle of the data must raise."""
    table = table_of(compacted)
    flip_bit(table, 8 * (table.stat().st_size // 3))
    with pytest.raises(DamagedError):
        read_all(compacted)


def test_a_deleted_table_is_noticed(compacted: Path) -> None:
    table_of(compacted).unlink()
    with pytest.raises(StorageError):
        read_all(compacted)


@pytest.mark.parametrize("left", [0, 1_000, -1])
def test_a_table_without_its_end_is_damage_and_no_system_that_cannot_read(compacted: Path, left: int) -> None:
    """As damage, it has the database made anew; else whoever asks for what stood there would end the node each time."""
    table = table_of(compacted)
    os.truncate(table, left if left >= 0 else table.stat().st_size + left)
    with closing(open_database(compacted)) as store:
        for _ in range(2):
            with pytest.raises(DamagedError):
                store.get(b"key 0001")
        with pytest.raises(DamagedError):
            list(store.range(b"", b"\xff"))
        store.write({b"another": b"row"}, sync=True)
        assert store.get(b"another") == b"row"


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST"])
def test_a_lost_or_damaged_manifest_is_noticed(directory: Path, name: str) -> None:
    (path,) = directory.glob(f"{name}*")
    path.write_bytes(b"\0" * 20)
    with pytest.raises(StorageError):
        read_all(directory)
    path.unlink()
    with pytest.raises(StorageError):
        read_all(directory)


def test_a_value_that_stands_under_another_key_is_noticed(directory: Path) -> None:
    """LevelDB's own checksums are right here: the row is whole, and at the wrong place."""
    first, second = b"key 0001", b"key 0002"
    database = plyvel.DB(str(directory))
    row = database.get(first)
    database.put(second, row)
    database.close()
    store = open_database(directory)
    assert store.get(first) == ROWS[first]
    with pytest.raises(DamagedError, match="key 0002"):
        store.get(second)
    with pytest.raises(DamagedError, match="key 0002"):
        dict(store.range(b"", b"\xff"))
    store.close()


# ---- failing writes


def test_a_read_that_the_system_refuses_is_not_taken_for_damage(tmp_path: Path) -> None:
    class Unreadable(FailingDatabase):
        def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None:
            raise plyvel.IOError(b"IO error: /database/000005.ldb: Too many open files")

    store = LevelDBStore(tmp_path, Unreadable())  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(StorageFailedError, match="Too many open files"):
            store.get(b"a")
    with pytest.raises(StorageFailedError):
        store.write({b"a": b""}, sync=True)


class FailingDatabase:
    """A database whose batches fail when they are written, as LevelDB's do on a full or broken disk."""

    def __init__(self) -> None:
        self.fails = False
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None:
        assert verify_checksums
        return self.rows.get(key)

    def raw_iterator(self, **_options: object) -> object:
        raise AssertionError("nothing is read after a failed write")

    def write_batch(self, *, transaction: bool, sync: bool) -> AbstractContextManager[FailingDatabase]:
        assert transaction
        assert sync

        @contextmanager
        def batch() -> Iterator[FailingDatabase]:
            yield self
            if self.fails:
                raise plyvel.IOError(b"IO error: /database/000003.log: No space left on device")

        return batch()

    def put(self, key: bytes, value: bytes) -> None:
        self.rows[key] = value

    def delete(self, key: bytes) -> None:
        self.rows.pop(key)

    def close(self) -> None:
        pass


def test_the_first_failed_write_is_the_last(tmp_path: Path) -> None:
    database = FailingDatabase()
    store = LevelDBStore(tmp_path, database)  # type: ignore[arg-type]
    store.write({b"a": b"1"}, sync=True)
    assert store.get(b"a") == b"1"
    database.fails = True
    with pytest.raises(StorageFailedError, match="No space left on device"):
        store.write({b"b": b"2"}, sync=True)
    database.fails = False  # the disk has room again, and nobody knows what is on it
    for refused in (
        lambda: store.get(b"a"),
        lambda: list(store.range(b"", b"z")),
        lambda: store.write({b"c": b"3"}, sync=True),
    ):
        with pytest.raises(StorageFailedError, match="No space left on device"):
            refused()


def test_a_sync_after_lazy_writes_syncs_the_logs_that_were_left_behind(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LevelDB does not sync a full log when it starts the next one (amendment A4)."""
    synced: list[str] = []
    monkeypatch.setattr(leveldb, "sync_file", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    store = open_database(directory)
    store.write({b"a": b"1"}, sync=True)
    assert synced == []
    store.write({b"b": b"2"}, sync=False)
    store.write({b"c": b"3"}, sync=False)
    assert synced == []
    store.write({b"d": b"4"}, sync=True)
    assert [Path(name) for name in synced] == logs(directory)
    store.write({b"e": b"5"}, sync=True)
    assert len(synced) == len(logs(directory))
    store.close()


def test_a_failed_sync_of_a_log_is_a_failed_write(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(leveldb, "sync_file", fail)
    store = open_database(directory)
    store.write({b"a": b"1"}, sync=False)
    with pytest.raises(StorageFailedError, match="input/output error"):
        store.write({b"b": b"2"}, sync=True)
    with pytest.raises(StorageFailedError):
        store.write({b"c": b"3"}, sync=False)
    store.close()


# ---- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB of its own, where this process may mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mount)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_a_full_disk_stops_the_store_and_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    store = create_database(small_disk / "database")
    acknowledged: list[bytes] = []
    noise = random.Random(1)

    def write_for_ever() -> None:
        while True:
            value = noise.randbytes(64 << 10)
            store.write({b"%08d" % len(acknowledged): value}, sync=True)
            acknowledged.append(value)

    assert not disk_is_low(small_disk, floor_bytes=4 << 20)
    with pytest.raises(StorageFailedError, match=r"[Nn]o space left"):
        write_for_ever()
    assert len(acknowledged) > 100
    with pytest.raises(StorageFailedError):
        store.get(b"%08d" % 0)
    store.close()

    with pytest.raises(OSError, match="No space"):
        fill(small_disk / "filler")
    assert disk_is_low(small_disk, floor_bytes=4 << 20)
    with pytest.raises(StorageFailedError, match="cannot open"):
        open_database(small_disk / "database")

    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    rows = read_all(small_disk / "database")
    for number, value in enumerate(acknowledged):
        assert rows[b"%08d" % number] == value


def test_free_disk_is_what_the_system_says(tmp_path: Path) -> None:
    free = free_disk_bytes(tmp_path)
    assert free > 0
    assert disk_is_low(tmp_path, floor_bytes=2**62)
    assert not disk_is_low(tmp_path, floor_bytes=0)


def test_validators_do_not_write_their_tables_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write the same rows, so each keeps another number of bytes of them before it does."""
    sizes: set[int] = set()

    def opened(_: str, *, write_buffer_size: int, **__: object) -> None:
        sizes.add(write_buffer_size)

    monkeypatch.setattr(plyvel, "DB", opened)
    for number in range(20):
        create_database(tmp_path / str(number))
    assert len(sizes) > 10
    assert max(sizes) <= 64 * 2**20, "twice that is in memory"
    assert max(sizes) - min(sizes) > 8 * 2**20
