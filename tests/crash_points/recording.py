"""All instants of a history, from a recorded run of it, and which of them share a future."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from node.replica import Replica
from node.storage import keys
from node.storage.guard import MemoryGuard
from tests.crash_points.files import RealFiles, read_slots
from tests.crash_points.histories import HEIGHT, History
from tests.crash_points.machine import Files, RecordedMachine
from tests.crash_points.operations import Instant, Kind, When
from tests.crash_points.running import START_MS, CrashWorld, record
from tests.simulation.violation import demand


@dataclass(frozen=True, slots=True)
class Recording:
    """The instants of one history by what they are, and one of each of the futures that they have."""

    instants: Counter[tuple[Kind, When]]
    futures: tuple[Instant, ...]


def recording(n: int, q: int, history: History) -> Recording:
    """Tell a history once, and note everything. Raises `Violation` when torn files give anything but their rows from
    before or after."""
    with tempfile.TemporaryDirectory() as directory:
        recorder = _Recorder(Path(directory))
        record(n, q, history, recorder)
        recorder.close()
    return Recording(recorder.instants, tuple(recorder.futures.values()))


class _Recorder:
    """A `Witness`."""

    def __init__(self, directory: Path) -> None:
        self.instants: Counter[tuple[Kind, When]] = Counter()
        self.futures: dict[bytes, Instant] = {}
        self._directory = directory
        self._files: dict[int, RealFiles] = {}
        self._is_over: set[int] = set()

    def close(self) -> None:
        """Remove all real files."""
        for files in self._files.values():
            files.close()

    def batch(
        self, machine: RecordedMachine, number: int, puts: Mapping[bytes, bytes], deletes: frozenset[bytes]
    ) -> None:
        """Tear it in real files; both its outcomes are futures of their own."""
        index = machine.identity.index
        if any(keys.promises(HEIGHT + 1) <= key < keys.promises(HEIGHT + 2) for key in puts):
            self._is_over.add(index)
        if not self._counts(machine):
            return
        if index not in self._files:
            self._files[index] = RealFiles(self._directory / f"v{index}", machine.disk.image())
        for _size, _when in self._files[index].write(puts, deletes):
            self.instants[Kind.BATCH, When.TORN] += 1

    def instant(self, machine: RecordedMachine, instant: Instant, files: Files) -> None:
        """Count it, and keep it if its future is a new one."""
        if not self._counts(machine):
            return
        self.instants[instant.kind, instant.when] += 1
        read = read_slots(self._directory / "guard", files.slots)
        demand(
            read == MemoryGuard(files.slots).read(), "torn files", f"{instant}: another record in the real guard file"
        )
        world = machine.world
        assert isinstance(world, CrashWorld)
        heard = (machine.identity.index, world.trace.hexdigest(), world.frames, _said(machine.running))
        digest = hashlib.sha256(repr((heard, read, sorted(files.rows.items()))).encode()).digest()
        self.futures.setdefault(digest, instant)

    def _counts(self, machine: RecordedMachine) -> bool:
        """Whether this belongs to the height of the history: it ends with the first promise of the next."""
        return machine.world.now_ms >= START_MS and machine.identity.index not in self._is_over


def _said(replica: Replica) -> int:
    """How much the checkers have heard in this step and is not carried out."""
    return len(replica._parts.out._actions)
