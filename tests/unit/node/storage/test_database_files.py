"""Batches that are missing from the middle of a database, which LevelDB does not notice, are. [safety]"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from node.storage import leveldb
from node.storage.database_files import check_files
from node.storage.errors import DamagedError
from node.storage.leveldb import create_database, open_database

FIRST, SECOND, THIRD = b"first", b"second", b"third"


def put(path: Path, key: bytes) -> None:
    with closing(open_database(path)) as store:
        store.write({key: key * 20}, sync=True)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A row in a table, and one in the log."""
    path = tmp_path / "database"
    with closing(create_database(path)) as store:
        store.write({FIRST: FIRST}, sync=True)
    put(path, SECOND)
    return path


def log_of(path: Path) -> Path:
    (log,) = path.glob("*.log")
    return log


def manifest_of(path: Path) -> Path:
    (manifest,) = path.glob("MANIFEST-*")
    return manifest


def held(path: Path) -> set[bytes]:
    with closing(open_database(path)) as store:
        return {key for key in (FIRST, SECOND, THIRD) if store.get(key) is not None}


def test_a_whole_database_is_opened(database: Path) -> None:
    check_files(database)
    assert held(database) == {FIRST, SECOND}


def test_a_torn_newest_log_is_a_power_cut(database: Path) -> None:
    log = log_of(database)
    log.write_bytes(log.read_bytes()[:-3])
    assert held(database) == {FIRST}


def test_a_lost_log_is_noticed(database: Path) -> None:
    log_of(database).unlink()
    with pytest.raises(DamagedError, match="lacks its log"):
        open_database(database)


def test_a_manifest_without_its_end_is_noticed_when_the_log_before_is_gone(database: Path) -> None:
    manifest = manifest_of(database)
    data = manifest.read_bytes()
    noticed = 0
    for size in range(len(data) - 1, 0, -1):
        manifest.write_bytes(data[:size])
        try:
            with closing(open_database(database)) as store:
                assert store.get(FIRST) is not None
                assert store.get(SECOND) is not None
        except DamagedError:
            noticed += 1
            continue
        pytest.fail(f"a manifest of {size} of {len(data)} bytes is opened")
    assert noticed == len(data) - 1


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_an_older_log_without_its_end_is_noticed(database: Path, cut: int) -> None:
    """As when a table was being written from it, and a later log went on."""
    log = log_of(database)
    other = database.with_name("other")
    with closing(create_database(other)) as store:
        store.write({THIRD: THIRD}, sync=True)
    later = log.with_name(f"{int(log.stem) + 7:06}.log")
    shutil.copy(log_of(other), later)
    check_files(database)
    log.write_bytes(log.read_bytes()[:-cut])
    with pytest.raises(DamagedError, match="ends within a record"):
        open_database(database)


def test_every_byte_of_an_older_log_flipped_loses_nothing_silently(database: Path) -> None:
    log = log_of(database)
    whole = log.read_bytes()
    later = log.with_name(f"{int(log.stem) + 7:06}.log")
    shutil.copy(log, later)
    for position in range(len(whole)):
        copy = database.with_name(f"copy-{position}")
        shutil.copytree(database, copy)
        flipped = bytearray(whole)
        flipped[position] ^= 0xFF
        (copy / log.name).write_bytes(flipped)
        with pytest.raises(DamagedError):
            open_database(copy)
        shutil.rmtree(copy)


def test_leveldb_alone_would_open_it_with_a_hole(database: Path) -> None:
    log = log_of(database)
    with closing(create_database(database.with_name("other"))) as store:
        store.write({THIRD: THIRD}, sync=True)
        store.write({b"fourth": THIRD}, sync=True)
    shutil.copy(log_of(database.with_name("other")), log.with_name(f"{int(log.stem) + 7:06}.log"))
    log.write_bytes(log.read_bytes()[:-3])
    with patch.object(leveldb, "check_files"):
        assert held(database) == {FIRST, THIRD}


def test_a_log_that_is_in_a_table_already_may_be_torn(database: Path) -> None:
    """The power was cut before it could be removed."""
    log = log_of(database)
    log.with_name(f"{int(log.stem) - 2:06}.log").write_bytes(log.read_bytes()[:-3])
    assert held(database) == {FIRST, SECOND}


def test_records_that_span_blocks_are_whole(database: Path) -> None:
    with closing(open_database(database)) as store:
        for size in (32_700, 32_761, 32_754, 100_000):
            store.write({b"large-%d" % size: b"x" * size}, sync=True)
    log = log_of(database)
    later = log.with_name(f"{int(log.stem) + 7:06}.log")
    shutil.copy(log, later)
    check_files(database)
    log.write_bytes(log.read_bytes()[:-40_000])
    with pytest.raises(DamagedError):
        check_files(database)


BLOCK_BYTES = 32_768  # of LevelDB's log format


def filled(path: Path, blocks: int) -> bytes:
    """A new database whose log is so many records, each of which fills a block of it: the log."""
    with closing(create_database(path)) as store:
        for number in range(blocks):
            store.write({b"row %04d" % number: b"x" * 32_732}, sync=True)
    data = log_of(path).read_bytes()
    assert len(data) == blocks * BLOCK_BYTES
    return data


def rows(path: Path) -> list[bytes]:
    with closing(open_database(path)) as store:
        return [key for key, _ in store.range(b"", b"\xff")]


@pytest.mark.parametrize("zeroed", [7, 4_096, BLOCK_BYTES])
def test_zeros_where_a_record_of_the_newest_log_began_are_noticed(tmp_path: Path, zeroed: int) -> None:
    """LevelDB takes them for room that was never written, and goes on with the next block."""
    path = tmp_path / "database"
    data = filled(path, 4)
    log_of(path).write_bytes(data[:BLOCK_BYTES] + bytes(zeroed) + data[BLOCK_BYTES + zeroed :])
    with patch.object(leveldb, "check_files"):
        copy = shutil.copytree(path, tmp_path / "copy")
        assert rows(copy) == [b"row 0000", b"row 0002", b"row 0003"], "without a word"
    with pytest.raises(DamagedError, match="is lost"):
        open_database(path)


def test_zeros_at_the_end_of_the_newest_log_are_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "database"
    data = filled(path, 4)
    log_of(path).write_bytes(data[: 2 * BLOCK_BYTES] + bytes(2 * BLOCK_BYTES))
    assert rows(path) == [b"row 0000", b"row 0001"]


def test_zeros_at_the_end_of_an_older_log_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "database"
    data = filled(path, 4)
    log = log_of(path)
    log.write_bytes(data[:BLOCK_BYTES] + bytes(BLOCK_BYTES))
    log.with_name(f"{int(log.stem) + 7:06}.log").write_bytes(data[2 * BLOCK_BYTES :])
    with pytest.raises(DamagedError, match="ends within a record"):
        open_database(path)


def test_a_second_cut_while_the_database_is_opened_after_the_first_is_no_damage(database: Path) -> None:
    """The first one tore the log; the second came when LevelDB had begun another, and written nothing to it yet."""
    log = log_of(database)
    log.write_bytes(log.read_bytes()[:-3])
    log.with_name(f"{int(log.stem) + 7:06}.log").write_bytes(b"")
    assert held(database) == {FIRST}
