"""Comes back as it was: its operator restores a snapshot of the whole machine, database and guard, now and then.

Nothing on such a machine shows that it had voted since; only others can (`node.replica.opening`)."""

from __future__ import annotations

from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.disk import GuardFile

_SNAPSHOT_RATE = 0.02


class Restored(Shameless):
    """Votes again at heights where it has voted."""

    _snapshot: tuple[dict[bytes, bytes], bytes] | None = None

    def after_step(self) -> None:
        """Perhaps somebody takes a snapshot."""
        super().after_step()
        if self.world.rng.random() < _SNAPSHOT_RATE:
            self._snapshot = self.disk.image(), self.guard.image()

    def prepare_disk(self) -> None:
        """Perhaps somebody restores it."""
        if self._snapshot is not None and self.power.toss():
            self.world.faults["older snapshot of a machine"] += 1
            image, guard = self._snapshot
            self.replace_disk(image)
            self.guard = GuardFile(self.power, guard)
