"""Where code by others comes from, when it is in another language: what is installed, else its registry.

Python packages come with the `test` extra. For Go and JavaScript what a machine has is used, and what it lacks is put
into this environment's own directory, where nothing else sees it: `@sigstore/verify` by npm, pinned by a lock file; Go
and golang.org/x/mod as Debian packages that are unpacked and not installed, which needs no rights. Where neither is to
be had, `UnavailableError` says precisely what was tried, and the test that needs it is skipped with these words.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
_CACHE = Path(sys.prefix) / "independent-verifiers"
_GO_SOURCES = Path("/usr/share/gocode")
_X_MOD = Path("src/golang.org/x/mod/sumdb/note")
_DOWNLOAD_SECONDS_MAX = 240
_RUN_SECONDS_MAX = 120


class UnavailableError(Exception):
    """A verifier that this machine cannot have. The message says what was tried."""


def ask_go(questions: bytes) -> bytes:
    """The answers of golang.org/x/mod/sumdb. Raises `UnavailableError`."""
    with _alone("go"):
        program = _CACHE / "golang-verifier"
        source = HERE / "golang" / "main.go"
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            go, sources = _find_go()
            environment = {
                **os.environ,
                "GO111MODULE": "off",
                "GOFLAGS": "",
                "GOPATH": f"{_CACHE / 'gopath'}:{sources}",
                "GOCACHE": str(_CACHE / "go-cache"),
            }
            _run(f"{go} build", [str(go), "build", "-o", str(program), str(source)], environment=environment)
            for built_from in ("debian", "go-cache", "gopath"):
                shutil.rmtree(_CACHE / built_from, ignore_errors=True)  # half a gigabyte
    return _run("the program in Go", [str(program)], given=questions, seconds=_RUN_SECONDS_MAX)


def ask_javascript(questions: bytes) -> bytes:
    """The answers of `@sigstore/verify`. Raises `UnavailableError`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise UnavailableError("there is no node, or no npm to get @sigstore/verify with")
    where = _CACHE / "javascript"
    with _alone("javascript"):
        lock = (HERE / "javascript" / "package-lock.json").read_bytes()
        done = where / "installed-from"
        if not done.exists() or done.read_bytes() != lock:
            where.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / "javascript" / name, where / name)
            command = [npm, "ci", "--prefix", str(where), "--ignore-scripts", "--no-audit", "--no-fund"]
            _run("npm ci for @sigstore/verify", command)
            done.write_bytes(lock)
    program = str(HERE / "javascript" / "verify.mjs")
    return _run("the program in JavaScript", [node, program, str(where)], given=questions, seconds=_RUN_SECONDS_MAX)


def _find_go() -> tuple[Path, Path]:
    """The go command, and a GOPATH with golang.org/x/mod. Raises `UnavailableError`."""
    installed = shutil.which("go")
    if installed is not None and (_GO_SOURCES / _X_MOD).exists():
        return Path(installed), _GO_SOURCES
    unpacked = _CACHE / "debian"
    command = next(iter(sorted(unpacked.glob("usr/lib/go-*/bin/go"))), None)
    if command is None or not (unpacked / "usr/share/gocode" / _X_MOD).exists():
        _unpack_go(unpacked)
        command = next(iter(sorted(unpacked.glob("usr/lib/go-*/bin/go"))), None)
    if command is None:
        raise UnavailableError("the Debian packages of Go do not have a go command")
    return command, unpacked / "usr/share/gocode"


def _unpack_go(where: Path) -> None:
    """Download Debian's packages of Go and golang.org/x/mod, and unpack them."""
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UnavailableError(f"Go is not installed, and without {program} Debian's packages cannot be had")
    downloads = _CACHE / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    options: list[str] = []
    names = _package_names(options)
    if names is None:  # the lists of packages are missing here: ours alone, beside the system's
        lists = _CACHE / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={_CACHE / 'apt'}"]
        _run("apt-get update", ["apt-get", *options, "update"])
        names = _package_names(options)
    if names is None:
        raise UnavailableError("Go is not installed, and apt knows no golang-go and golang-golang-x-mod-dev")
    _run("apt-get download of Go", ["apt-get", *options, "download", *names], directory=downloads)
    for package in downloads.glob("*.deb"):
        _run(f"unpacking {package.name}", ["dpkg-deb", "-x", str(package), str(where)])
        package.unlink()


def _package_names(options: list[str]) -> list[str] | None:
    """The packages that golang-go stands for, and that of golang.org/x/mod; None when apt does not know them."""
    shown = subprocess.run(
        ["apt-cache", *options, "show", "golang-go", "golang-golang-x-mod-dev"],
        capture_output=True,
        check=False,
        text=True,
        timeout=_RUN_SECONDS_MAX,
    ).stdout
    version = re.search(r"golang-([0-9]+\.[0-9]+)-go\b", shown)
    if version is None or "Package: golang-golang-x-mod-dev" not in shown:
        return None
    return [f"golang-{version[1]}-go", f"golang-{version[1]}-src", "golang-golang-x-mod-dev"]


def _run(
    what: str,
    command: list[str],
    *,
    given: bytes = b"",
    directory: Path | None = None,
    environment: dict[str, str] | None = None,
    seconds: int = _DOWNLOAD_SECONDS_MAX,
) -> bytes:
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, check=False, cwd=directory, env=environment, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{what}: {error}") from error
    if ended.returncode != 0:
        raise UnavailableError(f"{what} failed: {ended.stderr.decode(errors='replace')[-500:]}")
    return ended.stdout


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """One process at a time gets `what`."""
    if sys.prefix == sys.base_prefix:
        raise UnavailableError("these tests do not run in an environment of their own, which could hold it")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
