"""What this process found damaged on its disk, and has not been put right yet.

Two kinds, because two things follow. A *block* whose rows are damaged is fetched again from peers and put back in place
(`node.storage.replacing`). Damage *elsewhere* (state, indexes, tiles, files of the database) cannot be put back row by
row: the database has to be made anew. Reads note what they meet, and go on to raise: who asked is answered as ever.
"""

from __future__ import annotations

from ledger.limits import DAMAGED_BLOCKS_MAX


class Damaged:
    """The heights of damaged blocks, each with a sentence, and the first damage that was met elsewhere."""

    __slots__ = ("_blocks", "elsewhere", "hopeless", "replaced")

    def __init__(self) -> None:
        self._blocks: dict[int, str] = {}
        self.elsewhere: str | None = None
        """A sentence about damage that no block of a peer can put right, or None."""
        self.hopeless = False
        """Whether the database cannot be made anew by itself: what no peer has is damaged, too."""
        self.replaced = 0
        """How many blocks were put back by this process."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """The heights of the blocks that are known to be damaged, in order."""
        return tuple(sorted(self._blocks))

    def reason(self, height: int) -> str | None:
        """What is wrong with a block, or None if nothing is known to be."""
        return self._blocks.get(height)

    def note_block(self, height: int, reason: str) -> None:
        """Note a damaged block. Those beyond DAMAGED_BLOCKS_MAX are forgotten, and found again once there is room.

        Block 0 is damage elsewhere: it has no certificate, so no peer could prove it, and is made from genesis.
        """
        if height == 0:
            self.note_elsewhere(reason)
        elif height in self._blocks or len(self._blocks) < DAMAGED_BLOCKS_MAX:
            self._blocks[height] = reason

    def note_elsewhere(self, reason: str) -> None:
        """Note damage that no block can put right; the first stands."""
        if self.elsewhere is None:
            self.elsewhere = reason

    def give_up(self, reason: str) -> None:
        """The database cannot be made anew by itself: who is told of the damage is told why."""
        self.hopeless = True
        self.elsewhere = reason if self.elsewhere is None else f"{self.elsewhere}; {reason}"

    def note_replaced(self, height: int) -> None:
        """The block was put back, and all of it can be read."""
        if self._blocks.pop(height, None) is not None:
            self.replaced += 1
