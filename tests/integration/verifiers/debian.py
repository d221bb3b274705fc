"""Debian's packages without installing them, which needs no rights: downloaded, and unpacked into a directory."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

GO_SOURCES = Path("usr/share/gocode")
"""Where Debian has sources of Go libraries: below the root, or below a directory of `unpack`. A GOPATH."""

_RUN_SECONDS_MAX = 240


class UnavailableError(Exception):
    """Something by others that this machine cannot have. The message says what was tried."""


def unpack(packages: Sequence[str], where: Path, cache: Path) -> None:
    """Have `packages`, and all of what they need that is not installed, below `where`. Raises `UnavailableError`.

    `cache` is a directory for what apt keeps meanwhile.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{packages[0]} is not installed, and without {program} Debian's cannot be had")
    downloads = cache / "downloads"
    (downloads / "partial").mkdir(parents=True, exist_ok=True)
    # Nothing of the system is changed, so that neither its lock nor root is needed.
    options = ["-o", f"Dir::Cache::archives={downloads}", "-o", "Debug::NoLocking=1"]
    install = ["install", "--download-only", "--no-install-recommends", "--yes", *packages]
    try:
        run(f"apt-get download of {packages[0]}", ["apt-get", *options, *install])
    except UnavailableError:  # the lists of packages are missing or old here: ours alone, beside the system's
        lists = cache / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache / 'apt'}"]
        run("apt-get update", ["apt-get", *options, "update"])
        run(f"apt-get download of {packages[0]}", ["apt-get", *options, *install])
    for package in downloads.glob("*.deb"):
        run(f"unpacking {package.name}", ["dpkg-deb", "-x", str(package), str(where)])
        package.unlink()


def go_command(unpacked: Path) -> Path | None:
    """The go command: an installed one, or that of a package below `unpacked`."""
    installed = shutil.which("go")
    if installed is not None:
        return Path(installed)
    return next(iter(sorted(unpacked.glob("usr/lib/go-*/bin/go"))), None)


def run(
    what: str,
    command: Sequence[str],
    *,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: int = _RUN_SECONDS_MAX,
) -> bytes:
    """The output of a program. Raises `UnavailableError` when it fails."""
    try:
        ended = subprocess.run(
            list(command), input=given, capture_output=True, check=False, env=environment, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{what}: {error}") from error
    if ended.returncode != 0:
        raise UnavailableError(f"{what} failed: {ended.stderr.decode(errors='replace')[-500:]}")
    return ended.stdout
