"""What this machine can do, measured in the same run: verification, disk syncs, and who else is using it."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ledger.crypto import SigningKey, verify
from ledger.primitives import PublicKey, Signature

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SIGNATURES = 2_000
_JOBS_PER_CORE = 5
_MESSAGE_BYTES = 250
_SYNCS = 300


@dataclass(frozen=True, slots=True)
class VerificationRate:
    """Strict verifications per CPU-second of one process (V), and per second of wall time by all cores together.

    Both are taken with every core at work, as during the load: a core whose sibling idles is faster than it will be.
    """

    per_cpu_second: float
    all_cores: float


def verification_rate() -> VerificationRate:
    """Measure both, over distinct messages and 64 keys."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_signed, range(cores)))  # start the workers, and have them sign, before anything is timed
        jobs = list(pool.map(_verify_job, range(_JOBS_PER_CORE * cores)))
    per_cpu_second = statistics.median(_SIGNATURES / job.cpu_seconds for job in jobs)
    return VerificationRate(per_cpu_second, cores * statistics.median(_SIGNATURES / job.wall_seconds for job in jobs))


@dataclass(frozen=True, slots=True)
class _Job:
    cpu_seconds: float
    wall_seconds: float


@cache
def _work() -> tuple[tuple[PublicKey, bytes, Signature], ...]:
    keys = [SigningKey(index.to_bytes(32, "big")) for index in range(64)]
    messages = [index.to_bytes(_MESSAGE_BYTES, "big") for index in range(_SIGNATURES)]
    return tuple(
        (keys[index % 64].public_key, message, keys[index % 64].sign(message)) for index, message in enumerate(messages)
    )


def _signed(_: int) -> int:
    return len(_work())


def _verify_job(_: int) -> _Job:
    """One pass over the signatures in a worker process."""
    work = _work()
    cpu, wall = time.process_time(), time.perf_counter()
    good = sum(verify(*item) for item in work)
    job = _Job(time.process_time() - cpu, time.perf_counter() - wall)
    assert good == _SIGNATURES
    return job


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
    """Of a process and its workers, also of those that have ended."""
    stats = (Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split() for member in _family(pid))
    return sum(sum(map(int, fields[11:15])) for fields in stats) / _CLOCK_TICKS


def _family(pid: int) -> list[int]:
    """A process and those that it has started, and so on."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(member for path in lists for child in path.read_text().split() for member in _family(int(child)))]


def peak_memory_bytes(pid: int) -> int:
    """The most resident memory that a process had, mapped files included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1_024
    return 0


def own_memory_bytes(pid: int) -> int:
    """The resident memory that a process and its workers hold now for themselves: without the files that they have
    mapped, whose pages are the system's cache and go when somebody needs the room."""
    kinds = ("RssAnon:", "RssShmem:")
    lines = [line for member in _family(pid) for line in Path(f"/proc/{member}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1_024 for line in lines if line.startswith(kinds))


def directory_bytes(path: Path) -> int:
    """What the files under `path` occupy."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
