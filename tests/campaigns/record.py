"""The record of a campaign: a JSON file in the repository, one entry for each range that one commit ran."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from tests.campaigns.campaign import NOTHING, Outcome

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Range:
    """Units `first` to `last` - 1, run by `commit` (git, 12 hex digits) under `python`; `cpu_s` is processor time."""

    first: int
    last: int
    commit: str
    python: str
    cpu_s: int
    outcome: Outcome

    def joins(self, later: Range) -> bool:
        """Whether `later` goes on where this ends, run by the same."""
        return self.last == later.first and (self.commit, self.python) == (later.commit, later.python)

    def join(self, later: Range) -> Range:
        """Both as one."""
        return replace(self, last=later.last, cpu_s=self.cpu_s + later.cpu_s, outcome=self.outcome + later.outcome)


@dataclass(frozen=True, slots=True)
class Record:
    """All ranges that were run, in order, none twice."""

    ranges: tuple[Range, ...] = ()

    def has(self, first: int, last: int) -> bool:
        """Whether the units from `first` to `last` - 1 were run."""
        return any(known.first <= first and last <= known.last for known in self.ranges)

    def with_range(self, new: Range) -> Record:
        """This record, and a range that it does not have yet."""
        joined: list[Range] = []
        for known in sorted((*self.ranges, new), key=lambda known: known.first):
            if joined and joined[-1].joins(known):
                joined[-1] = joined[-1].join(known)
            else:
                assert not joined or joined[-1].last <= known.first, "no unit is recorded twice"
                joined.append(known)
        return Record(tuple(joined))

    @property
    def units(self) -> int:
        """How many units were run."""
        return sum(known.last - known.first for known in self.ranges)

    @property
    def outcome(self) -> Outcome:
        """What all of them came to."""
        return sum((known.outcome for known in self.ranges), NOTHING)


def read_record(path: Path) -> Record:
    """The record in a file; none where there is no file."""
    if not path.exists():
        return Record()
    return Record(
        tuple(
            Range(
                entry["first"],
                entry["last"],
                entry["commit"],
                entry["python"],
                entry["cpu_s"],
                Outcome(entry["counts"], entry["largest"], tuple(entry["violations"])),
            )
            for entry in json.loads(path.read_text())["ranges"]
        )
    )


def write_record(path: Path, record: Record) -> None:
    """Replace the file: a reader, and a machine that loses power, find the old one or the new one."""
    entries = [
        {
            "first": known.first,
            "last": known.last,
            "commit": known.commit,
            "python": known.python,
            "cpu_s": known.cpu_s,
            "counts": dict(known.outcome.counts),
            "largest": dict(known.outcome.largest),
            "violations": list(known.outcome.violations),
        }
        for known in record.ranges
    ]
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.write(json.dumps({"ranges": entries}, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
