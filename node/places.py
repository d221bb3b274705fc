"""Places that strangers take, and whose they become when all are taken.

Every address may have so many. When there is none left, the address that has most gives up its oldest to one that has
fewer. So who comes from few addresses is kept to a share and keeps nobody out; and who comes from as many as there are
places is the sooner out, when all others come and go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Places(Generic[T]):
    """Places by address. `oust` is called with a holder that has just lost its place to another."""

    def __init__(self, *, total_max: int, per_address_max: int, oust: Callable[[T], None]) -> None:
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._oust = oust
        self._holders: dict[str, dict[T, None]] = {}  # the oldest first
        self.total = 0

    def take(self, address: str, holder: T) -> bool:
        """Whether `holder` has a place now."""
        own = len(self._holders.get(address, ()))
        if own >= self._per_address_max:
            return False
        if self.total >= self._total_max:
            crowded = max(self._holders, key=lambda each: len(self._holders[each]))
            if len(self._holders[crowded]) <= own:
                return False
            oldest = next(iter(self._holders[crowded]))
            self.give_back(crowded, oldest)
            self._oust(oldest)
        self._holders.setdefault(address, {})[holder] = None
        self.total += 1
        return True

    def give_back(self, address: str, holder: T) -> None:
        """Its place is free, unless it has lost it."""
        holders = self._holders.get(address, {})
        if holder in holders:
            self.total -= 1
            del holders[holder]
            if not holders:
                del self._holders[address]
