"""Torn writes in real files: each batch and each slot, cut at every 64 bytes, and read again by production code.

Beside the simulated disk of a machine stands a real LevelDB that is given the same batches. What a batch added to its
log is then cut off at each 64 bytes, and the database opened again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ledger.primitives import PublicKey
from node.ports import GuardRecord
from node.storage.guard import FileGuard
from node.storage.leveldb import LevelDBStore, create_database, open_database
from node.storage.rows import unseal
from tests.crash_points.operations import CUT_BYTES, When
from tests.simulation.violation import demand

_NAME = "torn files"
_NO_KEY = PublicKey(bytes(32))


class RealFiles:
    """The database of one machine as real files in `directory`, and room for what is left of them."""

    def __init__(self, directory: Path, rows: Mapping[bytes, bytes]) -> None:
        self._directory = directory
        self._database = directory / "database"
        directory.mkdir()
        self._store = create_database(self._database)
        self._store.write({key: unseal(key, row) for key, row in rows.items()}, sync=True)

    def close(self) -> None:
        """Remove everything."""
        self._store.close()
        shutil.rmtree(self._directory)

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes]) -> Iterator[tuple[int, When]]:
        """Give LevelDB a batch. Yields, for every 64 bytes of what it added to the log, what a database that was torn
        there has when it is opened again: the rows from before the batch, or from after it."""
        log = next(self._database.glob("*.log"))
        start, before = log.stat().st_size, _rows(self._store)
        self._store.write(puts, deletes, sync=True)
        assert next(self._database.glob("*.log")) == log, "the log is large enough for all of a run"
        added, after = log.stat().st_size - start, _rows(self._store)
        for size in range(CUT_BYTES, added, CUT_BYTES):
            yield size, self._reopened(log, start + size, before, after)
        whole = self._reopened(log, start + added, before, after)
        demand(whole is When.AFTER, _NAME, "a batch that is there as a whole is lost")

    def _reopened(self, log: Path, size: int, before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> When:
        """When the rows are from that a database has whose log ends after `size` bytes."""
        torn = self._directory / "torn"
        shutil.copytree(self._database, torn, ignore=shutil.ignore_patterns("LOCK", "LOG*"))
        with (torn / log.name).open("r+b") as file:
            file.truncate(size)
        store = open_database(torn)
        rows = _rows(store)
        store.close()
        shutil.rmtree(torn)
        demand(rows in (before, after), _NAME, f"a log cut off at {size} bytes gives rows that were never together")
        return When.AFTER if rows == after else When.BEFORE


def read_slots(path: Path, slots: bytes) -> GuardRecord | None:
    """What production code reads from a guard file with these slots; `path` is for its use."""
    path.write_bytes(slots)
    guard = FileGuard(path, _NO_KEY)
    record = guard.read()
    guard.close()
    return record


def _rows(store: LevelDBStore) -> dict[bytes, bytes]:
    return dict(store.range(b"", b"\xff" * 64))
