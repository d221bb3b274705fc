"""Making files durable, and how much room is left: the few system calls that storage needs besides LevelDB."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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


@contextmanager
def create_whole(path: Path) -> Iterator[BinaryIO]:
    """A new file at `path`, to be written in the block: it is there when all of it is on the disk, and not before.

    Raises `FileExistsError` when something is at `path`: it is not overwritten.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, "it is there already, and is not overwritten", str(path))
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        os.link(draft, path)  # as `rename`, but never over a file that appeared meanwhile
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)
