"""Which transaction ids have been seen: a Bloom filter in memory, of two slots per id.

Nearly every id that a chain is asked about is new, and a database that does not have it takes longest to say so: it
searches all that could have it. Here "it is not there" costs two reads of memory and is exact; "it may be" is answered
by the database. [safety] So whoever uses a filter adds every id to it that is, or may be, in its database. The more ids
it has, the more often the database is asked needlessly: for one id in seventy at a million, one in two at ten million.
"""

from __future__ import annotations

import mmap
import struct

from ledger.limits import COMMITTED_FILTER_SLOTS
from ledger.primitives import DIGEST_BYTES, Digest

_PAIR = struct.Struct(">II24x")  # an id is a digest: any of its bits are as good as a hash
_MASK = COMMITTED_FILTER_SLOTS - 1

assert _PAIR.size == DIGEST_BYTES
assert COMMITTED_FILTER_SLOTS & _MASK == 0, "a power of two"


class IdFilter:
    """The ids that were added, as far as two slots of each tell; none at first."""

    __slots__ = ("_knows", "_slots")

    def __init__(self) -> None:
        self._slots = mmap.mmap(-1, COMMITTED_FILTER_SLOTS)  # zeros; a page takes no memory before it is written
        self._knows = True

    def add(self, ids: bytes) -> None:
        """Note these ids, which stand one after the other without anything between."""
        slots = self._slots
        for first, second in _PAIR.iter_unpack(ids):
            slots[first & _MASK] = slots[second & _MASK] = 1

    def forget(self) -> None:
        """Know nothing any more: any id may be there."""
        self._knows = False

    def may_have(self, transaction_id: Digest) -> bool:
        """False only if this id was not added."""
        first, second = _PAIR.unpack(transaction_id)
        slots = self._slots
        return not self._knows or bool(slots[first & _MASK] and slots[second & _MASK])
