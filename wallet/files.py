"""Writing files so that nothing is overwritten by accident and nothing is half there, and reading bounded ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wallet.exit_codes import usage_error

PRIVATE = 0o600
PUBLIC = 0o644


def create_file(path: Path, data: bytes, *, mode: int) -> None:
    """Write a new file, durably. Raises `WalletError` (2) when `path` exists: nothing is ever overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise usage_error(
            f"{path} exists already; it is not overwritten.",
            code="file_exists",
            remedy="Choose another name, or move the file away first.",
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """Put `data` at `path`, whether or not something was there: the old content or the new, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    create_file(beside, data, mode=mode)
    os.replace(beside, path)
    _sync_directory(path.parent)


@contextmanager
def create_whole(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """A new file, to be written in the block: it is at `path` when all of it is on the disk, and not before.

    Raises `WalletError` (2) when something is there: nothing is ever overwritten.
    """
    taken = usage_error(
        f"{path} exists already; it is not overwritten.",
        code="file_exists",
        remedy="Choose another name, or move the file away first.",
    )
    if path.exists():
        raise taken
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # as a rename, but never over a file that appeared meanwhile
        except FileExistsError:
            raise taken from None
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def create_private_directory(path: Path) -> None:
    """A directory readable by its owner only, with its parents; one that exists is left as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def read_bounded(source: str, bytes_max: int) -> bytes:
    """The content of the file `source`, or of stdin for `-`. Raises `WalletError` (2) beyond `bytes_max`."""
    if source == "-":
        data = sys.stdin.buffer.read(bytes_max + 1)
    else:
        with open(source, "rb") as file:
            data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise usage_error(f"{source} has more than {bytes_max} bytes.", code="file_too_large")
    return data


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
