"""The disk of one machine, and its power: writes that may be the last, and what they leave behind.

Store and guard are those of `node.storage`, in memory; here the power can be cut at each of their writes (before it,
after it, and for the guard in the middle of its slot) and at each send. `PowerCut` then flies through whatever the
replica was doing, as the end of a process would, and only what was synced is there when the machine comes back.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from node.ports import GuardRecord
from node.storage.errors import StorageFailedError
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.rows import unseal


class PowerCut(Exception):  # noqa: N818 - it is no error
    """The power of this machine is gone, in the middle of whatever it did."""


class Power:
    """Decides, at every point where it matters, whether the power goes now.

    `cut_rate` is the probability at one write, `failure_rate` that a write fails instead, and the process ends.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.cut_rate = 0.0
        self.failure_rate = 0.0
        self.cuts = 0

    def point(self) -> None:
        """A point where the power may be cut."""
        if self.cut_rate and self._rng.random() < self.cut_rate:
            self.cuts += 1
            raise PowerCut

    def fails(self) -> bool:
        """Whether the write that comes now fails."""
        return bool(self.failure_rate) and self._rng.random() < self.failure_rate

    def toss(self) -> bool:
        """A fair coin."""
        return self._rng.random() < 0.5


class Disk(MemoryStore):
    """A store whose power can be cut at any write."""

    def __init__(self, power: Power, image: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(image)
        self._power = power

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """See `MemoryStore.write`."""
        self._power.point()
        if self._power.fails():
            self.fail_write(1, survives=self._power.toss())
        super().write(puts, deletes, sync=sync)
        self._power.point()

    def durable(self, key: bytes) -> bytes | None:
        """The value that a power cut would leave under `key` now."""
        for batch in self._unsynced:
            if key in batch.replaced:
                row = batch.replaced[key]
                return None if row is None else unseal(key, row)
        return self.get(key)


class GuardFile(MemoryGuard):
    """A guard whose power can be cut before, after and in the middle of a write."""

    def __init__(self, power: Power, image: bytes | None = None) -> None:
        super().__init__(image)
        self._power = power

    def write(self, record: GuardRecord) -> None:
        """See `MemoryGuard.write`."""
        self._power.point()
        if self._power.fails():
            self.fail_write(1, torn=self._power.toss())
        try:
            self._power.point()
        except PowerCut:
            self._tear(record)
            raise
        super().write(record)
        self._power.point()

    def _tear(self, record: GuardRecord) -> None:
        self.fail_write(1, torn=True)
        try:
            super().write(record)
        except StorageFailedError:
            return
        raise AssertionError("a torn write fails")
