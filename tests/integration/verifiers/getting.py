"""Where code by others comes from, when it is in another language: what is installed, else its registry.

Python packages come with the `test` extra. For Go and JavaScript what a machine has is used, and what it lacks is put
into this environment's own directory, where nothing else sees it: `@sigstore/verify` by npm, pinned by a lock file; Go
and golang.org/x/mod as Debian packages that are unpacked and not installed, which needs no rights. Where neither is to
be had, `UnavailableError` says precisely what was tried, and the test that needs it is skipped with these words.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.verifiers.debian import GO_SOURCES, UnavailableError, go_command, run, unpack

HERE = Path(__file__).resolve().parent
_CACHE = Path(sys.prefix) / "independent-verifiers"
_X_MOD = Path("src/golang.org/x/mod/sumdb/note")
_RUN_SECONDS_MAX = 120


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
            run(f"{go} build", [str(go), "build", "-o", str(program), str(source)], environment=environment)
            for built_from in ("debian", "go-cache", "gopath"):
                shutil.rmtree(_CACHE / built_from, ignore_errors=True)  # half a gigabyte
    return run("the program in Go", [str(program)], given=questions, seconds=_RUN_SECONDS_MAX)


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
            run("npm ci for @sigstore/verify", command)
            done.write_bytes(lock)
    program = str(HERE / "javascript" / "verify.mjs")
    return run("the program in JavaScript", [node, program, str(where)], given=questions, seconds=_RUN_SECONDS_MAX)


def _find_go() -> tuple[Path, str]:
    """The go command, and a GOPATH with golang.org/x/mod. Raises `UnavailableError`."""
    unpacked = _CACHE / "debian"
    roots = (Path("/"), unpacked)
    command = go_command(unpacked)
    if command is None or not any((root / GO_SOURCES / _X_MOD).exists() for root in roots):
        unpack(("golang-go", "golang-golang-x-mod-dev"), unpacked, _CACHE)
        command = go_command(unpacked)
    if command is None:
        raise UnavailableError("the Debian packages of Go do not have a go command")
    return command, ":".join(str(root / GO_SOURCES) for root in roots)


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """One process at a time gets `what`."""
    if sys.prefix == sys.base_prefix:
        raise UnavailableError("these tests do not run in an environment of their own, which could hold it")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
