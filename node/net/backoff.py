"""How long to wait before the next attempt: twice as long each time, up to a limit, with jitter. Pure."""

from __future__ import annotations

from collections.abc import Callable

from ledger.limits import RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN


class Backoff:
    """Delays of one peer. `random` gives numbers in [0, 1); jitter keeps a restarted network from dialling in step."""

    __slots__ = ("_ceiling_ms", "_random")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._ceiling_ms = RECONNECT_DELAY_MS_MIN

    def next_ms(self) -> float:
        """The delay before the next attempt: between half and all of a ceiling that doubles."""
        delay_ms = self._ceiling_ms * (0.5 + self._random() / 2)
        self._ceiling_ms = min(2 * self._ceiling_ms, RECONNECT_DELAY_MS_MAX)
        return delay_ms

    def reset(self) -> None:
        """An attempt succeeded: the next failure waits the shortest time again."""
        self._ceiling_ms = RECONNECT_DELAY_MS_MIN
