"""Making a damaged database anew beside the old one, in steps that a power cut may come between. [safety]

    database          the one in use
    database.new      one that is being made; never used before it is complete
    database.damaged  the one that was set aside, until all of its blocks are in the new one

    1. database.new is made: genesis, and the rows that no peer has, in one synced batch (`node.storage.archive`)
    2. database is renamed to database.damaged, and database.new to database
    3. the node starts, and takes its blocks from database.damaged and from peers
    4. when it has as many, database.damaged is removed

After a power cut in step 1, `database` is still there, and `database.new` is thrown away; between the two renames,
`database` is not there, so `database.new` is complete. As long as there is a `database.damaged`, no other is set aside:
a disk that damages two databases in a row is for a person to look at. Nor is any when the disk has no room for both.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path
from threading import Thread

from ledger.genesis import Genesis
from ledger.limits import DISK_FREE_BYTES_MIN
from node.storage import keys
from node.storage.archive import Archive, rows_to_take_over
from node.storage.durable import free_disk_bytes, sync_directory
from node.storage.errors import DAMAGE_REMEDY, DamagedError, StorageError, StoreMissingError
from node.storage.leveldb import LevelDBStore, create_database, open_database
from node.storage.opening import check_identity, create_chain

_REMOVAL = "removal of a damaged database"
_GROWTH = 2
"""How much larger than a database the new one may become until its tables are merged: those of earlier releases are
compressed, and what is written quickly is merged later."""


class CannotRebuildError(DamagedError):
    """The database is damaged, and is not made anew by itself. The message says why, and what to do."""


def set_aside_path(database: Path) -> Path:
    """Where a damaged database is kept until the new one has its blocks."""
    return database.with_name(f"{database.name}.damaged")


def set_aside(database: Path, genesis: Genesis, reason: str) -> None:
    """Make `database`, which nobody has open, anew; `reason` is what is damaged.

    Raises `CannotRebuildError`: then nothing has changed.
    """
    if set_aside_path(database).exists():
        raise CannotRebuildError(
            f"{database} is damaged ({reason}), while it is still being made anew from {set_aside_path(database)}: "
            f"look at the disk; {DAMAGE_REMEDY}"
        )
    try:
        with closing(open_database(database)) as store:
            check_identity(store, genesis.chain, formats=keys.FORMATS_UPGRADED)
            taken_over = rows_to_take_over(store)
    except StorageError as error:
        raise CannotRebuildError(
            f"{database} is damaged ({reason}), and so is what nobody else has, as the votes of this node are "
            f"({error}): {DAMAGE_REMEDY}"
        ) from error
    needed = _GROWTH * sum(path.stat().st_size for path in database.iterdir()) + DISK_FREE_BYTES_MIN
    if (free := free_disk_bytes(database.parent)) < needed:
        raise CannotRebuildError(
            f"{database} is damaged ({reason}), and the disk has no room for another beside it until that one has its "
            f"blocks: {free} bytes are free, and it takes about {needed}; make room and start"
        )
    draft = _draft_path(database)
    shutil.rmtree(draft, ignore_errors=True)
    with closing(create_database(draft)) as store:
        create_chain(store, genesis, taken_over=taken_over)
    sync_directory(database.parent)
    database.rename(set_aside_path(database))
    draft.rename(database)
    sync_directory(database.parent)


def resume(database: Path) -> None:
    """End what a power cut in `set_aside` left, before anything else looks at `database`."""
    draft = _draft_path(database)
    if is_between_names(database):
        draft.rename(database)
    elif draft.exists():
        shutil.rmtree(draft)
    else:
        return
    sync_directory(database.parent)


def is_between_names(database: Path) -> bool:
    """Whether the new database is complete, and only has not got its name yet."""
    return not database.exists() and _draft_path(database).exists()


class SetAside:
    """The database beside `database` that was set aside, if there is one: open, until it is closed or removed."""

    def __init__(self, database: Path) -> None:
        self._path = set_aside_path(database)
        self._store: LevelDBStore | None = None
        self.archive: Archive | None = None
        """Its blocks; None when there is no such database, or nothing can be read of it."""
        self.unreadable: str | None = None
        """Why nothing can be read of it, or None."""
        if not self._path.exists():
            return
        try:
            self._store = open_database(self._path)
            self.archive = Archive(self._store)
        except (DamagedError, StoreMissingError) as error:
            self.unreadable = f"{error}; it is removed"
            self.remove()  # peers have all of it
        except StorageError as error:
            self.unreadable = f"{error}; the next start tries again"  # another process has it open, for one
            self.close()

    def close(self) -> None:
        """Close it."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self.archive = None

    def remove(self) -> None:
        """Close it, and have it removed, which may take a while."""
        self.close()
        Thread(
            name=_REMOVAL, target=shutil.rmtree, args=(self._path,), kwargs={"ignore_errors": True}, daemon=True
        ).start()


def removing() -> list[Thread]:
    """The removals that are under way."""
    return [thread for thread in threading.enumerate() if thread.name == _REMOVAL]


def _draft_path(database: Path) -> Path:
    return database.with_name(f"{database.name}.new")
