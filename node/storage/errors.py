"""What can go wrong with the database and the guard, told apart by what must happen next.

* `DamagedError`: something on disk is not what was written. Reads of other data go on; a damaged committed block is
  fetched again from peers and put back, damaged vote state makes the node an observer; for anything else the database
  is made anew (`node.storage.rebuild`). Nothing is ever repaired from what is damaged.
* `StorageFailedError`: a write or a sync failed, or the system could not read. What is on disk is unknown until the
  next start: the process stops voting and ends (consensus research section 6, rule 5). Of those, a
  `DatabaseDamagedError` says that damage was the reason.
* `StoreMismatchError`, `StoreMissingError`, `StoreExistsError`, `StoreLockedError`: the operator pointed the node at
  the wrong place, or started it twice. Nothing was touched.
"""

from __future__ import annotations

DAMAGE_REMEDY = (
    "if the disk is sound, move that directory aside and start: the chain is fetched again from peers, and the "
    "validator votes again once it is past its guard and was started anew"
)
"""What an operator does about a database that is damaged where nobody but a person can decide."""


class StorageError(Exception):
    """Root of what storage raises. The message is for the operator and names the file or row."""


class DamagedError(StorageError):
    """A row, tile, block or database file is not what was written."""


class StorageFailedError(StorageError):
    """A write did not reach the disk, or may not have; or a read did. The store refuses everything from here on."""


class DatabaseDamagedError(StorageFailedError):
    """A write failed because the database met damage in its own files while it merged them."""


DAMAGE = (DamagedError, DatabaseDamagedError)
"""What says that the database is damaged, met by a read or by a write: it is made anew."""


class StoreMismatchError(StorageError):
    """The database is another chain's, or was written by a version of the software that writes otherwise."""


class StoreMissingError(StorageError):
    """There is no database where one must be, or it is empty and must not be."""


class StoreExistsError(StorageError):
    """There is already something where a new database or guard was to be made."""


class StoreLockedError(StorageError):
    """Another process has the database open."""


class TrailTooLongError(Exception):
    """There are more changes of the validator set between two heights than a file may have. Nothing is wrong."""
