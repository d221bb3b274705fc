"""When the engine hears that transactions wait: at once, unless others are coming that can share their block.

A block costs each validator the work of some fifty transactions, whatever is in it. Others are coming

    while transactions have arrived that no step has taken, for BLOCK_FILL_MS_MAX of the height at most;
    while fewer wait than the last block had and left: who sends one transaction after the other answers a block with
    the next. They are given three times as long as the last block took, because all of them are answered and heard
    again in that time, and a hundredth of a base timeout at most: where validators are far apart, waiting costs time
    and saves nothing.

Without the second, 32 such senders fall into two halves, each of which waits for the blocks of the other. A queue that
is longer than two blocks like the last waits for room, because of the bytes in a block or the quota of a sender, and
not for others.

A lone sender never waits: as many as the last block had is one. Nobody waits longer than half a base timeout, because
others may not be waiting for more, and give the leader no longer than a base timeout.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.limits import BLOCK_ANSWERS_SHARE, BLOCK_ANSWERS_TIMES, BLOCK_FILL_MS_MAX


@dataclass(slots=True)
class Filling:
    """What is known of the transactions that come in while a height is young. Times are of the monotonic clock."""

    backlog: bool = False
    """Whether transactions have arrived that no step has taken."""
    _expected: int = 0
    _took_ms: int = 0
    _heard_at_ms: int | None = None

    def until_ms(self, pending: int, *, room: int, begun_at_ms: int, base_timeout_ms: int) -> int | None:
        """Until when `pending` transactions wait for others at the height that began then, unless more come before;
        None if for nothing: there are none, they fill a block of `room`, or nobody is expected."""
        if not 0 < pending < room:
            return None
        if self.backlog:
            return begun_at_ms + min(BLOCK_FILL_MS_MAX, base_timeout_ms // 2)
        if pending < self._expected:
            return begun_at_ms + min(BLOCK_ANSWERS_TIMES * self._took_ms, base_timeout_ms // BLOCK_ANSWERS_SHARE)
        return None

    def heard(self, now_ms: int) -> None:
        """The engine heard that transactions wait."""
        if self._heard_at_ms is None:
            self._heard_at_ms = now_ms

    def appended(self, transactions: int, *, left: int, now_ms: int) -> None:
        """A block with so many transactions was appended, `left` still wait, and the next height begins."""
        self._expected = transactions + left if left <= 2 * transactions else 0
        self._took_ms = 0 if self._heard_at_ms is None else now_ms - self._heard_at_ms
        self._heard_at_ms = None
