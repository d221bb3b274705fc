"""What this machine can do, measured in the same run: verification, disk syncs, and who else is using it."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ledger.crypto import SigningKey, verify

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SIGNATURES = 2_000
_MESSAGE_BYTES = 250
_SYNCS = 300


def verification_rate() -> float:
    """V: strict verifications per CPU-second of one process, over distinct messages and 64 keys."""
    keys = [SigningKey(index.to_bytes(32, "big")) for index in range(64)]
    work = []
    for index in range(_SIGNATURES):
        key = keys[index % 64]
        message = index.to_bytes(_MESSAGE_BYTES, "big")
        work.append((key.public_key, message, key.sign(message)))
    started = time.process_time()
    good = sum(verify(*item) for item in work)
    spent = time.process_time() - started
    assert good == _SIGNATURES
    return _SIGNATURES / spent


def all_core_verification_rate() -> float:
    """Verifications per second of wall time with one process on each core."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_nothing, range(cores)))  # start the workers before the clock
        started = time.perf_counter()
        list(pool.map(_rate_job, range(2 * cores)))
        return 2 * cores * _SIGNATURES / (time.perf_counter() - started - _signing_seconds(cores))


def _nothing(_: int) -> None:
    """Make a worker start."""


def _rate_job(_: int) -> float:
    return verification_rate()


def _signing_seconds(cores: int) -> float:
    """How long each core spent making the signatures that `_rate_job` then verified (two jobs a core)."""
    key = SigningKey(bytes(32))
    started = time.process_time()
    for index in range(_SIGNATURES):
        key.sign(index.to_bytes(_MESSAGE_BYTES, "big"))
    return 2 * (time.process_time() - started) if cores else 0.0


def sync_ms_p50(directory: Path) -> float:
    """The median time in ms that a 4 KiB write takes to reach the disk (fdatasync) where the validators' data is."""
    path = directory / "sync-probe"
    times = []
    with path.open("wb") as file:
        for _ in range(_SYNCS):
            file.seek(0)
            file.write(os.urandom(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(times) * 1_000


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU-seconds used so far: by the validators, by this process, and by everything on the machine."""

    wall: float
    validators: float
    own: float
    machine: float

    def since(self, earlier: Usage) -> Usage:
        """What was used after `earlier`."""
        return Usage(
            self.wall - earlier.wall,
            self.validators - earlier.validators,
            self.own - earlier.own,
            self.machine - earlier.machine,
        )

    @property
    def foreign_load(self) -> float:
        """The share of the machine's used CPU time that was neither the validators' nor ours."""
        return max(0.0, 1 - (self.validators + self.own) / self.machine) if self.machine > 0 else 0.0


def usage(validator_pids: list[int]) -> Usage:
    """CPU time used until now (Linux: /proc)."""
    busy = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    machine = (sum(busy) - busy[3] - busy[4]) / _CLOCK_TICKS  # without idle and waiting for the disk
    return Usage(time.perf_counter(), sum(map(_process_seconds, validator_pids)), time.process_time(), machine)


def _process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def peak_memory_bytes(pid: int) -> int:
    """The most resident memory that a process had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1_024
    return 0


def directory_bytes(path: Path) -> int:
    """What the files under `path` occupy."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
