"""Machines on real files: LevelDB in a directory, the guard in a file, and power cuts that leave copies of both.

The replica reads and writes LevelDB and the guard file; the model (`disk`) is kept beside them, and draws when the
power goes. A power cut leaves a copy of the directory as it is at that point, as far as syncs go: the log may end at
any byte behind the last sync, also in the middle of the batch that was being written, and a slot of the guard at any
byte. What comes back from the copy must be what the model allows: all that was synced, and of the rest a prefix, batch
by batch.
So the model that all other runs rely on is itself held against real files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from unittest.mock import patch

from ledger import crypto
from ledger.primitives import PublicKey, Signature
from node.ports import GuardRecord
from node.storage.guard import FileGuard, MemoryGuard, create_guard
from node.storage.leveldb import LevelDBStore, create_database, open_database
from node.storage.rows import seal, unseal
from tests.simulation import byzantine
from tests.simulation.clock import Clock
from tests.simulation.disk import Disk, GuardFile, Power, PowerCut
from tests.simulation.machine import Identity, Machine
from tests.simulation.remembering import Memory
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.world import World

_NAME = "disk"
_LAST = b"\xff" * 64

Batch = tuple[Mapping[bytes, bytes], frozenset[bytes]]


class RealDisk(Disk):
    """A database in `directory`, and the model beside it."""

    def __init__(self, power: Power, image: Mapping[bytes, bytes], directory: Path) -> None:
        super().__init__(power, image)
        self.directory = directory
        if directory.exists():
            self._real = open_database(directory)
        else:
            self._real = create_database(directory)
            self._real.write({key: unseal(key, row) for key, row in image.items()}, sync=True)
        self._syncing = True
        self._cut_off: Batch | None = None
        """What was being written when the power went, and is not in the model."""
        self._synced_bytes = _log_bytes(directory)

    def get(self, key: bytes) -> bytes | None:
        """See `node.ports.Reader.get`."""
        self._refuse_after_failure()
        return self._real.get(key)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See `node.ports.Reader.range`."""
        self._refuse_after_failure()
        return self._real.range(start, stop, reverse=reverse)

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """See `node.ports.Store.write`."""
        self._syncing, writes = sync, self.writes
        try:
            super().write(puts, deletes, sync=sync)
        except PowerCut:
            if self.writes == writes:
                self._cut_off = (puts, deletes)
            raise

    def _apply(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes]) -> None:
        super()._apply(puts, deletes)
        self._real.write(puts, deletes, sync=self._syncing)
        if self._syncing:
            self._synced_bytes = _log_bytes(self.directory)

    def crash(self, *, unsynced_survive: int = 0) -> dict[bytes, bytes]:
        """See `MemoryStore.crash`; how much of what was not synced survives is drawn in bytes, and not in batches."""
        allowed = [self.image()]
        for batch in self._unsynced:
            allowed.append({**allowed[-1]})
            for key in batch.replaced:
                _put(allowed[-1], key, self._rows.get(key))
        if self._cut_off is not None:
            puts, deletes = self._cut_off
            allowed.append({**allowed[-1], **{key: seal(key, value) for key, value in puts.items()}})
            for key in deletes:
                allowed[-1].pop(key, None)
            self._real.write(puts, deletes, sync=False)
        super().crash()
        left = self._leave_copy()
        found = {key: seal(key, value) for key, value in left.range(b"", _LAST)}
        left.close()
        demand(found in allowed, _NAME, f"after a power cut {self.directory} has other rows than were written")
        return found

    def close(self) -> None:
        """The end of the run: what is on the disk is what the model has."""
        found = {key: seal(key, value) for key, value in self._real.range(b"", _LAST)}
        demand(found == self._rows, _NAME, f"{self.directory} has other rows than were written")
        self._real.close()

    def _leave_copy(self) -> LevelDBStore:
        """Replace the directory by a copy whose log ends at any byte behind the last sync."""
        self._real.close()
        copy = self.directory.with_name(self.directory.name + ".copy")
        shutil.copytree(self.directory, copy)
        shutil.rmtree(self.directory)
        copy.rename(self.directory)
        for log in sorted(self.directory.glob("*.log")):
            synced, written = self._synced_bytes.get(log.name, 0), log.stat().st_size
            with log.open("r+b") as file:
                file.truncate(synced + self._power.draw(written - synced + 1))
        return open_database(self.directory)


def _put(rows: dict[bytes, bytes], key: bytes, row: bytes | None) -> None:
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = row


def _log_bytes(directory: Path) -> dict[str, int]:
    """How long each log file is."""
    return {log.name: log.stat().st_size for log in directory.glob("*.log")}


class RealGuard(GuardFile):
    """A guard file, and the model beside it."""

    def __init__(self, power: Power, image: bytes | None, path: Path, key: PublicKey) -> None:
        super().__init__(power, image)
        self._path = path
        self._file = FileGuard(path, key) if path.exists() else create_guard(path, key)
        demand(self._file.read() == super().read(), _NAME, f"{path} has {self._file.read()} after a power cut")

    def read(self) -> GuardRecord | None:
        """See `node.ports.Guard.read`."""
        return self._file.read()

    def write(self, record: GuardRecord) -> None:
        """See `node.ports.Guard.write`. A write that fails leaves the file as it was: the other slot is the newest."""
        try:
            super().write(record)
        except PowerCut:
            if super().read() == record:
                self._file.write(record)
            raise
        self._file.write(record)

    def _tear(self, record: GuardRecord) -> None:
        """Both slots end at the same byte."""
        before, model_before = self._path.read_bytes(), self.image()
        self._file.write(record)
        whole = MemoryGuard(model_before)
        whole.write(record)
        after, model_after = self._path.read_bytes(), whole.image()
        half = len(after) // 2
        start = 0 if after[half:] == before[half:] else half
        cut = start + 1 + self._power.draw(half - 1)
        self._path.write_bytes(before[:start] + after[start:cut] + before[cut:])
        self._slots[start:cut] = model_after[start:cut]
        self._power.faults["guard torn"] += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RealMachine(Machine):
    """An honest machine on real files under `root`."""

    root: ClassVar[Path]
    made: ClassVar[list[RealMachine]]

    def __init__(self, world: World, identity: Identity, clock: Clock, image: dict[bytes, bytes]) -> None:
        super().__init__(world, identity, clock, image)
        self.home = self.root / f"{len(self.made)}-{identity.name}"
        self.made.append(self)
        self.home.mkdir()
        self.disk: Disk = RealDisk(self.power, image, self.home / "database")
        self.guard: GuardFile = self._open_guard(None)

    def replace_disk(self, image: dict[bytes, bytes]) -> None:
        """While it is down: this is on its disk, in the directory that the power cut left."""
        assert self.replica is None
        self.disk = RealDisk(self.power, image, self.home / "database")

    def die(self) -> None:
        """The power is gone."""
        guard = self.guard
        super().die()
        assert isinstance(guard, RealGuard)
        guard.close()
        self.guard = self._open_guard(self.guard.image())

    def close(self) -> None:
        """The end of the run."""
        assert isinstance(self.guard, RealGuard)
        self.disk.close()
        self.guard.close()

    def _open_guard(self, image: bytes | None) -> RealGuard:
        key = self.identity.founder.consensus_key.public_key
        return RealGuard(self.power, image, self.home / "guard", key)


@contextmanager
def real_machines(root: Path) -> Iterator[None]:
    """Within, honest machines that are made have their files under `root`, and no signature is taken as verified
    because another machine of the run verified it."""
    made: list[RealMachine] = []
    kind = type("RealMachine", (RealMachine,), {"root": root, "made": made})

    def verify(memory: Memory, key: PublicKey, message: bytes, signature: Signature) -> bool:
        return crypto.verify(key, message, signature)

    with patch.dict(byzantine.KINDS, {None: kind}), patch.object(Memory, "verify", verify):
        yield
    for machine in made:
        machine.close()
