"""quorum-node with a wall clock of its own, which a test sets while it runs: a program for tests.

python -P shifted_clock.py CLOCK start --home v0

CLOCK is a file of one `Setting`. The monotonic clock is left alone, as it is when somebody sets the time of a machine.
Libraries in C (TLS, LevelDB) keep the machine's time; nothing that they do here depends on it.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

_FORMAT = struct.Struct("<qqd")
_machine_ns = time.time_ns


def set_clock(path: Path, *, ahead_ns: int, rate: float = 1.0) -> None:
    """Have the clock of `path` show `ahead_ns` more than the machine's from now on, and run at `rate` times its speed.

    Written in place and in one piece: the file may be mapped by a process that runs.
    """
    with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
        file.write(_FORMAT.pack(_machine_ns(), ahead_ns, rate))


def read_clock(setting: bytes) -> int:
    """What a clock with this setting shows, in nanoseconds since 1970."""
    since_ns, ahead_ns, rate = _FORMAT.unpack_from(setting)
    now_ns = _machine_ns()
    return now_ns + ahead_ns + int((now_ns - since_ns) * (rate - 1.0))


def _shift(path: str) -> None:
    with Path(path).open("rb") as file:
        setting = mmap.mmap(file.fileno(), _FORMAT.size, access=mmap.ACCESS_READ)
    time.time_ns = lambda: read_clock(setting)  # type: ignore[arg-type]
    time.time = lambda: read_clock(setting) / 1e9  # type: ignore[arg-type]


if __name__ == "__main__":
    _shift(sys.argv.pop(1))
    from node.cli import main

    main()
