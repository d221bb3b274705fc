"""A damaged database is set aside and made anew, whatever a power cut comes between: votes go with it, or nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from ledger.consensus.statements import StatementType
from ledger.limits import DISK_FREE_BYTES_MIN
from node.storage import keys, leveldb, rebuild
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks
from node.storage.errors import DamagedError
from node.storage.leveldb import LevelDBStore, create_database, open_database
from node.storage.opening import create_chain, open_chain
from node.storage.promises import OwnMessage, Promises
from node.storage.rebuild import CannotRebuildError, SetAside, resume, set_aside, set_aside_path
from tests.unit.node.storage.chains import genesis, grow

VOTE = OwnMessage(0, StatementType.TIMEOUT, b"a vote")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Five blocks in a table, and a vote at the height after them in the log."""
    path = tmp_path / "database"
    with closing(create_database(path)) as store:
        grow(create_chain(store, genesis()), [40, 60, 20, 40, 60])  # the bodies stand in several parts of the table
    with closing(open_database(path)) as store:  # what was in the log becomes a table
        open_chain(store).promise(Promises(6, (VOTE,)))
    return path


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


def damage_table(database: Path) -> None:
    """Flip a byte among the first rows of the largest table: those of bodies."""
    flip(max(database.glob("*.ldb"), key=lambda path: path.stat().st_size), 100)


def contents(path: Path) -> tuple[int, Promises, int]:
    """Height, votes, and the height before a rebuild, of the database at `path`."""
    with closing(open_database(path)) as store:
        chain = open_chain(store)
        return chain.tip.header.height, chain.promises(6), chain.height_before_rebuild()


def test_the_new_database_begins_at_genesis_with_the_votes(database: Path) -> None:
    damage_table(database)
    set_aside(database, genesis(), "a test")
    assert contents(database) == (0, Promises(6, (VOTE,)), 5)
    with closing(SetAside(database)) as aside:
        assert aside.archive is not None
        assert aside.archive.height == 5
        read = [aside.archive.block(height) for height in range(1, 6)]
    assert any(read)
    assert not all(read), "the damaged one is not there"


def test_another_is_not_set_aside_before_the_first_was_removed(database: Path) -> None:
    damage_table(database)
    set_aside(database, genesis(), "a test")
    with pytest.raises(CannotRebuildError, match="still being made anew"):
        set_aside(database, genesis(), "again")
    with closing(SetAside(database)) as aside:
        aside.remove()
        for thread in list(rebuild.removing()):
            thread.join()
    assert not set_aside_path(database).exists()
    set_aside(database, genesis(), "again")
    assert contents(database)[2] == 5, "the higher of both heights"


def test_nothing_is_touched_when_the_votes_cannot_be_read(database: Path) -> None:
    with closing(open_database(database)) as store:
        chain = open_chain(store)
        assert chain.promises(6).messages
    flip(max(database.glob("*.ldb"), key=lambda path: int(path.stem)), 20)  # where the vote is now
    before = sorted(path.name for path in database.parent.iterdir())
    with pytest.raises(CannotRebuildError, match="what nobody else has"):
        set_aside(database, genesis(), "a test")
    assert sorted(path.name for path in database.parent.iterdir()) == before


def test_nothing_is_touched_when_there_is_no_room_for_both(database: Path) -> None:
    """Else the new one fills the disk, and the old one, which could have gone on, is not used any more."""
    damage_table(database)
    before = sorted(path.name for path in database.parent.iterdir())
    size = sum(path.stat().st_size for path in database.iterdir())
    with (
        patch.object(rebuild, "free_disk_bytes", return_value=size),
        pytest.raises(CannotRebuildError, match="make room"),
    ):
        set_aside(database, genesis(), "a test")
    assert sorted(path.name for path in database.parent.iterdir()) == before
    set_aside(database, genesis(), "there is room")
    assert contents(database) == (0, Promises(6, (VOTE,)), 5)


def test_the_room_is_that_of_a_database_without_compression(tmp_path: Path) -> None:
    """The tables of earlier releases are compressed, and those of the new database are not: it is the larger one."""

    def build(path: Path, compression: str | None) -> int:
        with patch.object(leveldb, "_COMPRESSION", compression):
            with closing(create_database(path)) as store:
                grow(create_chain(store, genesis()), [70] * 4)
            with closing(open_database(path)):  # what was in the log becomes a table
                pass
        return sum(table.stat().st_size for table in path.iterdir())

    database = tmp_path / "database"
    old, new = build(database, "snappy"), build(tmp_path / "other", None)
    assert old < new
    with (
        patch.object(rebuild, "free_disk_bytes", return_value=new + DISK_FREE_BYTES_MIN - 1),
        pytest.raises(CannotRebuildError, match="make room"),
    ):
        set_aside(database, genesis(), "a test")


class PowerCut(Exception):  # noqa: N818 - it is no error
    """The power is gone."""


@pytest.mark.parametrize("step", range(4))
def test_a_power_cut_anywhere_loses_no_vote(database: Path, step: int) -> None:
    damage_table(database)
    calls = 0

    def cut() -> None:
        nonlocal calls
        if calls == step:
            raise PowerCut
        calls += 1

    rename, create = Path.rename, create_chain

    def renamed(path: Path, target: Path) -> Path:
        cut()
        return rename(path, target)

    def created(store: LevelDBStore, *args: object, **options: object) -> ChainStore:
        cut()
        return create(store, *args, **options)  # type: ignore[arg-type]  # as it was called

    with patch.object(rebuild, "create_chain", created), patch.object(Path, "rename", renamed):
        try:
            set_aside(database, genesis(), "a test")
        except PowerCut:
            assert step < 3
    resume(database)
    assert not database.with_name("database.new").exists()
    if set_aside_path(database).exists():
        assert contents(database) == (0, Promises(6, (VOTE,)), 5)
    else:
        with closing(open_database(database)) as store:
            assert store.get(keys.own_message(6, 0, StatementType.TIMEOUT)) == b"a vote"
        set_aside(database, genesis(), "a second attempt")
        assert contents(database) == (0, Promises(6, (VOTE,)), 5)


def test_an_archive_that_cannot_be_opened_any_more_is_removed(database: Path) -> None:
    set_aside(database, genesis(), "a test")
    (set_aside_path(database) / "CURRENT").write_bytes(b"nonsense")
    with closing(SetAside(database)) as aside:
        assert aside.archive is None
        assert aside.unreadable is not None
        assert "it is removed" in aside.unreadable
    for thread in list(rebuild.removing()):
        thread.join()
    assert not set_aside_path(database).exists()


def test_blocks_from_the_archive_are_those_of_the_chain(database: Path) -> None:
    with closing(open_database(database)) as store:
        chain = open_chain(store)
        expected = [(chain.record(height), chain.envelopes(height)) for height in range(1, 6)]
        assert not any(found.damage for found in check_blocks(chain))
    set_aside(database, genesis(), "a test")
    with closing(SetAside(database)) as aside:
        assert aside.archive is not None
        assert [aside.archive.block(height) for height in range(1, 6)] == expected
        assert aside.archive.block(6) is None


def test_damage_of_a_table_is_met_by_whoever_reads_it(database: Path) -> None:
    damage_table(database)
    with closing(open_database(database)) as store, pytest.raises(DamagedError):
        list(store.range(b"", b"\xff"))
