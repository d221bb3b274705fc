"""Which state keys can have a row in a database: `ledger.seen_filter` of all of them. [safety]

Most keys that a transaction writes for the first time are read before: does the entity have a record, is there such an
account? LevelDB takes such a read for a sign that its tables should be merged, whether their Bloom filters spared it
the search or not: a read that has to look into several tables counts against the first of them, and after one for each
16 KiB of that table it is merged with all that overlap it below. There is no option against it. In a chain of records
with new keys this was most of all merging (measured over 120,000 of them: four bytes merged for each that was flushed,
and less than one without those reads).

A checksum is enough of a hash: who chooses keys that collide makes the database be asked for them, as it always was.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from ledger.primitives import successor
from ledger.seen_filter import SeenFilter
from node.ports import Reader
from node.storage.errors import DamagedError
from node.storage.keys import STATE_PREFIX


class StateKeys(SeenFilter):
    """The keys of all rows of state, those that were deleted, too, as far as a filter can tell."""

    __slots__ = ()

    def __init__(self, reader: Reader) -> None:
        """Read all rows of state: about 1.4 s for a million. Rows that are damaged make the filter useless, and nothing
        else: the database is asked about every key then."""
        super().__init__()
        try:
            self.add(key[len(STATE_PREFIX) :] for key, _ in reader.range(STATE_PREFIX, successor(STATE_PREFIX)))
        except DamagedError:
            self.forget()

    def add(self, keys: Iterable[bytes]) -> None:
        """Note that these keys have a row, or are about to."""
        self.note((code, code >> 24) for code in map(crc32, keys))  # the place is the lower bits, which do not overlap

    def may_have(self, key: bytes) -> bool:
        """False only if the database has no row of `key`."""
        code = crc32(key)
        return self.may_have_seen(code, code >> 24)
