"""Looking for damage before anybody needs what is damaged: the whole database, a little at a time, again and again.

One pass checks every block as `verify-store` does, then reads every row, whatever it is of. What is found is noted in
`ChainStore.damaged`. A look is short (`SCRUBBED_ROWS_PER_LOOK_MAX`, or one block), because it is done between two steps
of a validator. What LevelDB still has in memory is read from there: damage to it is found once it has been forgotten,
or at the next start.
"""

from __future__ import annotations

from itertools import islice

from ledger.limits import SCRUBBED_ROWS_PER_LOOK_MAX
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks
from node.storage.errors import DamagedError


class Scrubber:
    """Where a pass over one chain stands."""

    __slots__ = ("_chain", "_height", "_key", "passes")

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain
        self._height = 0
        self._key: bytes | None = None
        self.passes = 0
        """How many passes were ended."""

    def look(self) -> None:
        """Check the next block, or read the next rows. Raises `StorageFailedError`."""
        if self._key is None:
            self._look_at_block()
        elif not self._chain.damaged.blocks:  # or else the rows of those would be found a second time
            self._look_at_rows(self._key)

    def _look_at_block(self) -> None:
        chain, height = self._chain, self._height
        if height > chain.tip.header.height:
            self._key = b""
            return
        self._height += 1
        found = next(check_blocks(chain, from_height=height)).damage
        if found:
            chain.damaged.note_block(height, found[0])

    def _look_at_rows(self, start: bytes) -> None:
        try:
            rows = islice(self._chain.store.range(start, b"\xff"), SCRUBBED_ROWS_PER_LOOK_MAX)
            key = max((key for key, _ in rows), default=start)
        except DamagedError as error:
            self._chain.damaged.note_elsewhere(str(error))
            return
        if key == start:
            self._height, self._key = 0, None
            self.passes += 1
        else:
            self._key = key
