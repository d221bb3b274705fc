"""The clocks of one machine: a wall clock that may be wrong and jump, and a monotonic one that starts at boot."""

from __future__ import annotations

from ledger.consensus.inputs import Now

HOUR_MS = 3_600_000


class Clock:
    """`rate_permille` is how fast the monotonic clock runs; `offset_ms` is how far the wall clock is off."""

    def __init__(self, *, epoch_ms: int, offset_ms: int, rate_permille: int) -> None:
        self._epoch_ms = epoch_ms
        self._rate_permille = rate_permille
        self._booted_at_ms = 0
        self._monotonic_at_boot_ms = 0
        self.offset_ms = offset_ms

    def boot(self, world_ms: int, monotonic_ms: int) -> None:
        """The machine starts: its monotonic clock shows `monotonic_ms` now."""
        self._booted_at_ms, self._monotonic_at_boot_ms = world_ms, monotonic_ms

    def skip(self, milliseconds: int) -> None:
        """The machine was asleep for so long, and nobody else noticed: both clocks are that much later."""
        self._monotonic_at_boot_ms += milliseconds
        self.offset_ms += milliseconds

    def now(self, world_ms: int) -> Now:
        """What both clocks show."""
        running_ms = (world_ms - self._booted_at_ms) * self._rate_permille // 1000
        return Now(self._monotonic_at_boot_ms + running_ms, self._epoch_ms + world_ms + self.offset_ms)

    def world_ms(self, monotonic_ms: int) -> int:
        """When the monotonic clock shows at least `monotonic_ms`."""
        running_ms = monotonic_ms - self._monotonic_at_boot_ms
        return self._booted_at_ms + -(-running_ms * 1000 // self._rate_permille)
