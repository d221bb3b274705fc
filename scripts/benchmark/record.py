"""The record of a run: what was measured, on what, by which commit; a JSON file in the repository for each kind of run.

A record is written by `scripts/bench --record` and by nothing else. The README's tables and the plot are made from the
records alone (`readme`, `plotting`).
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

RESULTS = Path(__file__).parent / "results"


@unique
class Kind(Enum):
    """The kinds of runs, by the name of their record's file."""

    SUITE = "suite"
    LONG = "long"
    PEERS = "peers"
    WIDE_AREA = "wide_area"

    @property
    def path(self) -> Path:
        """The file of the record."""
        return RESULTS / f"{self.value}.json"


_PACKAGES = ("PyNaCl", "aiohttp", "orjson", "plyvel", "plyvel-ci", "plyvel-next", "uvloop", "zstandard")


@dataclass(frozen=True, slots=True)
class Record:
    """One run. `command` is what was typed, `commit` git's, `date` of its end (UTC); `figures` is what it printed."""

    command: str
    commit: str
    date: str
    machine: Mapping[str, str]
    figures: Mapping[str, object]

    def number(self, name: str) -> float:
        """A figure that is a number, and was measured."""
        value = self.figures[name]
        assert isinstance(value, int | float), name
        return value


def record_of(command: str, commit: str, figures: Mapping[str, object]) -> Record:
    """The record of a run that has just ended on this machine."""
    # The very numbers that a file holds, so that a record is equal to itself when it is read again.
    plain: dict[str, object] = json.loads(json.dumps(figures))
    return Record(command, commit, time.strftime("%Y-%m-%d %H:%M", time.gmtime()), machine(), MappingProxyType(plain))


def machine() -> Mapping[str, str]:
    """What this machine is, by name, for people."""
    facts = {
        "processor": _named("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
    }
    return MappingProxyType(facts | {name: found for name in _PACKAGES if (found := _version(name))})


def write_record(path: Path, record: Record) -> None:
    """Replace the record in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "command": record.command,
        "commit": record.commit,
        "date": record.date,
        "machine": dict(record.machine),
        "figures": dict(record.figures),
    }
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    unfinished.replace(path)


def read_record(path: Path) -> Record | None:
    """The record in a file; None where there is no file."""
    if not path.exists():
        return None
    document = json.loads(path.read_text())
    return Record(
        document["command"],
        document["commit"],
        document["date"],
        MappingProxyType(document["machine"]),
        MappingProxyType(document["figures"]),
    )


def records(*kinds: Kind) -> list[Record]:
    """The records that there are, of these kinds, in this order."""
    return [record for kind in kinds if (record := read_record(kind.path)) is not None]


def _named(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
