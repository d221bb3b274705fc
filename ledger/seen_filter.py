"""What has been seen, in little memory: a Bloom filter of two bits per item, both in one byte.

Nearly everything that a chain is asked whether it has it is new, and a database that does not have it takes longest to
say so: it searches all that could have it. Here "it is not there" costs one read of memory and is exact; "it may be" is
answered by the database. [safety] So whoever uses a filter adds every item to it that is, or may be, in its database.
The more items it has, the more often the database is asked needlessly: for one in two hundred at a million, one in
eleven at ten million. Both bits stand in one byte because reading memory that no cache has is all that a filter costs.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from itertools import combinations

from ledger.limits import SEEN_FILTER_BYTES

_MASK = SEEN_FILTER_BYTES - 1
_PAIRS = [1 << first | 1 << second for first, second in combinations(range(8), 2)]
_BITS = [_PAIRS[number % len(_PAIRS)] for number in range(256)]

assert SEEN_FILTER_BYTES & _MASK == 0, "a power of two"


class SeenFilter:
    """What was added, as far as two bits of each item tell; nothing at first. An item is seen as a place (any number
    that is not negative) and a number below 256; the more evenly items have both, the more a filter knows."""

    __slots__ = ("_bytes", "_knows")

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, SEEN_FILTER_BYTES)  # zeros; a page takes no memory before it is written
        self._knows = True

    def note(self, items: Iterable[tuple[int, int]]) -> None:
        """Add these items, by place and number."""
        filled, bits = self._bytes, _BITS
        for place, number in items:
            filled[place & _MASK] |= bits[number]

    def forget(self) -> None:
        """Know nothing any more: anything may be there."""
        self._knows = False

    def may_have_seen(self, place: int, number: int) -> bool:
        """False only if the item was not added."""
        bits = _BITS[number]
        return not self._knows or self._bytes[place & _MASK] & bits == bits
