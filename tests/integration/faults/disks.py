"""A small disk for every node, which a test can fill: a tmpfs of its own where this machine may mount one.

Where it may not, `RLIMIT_FSIZE` of the running process makes every write beyond a size fail instead (EFBIG in place of
ENOSPC, from the same system calls); the first line of a run says which of the two it has.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ledger.limits import DISK_FREE_BYTES_MIN, KIB, MIB

DISK_BYTES = 512 * MIB
"""Far above `DISK_FREE_BYTES_MIN`, and as much memory as it is filled with."""
_NEARLY_FULL_BYTES = DISK_FREE_BYTES_MIN // 2
_FILLING_TRIES_MAX = 100
_FILE_BYTES_MAX = 64 * KIB


class SmallDisk:
    """The disk that holds `path`, a directory that was moved onto it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ballast = path / "ballast"

    def fill(self, *, nearly: bool) -> None:
        """Leave no byte; or, with `nearly`, so few that the node must refuse submissions, and enough for votes."""
        left = _NEARLY_FULL_BYTES if nearly else 0
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for _ in range(_FILLING_TRIES_MAX):
                if (free := _free_bytes(self._path) - left) <= 0:
                    return
                # The node may take some of it meanwhile.
                with contextlib.suppress(OSError):
                    os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, free)
            raise AssertionError(f"{self._path} cannot be filled")
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disks(paths: list[Path]) -> Iterator[list[SmallDisk] | None]:
    """Move every one of these directories onto a disk of its own; None where this machine may not mount any."""
    if not _may_mount():
        yield None
        return
    mounted: list[Path] = []
    try:
        for path in paths:
            aside = path.with_name(path.name + ".aside")
            path.rename(aside)
            path.mkdir(mode=0o700)
            _mount(path, DISK_BYTES)
            mounted.append(path)
            shutil.copytree(aside, path, dirs_exist_ok=True)
            shutil.rmtree(aside)
        yield [SmallDisk(path) for path in paths]
    finally:
        for path in mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def limit_files(pid: int, *, limited: bool) -> None:
    """Have every write of a process beyond a small size in a file fail, or none any more."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FILE_BYTES_MAX if limited else hard, hard))


def _free_bytes(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as place:
        try:
            _mount(Path(place), MIB)
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", "--lazy", place], check=True)
    return True


def _mount(path: Path, size_bytes: int) -> None:
    options = f"size={size_bytes},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "quorum-ledger-test", str(path)]
    subprocess.run(command, check=True, capture_output=True)
