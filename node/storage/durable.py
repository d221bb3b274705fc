"""Making files durable, and how much room is left: the few system calls that storage needs besides LevelDB."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.limits import DISK_FREE_BYTES_MIN

sync_file = getattr(os, "fdatasync", os.fsync)
"""`fdatasync(descriptor)`: the data, and what of the metadata is needed to read it. Not every system has it."""


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable: a file that was created, renamed or removed there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_disk_bytes(directory: Path) -> int:
    """The bytes that this process may still write to the file system of `directory`. Raises `OSError`."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def disk_is_low(directory: Path, *, floor_bytes: int = DISK_FREE_BYTES_MIN) -> bool:
    """Whether submissions must be refused, so that votes and commits still fit (limits.DISK_FREE_BYTES_MIN)."""
    return free_disk_bytes(directory) < floor_bytes
