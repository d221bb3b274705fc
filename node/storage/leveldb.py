"""The database on disk: LevelDB behind the `Store` port, and the only file that knows so.

What LevelDB gives: a batch is atomic, a synced one survives a power cut, all writes go through one log in order. What
it does not give, and is added here (consensus research section 6, where each was measured):

* by default it opens with a damaged log and silently drops what follows the damage: `paranoid_checks` is always on;
* a damaged table block is returned as data: every read verifies the block's checksum, and every row its own;
* it creates what it does not find: only `create_database` may create, and opening demands that a database is there;
* it does not see when batches are missing from the middle: `node.storage.database_files` looks before it opens;
* it goes on after a failed sync, when nobody knows what is on the disk: here the first failed write is the last one,
  and reads are refused too, so that nothing is told that may not be durable (a read that the system refuses ends the
  store as well: it says nothing about the data, so it must not be taken for damage; a table without its end is damage);
* when its log is full it starts another without syncing the old one: a sync that follows writes without sync first
  syncs all logs, so that "this batch and all earlier ones" holds (amendment A4).

`repair_db` is never called: it turns a flipped value into a valid one and loses what it cannot read.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Protocol

try:
    import plyvel
except ImportError:  # where only the fork has a wheel (see pyproject.toml); same files, same interface
    import plyvel_next as plyvel

from ledger.limits import KIB, MIB
from node.storage.database_files import check_files
from node.storage.durable import sync_file
from node.storage.errors import (
    DAMAGE_REMEDY,
    DamagedError,
    DatabaseDamagedError,
    StorageFailedError,
    StoreExistsError,
    StoreLockedError,
    StoreMissingError,
)
from node.storage.rows import seal_all, unseal

# Of rows in memory and log before a table is written; twice that while it is. At 16 MiB, the merging of tables takes
# twice the CPU time per row (measured over 700,000 transactions). All validators write the same rows: with one size for
# all, all would write their tables at the same moment, and no quorum would be left that does not. So each process
# takes a size of its own.
_WRITE_BUFFER_BYTES_MIN, _WRITE_BUFFER_BYTES_MAX = 32 * MIB, 64 * MIB
_BLOCK_CACHE_BYTES = 32 * MIB
_OPEN_FILES_MAX = 256
# Of a table. With the library's 2 MiB a database of 3 GB has 1,100, which take turns in being open: a read then takes
# three times as long, and the merging of tables a third more CPU time (measured with a state of two million keys).
_TABLE_BYTES_MAX = 8 * MIB
# Tables hold rows as they are: what shrinks is compressed before (`node.storage.bodies`). The library's snappy expands
# and compresses a row again whenever tables are merged: 2 us for a transaction, and 15 for a record with a key, most of
# whose rows are hashes, to save 6 and 23 % of the disk. Tables of earlier releases are read all the same, and lose
# their compression as they are merged.
_COMPRESSION = None
_BLOOM_BITS = 10  # per key: one read in a hundred for a key that is not there touches the disk


class _Batch(Protocol):
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...


class _Cursor(Protocol):
    """Each move raises when LevelDB met damage; `plyvel.DB.iterator` does not always (it skips a damaged last block),
    and in reverse it loses the only pair of a range (1.5.1)."""

    def seek(self, key: bytes) -> None: ...
    def seek_to_last(self) -> None: ...
    def next(self) -> None: ...
    def prev(self) -> None: ...
    def valid(self) -> bool: ...
    def item(self) -> tuple[bytes, bytes]: ...
    def close(self) -> None: ...


class _Database(Protocol):
    """As much of `plyvel.DB` as is used here; the library has no types."""

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None: ...
    def raw_iterator(self, *, verify_checksums: bool) -> _Cursor: ...
    def write_batch(self, *, transaction: bool, sync: bool) -> AbstractContextManager[_Batch]: ...
    def close(self) -> None: ...


def create_database(directory: Path) -> LevelDBStore:
    """A new, empty database. Raises `StoreExistsError` when `directory` is there and not empty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise StoreExistsError(f"{directory} is not empty: a new database needs a directory of its own")
    return LevelDBStore(directory, _open(directory, create=True))


def open_database(directory: Path) -> LevelDBStore:
    """The database in `directory`.

    Raises `StoreMissingError` when there is none, `StoreLockedError` when another process has it open, `DamagedError`
    when its files are not what was written, and `StorageFailedError` when they cannot be read or written.
    """
    if not (directory / "CURRENT").is_file():
        raise StoreMissingError(f"there is no database in {directory}")
    try:
        check_files(directory)
    except OSError as error:
        raise StorageFailedError(f"cannot read the database in {directory}: {error}") from error
    return LevelDBStore(directory, _open(directory, create=False))


class LevelDBStore:
    """A `node.ports.Store` on disk. Made by `create_database` and `open_database`."""

    def __init__(self, directory: Path, database: _Database) -> None:
        self._directory = directory
        self._database = database
        self._failure: str | None = None
        self._has_unsynced_writes = False

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None. Raises `DamagedError`, or `StorageFailedError` after a failed write."""
        self._refuse_after_failure()
        try:
            row = self._database.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise self._unreadable(error) from error
        return None if row is None else unseal(key, row)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop as they are now, in order or in reverse. Raises like `get`."""
        self._refuse_after_failure()
        try:
            with closing(self._database.raw_iterator(verify_checksums=True)) as cursor:
                if not reverse:
                    cursor.seek(start)
                    move = cursor.next
                else:
                    _seek_below(cursor, stop)
                    move = cursor.prev
                while cursor.valid():
                    key, row = cursor.item()
                    if not start <= key < stop:
                        return
                    yield key, unseal(key, row)
                    move()
        except plyvel.Error as error:
            raise self._unreadable(error) from error

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """Apply all or nothing; with `sync`, this and all earlier batches are on the disk on return.

        Raises `StorageFailedError`: the store is closed to everything from then on.
        """
        self._refuse_after_failure()
        assert deletes.isdisjoint(puts), "a batch either writes a key or deletes it"
        try:
            if sync and self._has_unsynced_writes:
                self._sync_logs()
            with self._database.write_batch(transaction=True, sync=sync) as batch:
                put = batch.put
                for key, row in seal_all(puts):
                    put(key, row)
                for key in deletes:
                    batch.delete(key)
        except Exception as error:
            self._failure = f"a write to {self._directory} failed: {_sentence(error)}"
            raise (DatabaseDamagedError if _is_damage(error) else StorageFailedError)(self._failure) from error
        self._has_unsynced_writes = not sync

    def close(self) -> None:
        """Close the database and give up its lock. Everything is refused afterwards."""
        self._database.close()
        self._failure = self._failure or f"the database in {self._directory} is closed"

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise StorageFailedError(self._failure)

    def _unreadable(self, error: Exception) -> DamagedError | StorageFailedError:
        """What to raise for a failed read: damage is what the files say; a system that cannot read is no such thing."""
        if _is_damage(error):
            return DamagedError(f"the database in {self._directory} is damaged: {_sentence(error)}")
        self._failure = (
            f"a read of {self._directory} failed: {_sentence(error)}; if its files are damaged: {DAMAGE_REMEDY}"
        )
        return StorageFailedError(self._failure)

    def _sync_logs(self) -> None:
        """Sync every log file. One that vanishes meanwhile has become a table, which LevelDB syncs first."""
        for log in self._directory.glob("*.log"):
            try:
                descriptor = os.open(log, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                sync_file(descriptor)
            finally:
                os.close(descriptor)


def _seek_below(cursor: _Cursor, key: bytes) -> None:
    """Move to the last pair whose key is below `key`."""
    cursor.seek(key)
    if cursor.valid():
        cursor.prev()
    else:
        cursor.seek_to_last()


def _open(directory: Path, *, create: bool) -> _Database:
    try:
        database: _Database = plyvel.DB(
            os.fspath(directory),
            create_if_missing=create,
            error_if_exists=create,
            paranoid_checks=True,
            write_buffer_size=random.randint(_WRITE_BUFFER_BYTES_MIN, _WRITE_BUFFER_BYTES_MAX),  # noqa: S311 - no secret
            lru_cache_size=_BLOCK_CACHE_BYTES,
            max_open_files=_OPEN_FILES_MAX,
            max_file_size=_TABLE_BYTES_MAX,
            compression=_COMPRESSION,
            block_size=4 * KIB,
            bloom_filter_bits=_BLOOM_BITS,
        )
    except plyvel.CorruptionError as error:
        raise DamagedError(f"the database in {directory} is damaged: {_sentence(error)}") from error
    except (plyvel.Error, OSError) as error:
        sentence = _sentence(error)
        if "LOCK" in sentence:
            raise StoreLockedError(
                f"another process has the database in {directory} open; is this node already running?"
            ) from error
        raise StorageFailedError(
            f"cannot open the database in {directory}: {sentence}; if its files are damaged: {DAMAGE_REMEDY}"
        ) from error
    return database


def _is_damage(error: Exception) -> bool:
    """Whether LevelDB met damage. It says so, but for a table whose end is gone: of that it reads beyond the end of the
    memory that the file is mapped to, which it refuses itself, in the system's words (util/env_posix.cc)."""
    return isinstance(error, plyvel.CorruptionError) or _sentence(error).endswith(f".ldb: {os.strerror(errno.EINVAL)}")


def _sentence(error: Exception) -> str:
    """What the library said; its messages are bytes."""
    words = error.args[0] if error.args else error
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words) or type(error).__name__
