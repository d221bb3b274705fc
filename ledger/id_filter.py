"""Which transaction ids have been seen: a Bloom filter in memory, of two bits per id, both in one byte.

Nearly every id that a chain is asked about is new, and a database that does not have it takes longest to say so: it
searches all that could have it. Here "it is not there" costs one read of memory and is exact; "it may be" is answered
by the database. [safety] So whoever uses a filter adds every id to it that is, or may be, in its database. The more ids
it has, the more often the database is asked needlessly: for one id in two hundred at a million, one in eleven at ten
million. Both bits stand in one byte because reading memory that no cache has is all that a filter costs.
"""

from __future__ import annotations

import mmap
import struct
from itertools import combinations

from ledger.limits import COMMITTED_FILTER_BYTES
from ledger.primitives import DIGEST_BYTES, Digest

_PLACE = struct.Struct(">IB27x")  # an id is a digest: any of its bits are as good as a hash
_MASK = COMMITTED_FILTER_BYTES - 1
_PAIRS = [1 << first | 1 << second for first, second in combinations(range(8), 2)]
_BITS = [_PAIRS[number % len(_PAIRS)] for number in range(256)]

assert _PLACE.size == DIGEST_BYTES
assert COMMITTED_FILTER_BYTES & _MASK == 0, "a power of two"


class IdFilter:
    """The ids that were added, as far as two bits of each tell; none at first."""

    __slots__ = ("_bytes", "_knows")

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, COMMITTED_FILTER_BYTES)  # zeros; a page takes no memory before it is written
        self._knows = True

    def add(self, ids: bytes) -> None:
        """Note these ids, which stand one after the other without anything between."""
        filled, bits = self._bytes, _BITS
        for place, number in _PLACE.iter_unpack(ids):
            filled[place & _MASK] |= bits[number]

    def forget(self) -> None:
        """Know nothing any more: any id may be there."""
        self._knows = False

    def may_have(self, transaction_id: Digest) -> bool:
        """False only if this id was not added."""
        place, number = _PLACE.unpack(transaction_id)
        bits = _BITS[number]
        return not self._knows or self._bytes[place & _MASK] & bits == bits
