"""A simulated machine that counts what it does that outlives it, and whose power goes at one given instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from node.ports import GuardRecord
from node.replica import SendTo, SendToAll
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from tests.crash_points.operations import CUT_BYTES, Instant, Kind, When
from tests.simulation.clock import Clock
from tests.simulation.disk import Disk, GuardFile, PowerCut
from tests.simulation.machine import Identity, Machine

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Files:
    """What the power leaves: the sealed rows of the database, and both slots of the guard."""

    rows: dict[bytes, bytes]
    slots: bytes


class Witness(Protocol):
    """Is told of every instant of a run, with what would be left then, and of every batch before it is written."""

    def instant(self, machine: RecordedMachine, instant: Instant, files: Files) -> None: ...
    def batch(
        self, machine: RecordedMachine, number: int, puts: Mapping[bytes, bytes], deletes: frozenset[bytes]
    ) -> None: ...


class RecordedMachine(Machine):
    """Honest. `cut_at` is set before it boots; `witness` where the run is recorded."""

    def __init__(self, world: World, identity: Identity, clock: Clock, image: dict[bytes, bytes]) -> None:
        super().__init__(world, identity, clock, image)
        self.cut_at: Instant | None = None
        self.witness: Witness | None = None
        self.operations = 0
        self._left: Files | None = None
        self._take_over(Files(image, MemoryGuard().image()))

    def die(self) -> None:
        """The power is gone: what was on the disk at that instant is what there is."""
        assert self._left is not None, "nothing but the instant of the run stops an honest machine"
        super().die()
        self._take_over(self._left)
        self.cut_at = self._left = None

    def next_operation(self) -> int:
        """The number of the operation that begins now."""
        self.operations += 1
        return self.operations

    def reach(self, instant: Instant, files: Files | None = None) -> None:
        """The power goes now, if this is the instant; `files` are what it leaves, where something is torn."""
        if self.witness is not None:
            self.witness.instant(self, instant, files or self._files())
        if instant == self.cut_at:
            self._left = files or self._files()
            raise PowerCut

    def _files(self) -> Files:
        return Files(self.disk.image(), self.guard.image())

    def _take_over(self, files: Files) -> None:
        self.disk = _RecordedDisk(self, files.rows)
        self.guard = _RecordedGuard(self, files.slots)

    def _send(self, action: SendTo | SendToAll) -> None:
        if isinstance(action, SendTo):
            receivers = self.world.machines_of(action.peer)
        else:
            receivers = self.world.others(self, validators_only=action.validators_only)
        for receiver in receivers:
            self.world.send(self, [receiver], action.message)
            self.reach(Instant(self.identity.index, self.next_operation(), Kind.FRAME, When.AFTER))


class _RecordedDisk(Disk):
    """Its rows; a batch that is torn is not there (`tests.crash_points.files` shows it)."""

    def __init__(self, machine: RecordedMachine, image: Mapping[bytes, bytes]) -> None:
        super().__init__(machine.power, image)
        self._machine = machine

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """See `MemoryStore.write`."""
        assert sync, "whoever writes without sync needs instants for what a later sync carries"
        machine, number = self._machine, self._machine.next_operation()
        if machine.witness is not None:
            machine.witness.batch(machine, number, puts, deletes)
        machine.reach(Instant(machine.identity.index, number, Kind.BATCH, When.BEFORE))
        MemoryStore.write(self, puts, deletes, sync=sync)
        machine.reach(Instant(machine.identity.index, number, Kind.BATCH, When.AFTER))


class _RecordedGuard(GuardFile):
    """Its slots."""

    def __init__(self, machine: RecordedMachine, image: bytes) -> None:
        super().__init__(machine.power, image)
        self._machine = machine

    def write(self, record: GuardRecord) -> None:
        """See `MemoryGuard.write`."""
        machine, number = self._machine, self._machine.next_operation()
        index, rows = machine.identity.index, machine.disk.image()
        old = self.image()
        machine.reach(Instant(index, number, Kind.SLOT, When.BEFORE))
        whole = MemoryGuard(old)
        whole.write(record)
        new = whole.image()
        half = len(new) // 2
        start = 0 if new[:half] != old[:half] else half
        assert old[half - start : 2 * half - start] == new[half - start : 2 * half - start], "one slot is written"
        for size in range(CUT_BYTES, half, CUT_BYTES):
            torn = old[:start] + new[start : start + size] + old[start + size :]
            machine.reach(Instant(index, number, Kind.SLOT, When.TORN, size), Files(rows, torn))
        MemoryGuard.write(self, record)
        machine.reach(Instant(index, number, Kind.SLOT, When.AFTER))
