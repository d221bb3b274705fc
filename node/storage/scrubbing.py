"""Looking for damage before anybody needs what is damaged: the whole database, a little at a time, again and again.

One pass checks every block as `verify-store` does, then reads every row, whatever it is of. What is found is noted in
`ChainStore.damaged`. A look is short, because it is done between two steps of a validator, and nobody is answered
meanwhile: it takes a chunk of the transactions of a block, or SCRUBBED_ROWS_PER_LOOK_MAX rows, and at most about
SCRUBBED_BYTES_PER_LOOK_MAX. What LevelDB still has in memory is read from there: damage to it is found once it has been
forgotten, or at the next start.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice

from ledger.limits import SCRUBBED_BYTES_PER_LOOK_MAX, SCRUBBED_ROWS_PER_LOOK_MAX
from node.storage.chain_store import ChainStore
from node.storage.check import BlockCheck, check_in_parts
from node.storage.errors import DamagedError


class Scrubber:
    """Where a pass over one chain stands."""

    __slots__ = ("_chain", "_height", "_key", "_parts", "passes")

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain
        self._height = 0
        self._parts: Generator[None, None, BlockCheck] | None = None  # of the block at that height, once it was begun
        self._key: bytes | None = None
        self.passes = 0
        """How many passes were ended."""

    def look(self) -> None:
        """Check the next part of a block, or read the next rows. Raises `StorageFailedError`."""
        if self._key is None:
            self._look_at_block()
        elif not self._chain.damaged.blocks:  # or else the rows of those would be found a second time
            self._look_at_rows(self._key)

    def _look_at_block(self) -> None:
        chain = self._chain
        if self._height > chain.tip.header.height:
            self._key = b""
            return
        if self._parts is None:
            self._parts = check_in_parts(chain, self._height)
        try:
            next(self._parts)
        except StopIteration as end:
            found: BlockCheck = end.value
            if found.damage:
                chain.damaged.note_block(found.height, found.damage[0])
            self._height, self._parts = self._height + 1, None

    def _look_at_rows(self, start: bytes) -> None:
        last, size = start, 0
        try:
            for key, value in islice(self._chain.store.range(start, b"\xff"), SCRUBBED_ROWS_PER_LOOK_MAX):
                last, size = key, size + len(value)
                if size > SCRUBBED_BYTES_PER_LOOK_MAX and last != start:
                    break
        except DamagedError as error:
            self._chain.damaged.note_elsewhere(str(error))
            return
        if last == start:
            self._height, self._key = 0, None
            self.passes += 1
        else:
            self._key = last
