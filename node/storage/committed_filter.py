"""Which transaction ids can be in the chain of a database: `ledger.id_filter` of all of them. [safety] Those of the
chain are in it when it is made; those of each block are added once it is durable."""

from __future__ import annotations

from ledger.id_filter import IdFilter
from ledger.primitives import DIGEST_BYTES, successor
from node.ports import Reader
from node.storage import keys
from node.storage.errors import DamagedError


class CommittedFilter(IdFilter):
    """The ids of all blocks of a chain, as far as a filter can tell."""

    __slots__ = ()

    def __init__(self, reader: Reader) -> None:
        """Read the ids of the whole chain: about 0.3 s for a million. Rows that are damaged make the filter useless,
        and nothing else: the database is asked about every id then."""
        super().__init__()
        try:
            for _, row in reader.range(keys.OUTCOMES_PREFIX, successor(keys.OUTCOMES_PREFIX)):
                # The ids come first, then as many envelope hashes; some of those are taken for ids, which does no harm.
                self.add(row[: len(row) // (2 * DIGEST_BYTES) * DIGEST_BYTES])
        except DamagedError:
            self.forget()
