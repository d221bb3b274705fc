"""A bounded memory of rows, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, final


@final
class Unknown:
    """The type of `UNKNOWN`."""


UNKNOWN: Final = Unknown()
"""What `RowCache.get` gives for a key that is not remembered; None is a row that is known to be absent."""

_ENTRY_BYTES = 250  # what Python adds to a key and a row: two objects and a place in the map, rounded up


class RowCache:
    """Rows by key, at most about `bytes_max` bytes of them. Rows that are known to be absent are remembered too."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._rows: OrderedDict[bytes, bytes | None] = OrderedDict()

    def get(self, key: bytes) -> bytes | Unknown | None:
        """The row of `key`, None when it is known to be absent, or `UNKNOWN`."""
        row = self._rows.get(key, UNKNOWN)
        if row is not UNKNOWN:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: bytes | None) -> None:
        """Remember the row of `key` and, when there are too many, forget those not used for longest."""
        old = self._rows.pop(key, UNKNOWN)
        if not isinstance(old, Unknown):
            self._bytes -= _size(key, old)
        self._rows[key] = row
        self._bytes += _size(key, row)
        while self._bytes > self._bytes_max:
            self._bytes -= _size(*self._rows.popitem(last=False))

    def forget(self, key: bytes) -> None:
        """Forget the row of `key`."""
        old = self._rows.pop(key, UNKNOWN)
        if not isinstance(old, Unknown):
            self._bytes -= _size(key, old)


NO_ROW: Final = (-1, b"")
"""A version below any, and no row: what to take from `NewestRows` where there is nothing."""


class NewestRows(dict[bytes, tuple[int, bytes]]):
    """(version, row) by path: the newest row of each path, at most about `bytes_max` bytes of all.

    Those are forgotten first that were remembered longest ago, many at a time. Where what is read is nearly always
    written next, they are those not used for longest, too, and to `get` one costs no more than from any `dict`.
    """

    __slots__ = ("_bytes", "_bytes_max")

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self._bytes_max = bytes_max
        self._bytes = 0

    def remember(self, version: int, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember these (path, row), which are of this version, for those of the same paths before them."""
        added = 0
        for path, row in rows:
            if path in self:
                added -= len(path) + len(self.pop(path)[1]) + _ENTRY_BYTES  # so that it moves to the end
            self[path] = version, row
            added += len(path) + len(row) + _ENTRY_BYTES
        self._bytes += added
        if self._bytes > self._bytes_max:
            self._forget_oldest()

    def forget(self, paths: Iterable[bytes]) -> None:
        """Forget the rows of these paths."""
        gone = 0
        for path in paths:
            _, row = self.pop(path, NO_ROW)
            if row:
                gone += len(path) + len(row) + _ENTRY_BYTES
        self._bytes -= gone

    def _forget_oldest(self) -> None:
        """Make room for a sixteenth besides: to find the oldest among what is left takes a look at all that went."""
        room, oldest = self._bytes_max - self._bytes_max // 16, []
        for path, (_, row) in self.items():
            if self._bytes <= room:
                break
            oldest.append(path)
            self._bytes -= _size(path, row)
        for path in oldest:
            del self[path]


def _size(key: bytes, row: bytes | None) -> int:
    return len(key) + (0 if row is None else len(row)) + _ENTRY_BYTES
