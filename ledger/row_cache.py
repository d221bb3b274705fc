"""A bounded memory of rows, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
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


def _size(key: bytes, row: bytes | None) -> int:
    return len(key) + (0 if row is None else len(row)) + _ENTRY_BYTES
