"""State at the tip and at any earlier height, from one current row per key and the rows that it replaced.

A key that was ever written has a current row (`keys.state`), also after it was deleted: the height that wrote it, and
the value or none. What is replaced moves to `keys.replaced_state`, where the newest not above a height is one seek
away. So a read at the tip is one get, and none for a key that never was where keys are known (`state_keys`); a key that
is written once costs one row; and a range at any height is a walk over the current rows, with a seek for those that are
too new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.limits import STATE_CACHE_BYTES_MAX
from ledger.row_cache import RowCache, Unknown
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.state_keys import StateKeys

_PRESENT = b"\x01"
_ABSENT = b"\x00"
_SINCE_BYTES = 8


class CurrentState:
    """A `ledger.state.StateView` of the tip. Remembers the rows that are used most."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._cache = RowCache(STATE_CACHE_BYTES_MAX)
        self._known: StateKeys | None = None

    def read_keys(self) -> None:
        """Read which keys there are, so that the database is not asked for others from here on (see `StateKeys`)."""
        self._known = StateKeys(self._reader)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key` after the newest block, or None. Raises `DamagedError`."""
        row = self._row(key)
        return None if row is None else _value(row[_SINCE_BYTES:])

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in ascending order. Raises `DamagedError`."""
        for key, row in self._reader.range(keys.state(start), keys.state(stop)):
            if (value := _value(row[_SINCE_BYTES:])) is not None:
                yield key[len(keys.STATE_PREFIX) :], value

    def keys(self, start: bytes, stop: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bool]]:
        """The keys that were ever written, start <= key < stop, and whether each has a value.

        In order or in reverse. Raises `DamagedError`.
        """
        for key, row in self._reader.range(keys.state(start), keys.state(stop), reverse=reverse):
            yield key[len(keys.STATE_PREFIX) :], _value(row[_SINCE_BYTES:]) is not None

    def write(self, batch: Batch, height: int, writes: Mapping[bytes, bytes | None]) -> None:
        """Add to `batch` what makes `writes` (None deletes) the work of `height`; nothing is remembered yet."""
        since = keys.pack_height(height)
        for key, value in writes.items():
            old = self._row(key)
            if old is not None:
                batch.puts[keys.replaced_state(key, keys.unpack_height(old))] = old[_SINCE_BYTES:]
            batch.puts[keys.state(key)] = since + (_ABSENT if value is None else _PRESENT + value)
        if self._known is not None:
            self._known.add(writes)  # now, so that nothing can come between a row and this

    def written(self, batch: Batch, writes: Mapping[bytes, bytes | None]) -> None:
        """Remember what `batch`, which is durable now, made of the keys of `writes`."""
        for key in writes:
            self._cache.put(key, batch.puts[keys.state(key)])

    def _row(self, key: bytes) -> bytes | None:
        row = self._cache.get(key)
        if isinstance(row, Unknown):
            if self._known is not None and not self._known.may_have(key):
                return None
            row = self._reader.get(keys.state(key))
            self._cache.put(key, row)
        return row


class StateAt:
    """A `ledger.state.StateView` after the block of `height`, which may be any up to the tip."""

    def __init__(self, reader: Reader, height: int) -> None:
        self._reader = reader
        self._height = height

    def get(self, key: bytes) -> bytes | None:
        """The value of `key` after that height, or None. Raises `DamagedError`."""
        row = self._reader.get(keys.state(key))
        return None if row is None else self._value_at(key, row)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop after that height, in ascending order. Raises `DamagedError`."""
        for row_key, row in self._reader.range(keys.state(start), keys.state(stop)):
            key = row_key[len(keys.STATE_PREFIX) :]
            if (value := self._value_at(key, row)) is not None:
                yield key, value

    def keys(self, start: bytes, stop: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bool]]:
        """The keys that were ever written, also later, start <= key < stop, and whether each had a value.

        In order or in reverse. Raises `DamagedError`.
        """
        for row_key, row in self._reader.range(keys.state(start), keys.state(stop), reverse=reverse):
            key = row_key[len(keys.STATE_PREFIX) :]
            yield key, self._value_at(key, row) is not None

    def _value_at(self, key: bytes, row: bytes) -> bytes | None:
        """What `key`, whose current row is `row`, held after this height."""
        if keys.unpack_height(row) <= self._height:
            return _value(row[_SINCE_BYTES:])
        newest = keys.replaced_state(key, self._height)
        oldest = keys.replaced_state(key, 0)
        for _, replaced in self._reader.range(newest, oldest + b"\0"):
            return _value(replaced)
        return None


def row_versions(
    reader: Reader, key: bytes, from_height: int, to_height: int, *, reverse: bool
) -> Iterator[tuple[int, bytes | None]]:
    """The heights from from_height to to_height that wrote `key`, and what each wrote: None where it deleted it.

    Ascending, or newest first with `reverse`. Raises `DamagedError`.
    """
    current = reader.get(keys.state(key))
    if current is None:
        return  # what was never written
    since = keys.unpack_height(current)
    newest = [(since, _value(current[_SINCE_BYTES:]))] if from_height <= since <= to_height else []
    start, stop = keys.replaced_state(key, to_height), keys.replaced_state(key, from_height) + b"\0"
    replaced = (
        (keys.HEIGHT_MAX - keys.unpack_height(row_key, len(row_key) - _SINCE_BYTES), _value(row))
        for row_key, row in reader.range(start, stop, reverse=not reverse)
    )
    if reverse:
        yield from newest
    yield from replaced
    if not reverse:
        yield from newest


def _value(row: bytes) -> bytes | None:
    """The value of a row without its height."""
    flag = row[: len(_PRESENT)]
    if flag == _PRESENT:
        return row[len(_PRESENT) :]
    if row != _ABSENT:
        raise DamagedError("a state row is neither a value nor a deletion")
    return None
