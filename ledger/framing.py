"""A sequence of byte strings as one byte string: what block bodies and network frames of many items are made of.

    item*      item = length (u32, big endian) | that many bytes

Nothing separates or ends the items but the end of the data, so every sequence has exactly one form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import chain

from ledger.errors import MalformedError

_LENGTH = struct.Struct(">I")

FRAMING_BYTES = _LENGTH.size
"""What `pack` adds to each item."""


def pack(items: Iterable[bytes]) -> bytes:
    """The one form of `items`, in order. Each item is shorter than 2^32 bytes."""
    items = tuple(items)
    lengths = map(_LENGTH.pack, map(len, items))
    return b"".join(chain.from_iterable(zip(lengths, items, strict=True)))


def unpack(data: bytes, *, items_max: int, item_bytes_max: int, start: int = 0) -> tuple[bytes, ...]:
    """The items of `data` from offset `start` on, in order.

    Raises `MalformedError` when there are more than `items_max`, one is longer than `item_bytes_max`, or the data
    ends within an item. Nothing is copied before its length has been checked.
    """
    items: list[bytes] = []
    end = len(data)
    length = _LENGTH.unpack_from
    while start < end:
        if len(items) == items_max:
            raise MalformedError(f"more than {items_max} items")
        item_start = start + FRAMING_BYTES
        if item_start > end:
            raise MalformedError("the data ends within a length")
        (size,) = length(data, start)
        if size > item_bytes_max:
            raise MalformedError(f"an item has {size} bytes, more than {item_bytes_max}")
        start = item_start + size
        if start > end:
            raise MalformedError("the data ends within an item")
        items.append(data[item_start:start])
    return tuple(items)


class Framed:
    """Packed items that are found as they are asked for: only the lengths before one are looked at, each once."""

    __slots__ = ("_data", "_starts")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0]  # of the items that were passed by so far, and of the one behind them

    def __getitem__(self, index: int) -> bytes:
        """Item number `index`, from 0. Raises `MalformedError` when the data ends before it does."""
        assert index >= 0
        data, starts = self._data, self._starts
        length, add = _LENGTH.unpack_from, starts.append
        start = starts[-1]
        try:
            for _ in range(len(starts), index + 2):
                start += FRAMING_BYTES + length(data, start)[0]
                add(start)
        except struct.error:
            raise MalformedError(f"the data ends before item {index}") from None
        if starts[index + 1] > len(data):
            raise MalformedError(f"the data ends within item {index}")
        return data[starts[index] + FRAMING_BYTES : starts[index + 1]]

    def ends_behind(self, index: int) -> bool:
        """Whether item number `index`, which was asked for, is the last."""
        return self._starts[index + 1] == len(self._data)
