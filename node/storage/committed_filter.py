"""Which transaction ids can be in the chain: a Bloom filter in memory, of two slots per id.

Nearly every id that a node is asked about is new, and a database that does not have it takes longest to say so: it
searches its newest rows, which no filter of its own covers. Here "it is not there" costs two reads of memory and is
exact; "it may be" is answered by the database. [safety] So every committed id must be in here: those of the chain when
the filter is made, and those of each block once it is durable. The more transactions a chain has, the more often the
database is asked needlessly: for one id in seventy at a million, one in two at ten million.
"""

from __future__ import annotations

import mmap
import struct

from ledger.limits import COMMITTED_FILTER_SLOTS
from ledger.primitives import DIGEST_BYTES, Digest, successor
from node.ports import Reader
from node.storage import keys
from node.storage.errors import DamagedError

_PAIR = struct.Struct(">II24x")  # an id is a digest: any of its bits are as good as a hash
_MASK = COMMITTED_FILTER_SLOTS - 1

assert _PAIR.size == DIGEST_BYTES
assert COMMITTED_FILTER_SLOTS & _MASK == 0, "a power of two"


class CommittedFilter:
    """The ids of all blocks of a chain, as far as two slots of each tell."""

    __slots__ = ("_complete", "_slots")

    def __init__(self, reader: Reader) -> None:
        """Read the ids of the whole chain: about 0.3 s for a million. Rows that are damaged make the filter useless,
        and nothing else: the database is asked about every id then."""
        self._slots = mmap.mmap(-1, COMMITTED_FILTER_SLOTS)  # zeros; a page takes no memory before it is written
        self._complete = True
        try:
            for _, row in reader.range(keys.OUTCOMES_PREFIX, successor(keys.OUTCOMES_PREFIX)):
                # The ids come first, then as many envelope hashes; some of those are taken for ids, which does no harm.
                self.add(row[: len(row) // (2 * DIGEST_BYTES) * DIGEST_BYTES])
        except DamagedError:
            self._complete = False

    def add(self, ids: bytes) -> None:
        """Note these ids, which stand one after the other without anything between."""
        slots = self._slots
        for first, second in _PAIR.iter_unpack(ids):
            slots[first & _MASK] = slots[second & _MASK] = 1

    def may_have(self, transaction_id: Digest) -> bool:
        """False only if no block has this id."""
        first, second = _PAIR.unpack(transaction_id)
        slots = self._slots
        return not self._complete or bool(slots[first & _MASK] and slots[second & _MASK])
