"""The project's own virtual environment, `.venv` in the checkout: made, filled and kept up to date.

Every script calls `ensure` first, with nothing but the standard library at hand. A stamp in the environment
says what was installed from; while it fits, `ensure` costs a few milliseconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv"
BINARIES = ENVIRONMENT / "bin"
_STAMP = ENVIRONMENT / "installed-from"


def ensure(*, with_tests: bool = False) -> None:
    """Make `.venv` hold this checkout and its dependencies (and those of the tests, if asked)."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):  # the reader may well run another one
        sys.exit(f"Python 3.11 to 3.14 is needed; this is {sys.version.split()[0]} ({sys.executable})")
    lock_path = CHECKOUT / ".venv.lock"
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two scripts started together install once
        wanted = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()
        done = _STAMP.read_text().split() if _STAMP.exists() else []
        if wanted in done and ("tests" in done or not with_tests):
            return
        with_tests = with_tests or "tests" in done
        if not (BINARIES / "python").exists():
            print("making the environment .venv ...", file=sys.stderr)
            venv.create(ENVIRONMENT, with_pip=True)
        print("installing into .venv ...", file=sys.stderr)
        target = f"{CHECKOUT}[test]" if with_tests else str(CHECKOUT)
        pip = [str(BINARIES / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        result = subprocess.run([*pip, "--editable", target], check=False)
        if result.returncode != 0:
            sys.exit("installing failed; the lines above say why. Is a package index within reach?")
        _STAMP.write_text(f"{wanted}{' tests' if with_tests else ''}\n")


def enter(*, with_tests: bool = False) -> None:
    """`ensure`, and go on inside the environment: re-executes the running script with its Python."""
    ensure(with_tests=with_tests)
    if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        python = str(BINARIES / "python")
        os.execv(python, [python, *sys.argv])
