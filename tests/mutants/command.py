"""Kill all mutants, on all cores, and write down how: `scripts/simulate --mutants`."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

from click import echo
from rich.console import Console
from rich.progress import track

from tests.campaigns.command import commit_here
from tests.mutants.catalogue import MUTANTS
from tests.mutants.killers import CrashPoints, Killer, Seen, Simulated
from tests.mutants.killing import Kill, kill
from tests.mutants.mutant import Mutant

TABLE = Path(__file__).parent / "table.md"


def kill_all(jobs: int, *, path: Path = TABLE, mutants: tuple[Mutant, ...] = MUTANTS) -> int:
    """Returns 0 when all are killed by each of their killers, 1 otherwise; the table is written in any case."""
    pairs = [(mutant, killer) for mutant in mutants for killer in mutant.killers]
    with ExitStack() as stack:
        outcomes: Iterable[_Outcome] = (_kill(pair) for pair in pairs)
        if jobs > 1:
            assert mutants is MUTANTS, "other processes know these by number"
            pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork"))
            outcomes = stack.enter_context(pool).map(_kill_numbered, range(len(pairs)))
        shown = track(outcomes, "mutants", total=len(pairs), console=Console(stderr=True))
        kills, complaints = [], []
        for (mutant, killer), (seen, cpu_s, complaint) in zip(pairs, shown, strict=True):
            kills.append(Kill(mutant, killer, seen, cpu_s))
            if seen is None:
                complaints.append(f"ALIVE {mutant.name}: {complaint or f'{killer} sees nothing'}")
    path.write_text("\n".join(lines_of(kills)) + "\n")
    echo("\n".join([*complaints, summary(kills)]))
    return 1 if complaints else 0


_Outcome: TypeAlias = tuple[Seen | None, float, str]
"""What was seen, seconds of processor time, and what went wrong otherwise."""


def _kill(pair: tuple[Mutant, Killer]) -> _Outcome:
    try:
        found = kill(*pair)
    except AssertionError as error:
        return None, 0.0, str(error).splitlines()[-1]
    return found.seen, found.cpu_s, ""


def _kill_numbered(number: int) -> _Outcome:
    return _kill([(mutant, killer) for mutant in MUTANTS for killer in mutant.killers][number])


def summary(kills: list[Kill]) -> str:
    """One sentence about all."""
    taken = [item.cpu_s for item in kills if item.seen is not None]
    mutants = len({item.mutant.name for item in kills})
    return (
        f"{mutants} mutants, {len(taken)} of {len(kills)} kills; seconds of processor time to a kill: "
        f"median {statistics.median(taken):.1f}, longest {max(taken):.1f}"
    )


def lines_of(kills: list[Kill]) -> list[str]:
    """The table, as it stands in the repository."""
    rows = []
    for item in kills:
        known = ", ".join(map(str, item.mutant.rows))
        by, after = ("**nobody**", "") if item.seen is None else (item.seen.by, item.seen.after)
        by = f"simulator, {by}" if isinstance(item.killer, Simulated) else by
        by = f"crash points, {by}" if isinstance(item.killer, CrashPoints) else by
        rows.append(f"| {item.mutant.name} | {known} | {by} | {after} | {item.cpu_s:.2f} |")
    return [
        "# Mutants and who kills them",
        "",
        f"{summary(kills)}.",
        "",
        f"Commit {commit_here()}, written by `scripts/simulate --mutants`; rows are known failures in the field.",
        "",
        "| mutant | rows | seen by | after | s |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
