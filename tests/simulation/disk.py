"""The disk of one machine, and its power: writes that may be the last, and what they leave behind.

Store and guard are those of `node.storage`, in memory; here the power can be cut at each of their writes (before it,
after it, and for the guard at any byte of its slot) and at each send. `PowerCut` then flies through whatever the
replica was doing, as the end of a process would, and only what was synced is there when the machine comes back. A disk
can also be full, stop answering, take its time, or, in the machine of a liar, lose what it was told to sync.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from node.ports import GuardRecord
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.rows import unseal

FULL = "the disk is full: No space left on device (injected)"
UNREADABLE = "a read failed: Input/output error (injected)"
_GUARD_IMAGES_MAX = 16


class PowerCut(Exception):  # noqa: N818 - it is no error
    """The power of this machine is gone, in the middle of whatever it did."""


class Power:
    """Decides, at every point where it matters, whether the power goes now.

    `cut_rate` is the probability at one write, `failure_rate` that a write fails instead, and the process ends.
    `points_left`, where it is set, is after how many more points the power goes whatever the rate. While `is_full`,
    nothing can be added to the store; the guard is preallocated. `faults` counts what happened, for the whole world.
    """

    def __init__(self, rng: random.Random, faults: Counter[str]) -> None:
        self._rng = rng
        self.faults = faults
        self.cut_rate = 0.0
        self.failure_rate = 0.0
        self.points_left: int | None = None
        self.is_full = False
        self.cuts = 0
        self.noted: set[GuardRecord] = set()
        """What the guard of this machine has ever held."""

    def point(self) -> None:
        """A point where the power may be cut."""
        if self.points_left is not None:
            self.points_left -= 1
            if self.points_left < 0:
                self.cut("power cut while starting")
        if self.cut_rate and self._rng.random() < self.cut_rate:
            self.cut("power cut at a write")

    def cut(self, kind: str) -> None:
        """Cut the power now."""
        self.points_left = None
        self.cuts += 1
        self.faults[kind] += 1
        raise PowerCut

    def fails(self) -> bool:
        """Whether the write that comes now fails."""
        if not self.failure_rate or self._rng.random() >= self.failure_rate:
            return False
        self.faults["write error"] += 1
        return True

    def toss(self) -> bool:
        """A fair coin."""
        return self._rng.random() < 0.5

    def draw(self, below: int) -> int:
        """A number from 0 to `below` - 1."""
        return self._rng.randrange(below)


class Disk(MemoryStore):
    """A store whose power can be cut at any write. One that `lies` says that it has synced, and has not."""

    def __init__(self, power: Power, image: Mapping[bytes, bytes] | None = None, *, lies: bool = False) -> None:
        super().__init__(image)
        self._power = power
        self._lies = lies
        self.syncs = 0

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """See `MemoryStore.write`."""
        self._power.point()
        if self._power.is_full:
            self._power.faults["write to a full disk"] += 1
            self.break_down(FULL)
        if self._power.fails():
            self.fail_write(1, survives=self._power.toss())
        super().write(puts, deletes, sync=sync and not self._lies)
        self.syncs += sync
        self._power.point()

    def break_down(self, reason: str) -> None:
        """From here on nothing can be read or written, until the next start."""
        self._failure = reason

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be read or written any more."""
        return self._failure is not None

    def row_keys(self) -> list[bytes]:
        """The keys of all rows, in order."""
        return list(self._keys)

    def durable(self, key: bytes) -> bytes | None:
        """The value that a power cut would leave under `key` now, whether or not the store still answers."""
        row = self._rows.get(key)
        for batch in self._unsynced:
            if key in batch.replaced:
                row = batch.replaced[key]
                break
        return None if row is None else unseal(key, row)


class GuardFile(MemoryGuard):
    """A guard whose power can be cut before, after and in the middle of a write. One that `lies` may come back with
    what it had some writes ago."""

    def __init__(self, power: Power, image: bytes | None = None, *, lies: bool = False) -> None:
        super().__init__(image)
        self._power = power
        self._lies = lies
        self._earlier: list[bytes] = []
        if (held := MemoryGuard.read(self)) is not None:
            power.noted.add(held)

    def write(self, record: GuardRecord) -> None:
        """See `MemoryGuard.write`."""
        if self._lies:
            self._earlier = [*self._earlier, self.image()][-_GUARD_IMAGES_MAX:]
        self._power.point()
        if self._power.fails():
            self.fail_write(1, torn=self._power.toss())
        try:
            self._power.point()
        except PowerCut:
            self._tear(record)
            raise
        super().write(record)
        self._power.noted.add(record)
        self._power.point()

    def crash(self) -> bytes:
        """See `MemoryGuard.crash`."""
        image = super().crash()
        back = self._power.draw(len(self._earlier) + 1)
        return image if back == 0 else self._earlier[-back]

    def _tear(self, record: GuardRecord) -> None:
        """Leave the first bytes of the slot that was being written, and the old ones after them."""
        before = self.image()
        whole = MemoryGuard(before)
        whole.write(record)
        after = whole.image()
        half = len(after) // 2
        start = 0 if after[half:] == before[half:] else half
        cut = start + 1 + self._power.draw(half - 1)
        self._slots[start:cut] = after[start:cut]
        self._power.faults["guard torn"] += 1
