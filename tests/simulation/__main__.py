"""The command of the simulator: replay one seed, or run many on all cores. See `scripts/simulate`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from click import echo
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.campaigns.command import commit_here, run_campaign
from tests.simulation.plan import Plan
from tests.simulation.run import Report, run
from tests.simulation.violation import Violation


@dataclass(frozen=True, slots=True)
class Task:
    """One seed to run; `n` and `q` are drawn when they are None; with `changes` the validator set changes."""

    seed: int
    n: int | None
    q: int | None
    changes: bool

    def replay(self) -> str:
        """The command that shows this run."""
        fixed = "" if self.n is None else f" --n {self.n} --q {self.q}"
        return f"scripts/simulate --seed {self.seed}{fixed}{' --changes' * self.changes} --trace"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0: nothing was violated, 1: something was, 2: it was asked wrongly."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="replay this one")
    which.add_argument("--seeds", metavar="A:B", help="run all from A to B - 1, until one fails")
    which.add_argument("--campaign", metavar="NAME", help="run what the record of this campaign lacks")
    which.add_argument("--mutants", action="store_true", help="kill every mutant, and write the table of who did")
    parser.add_argument("--n", type=int, help="validators, instead of a draw; with --q")
    parser.add_argument("--q", type=int, help="quorum, instead of a draw; with --n")
    parser.add_argument("--changes", action="store_true", help="change the validator set while it runs")
    parser.add_argument("--trace", action="store_true", help="one line per event (columns: tests/simulation/trace.py)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    given = parser.parse_args(arguments)
    if (given.n is None) != (given.q is None):
        parser.error("--n and --q go together")
    if given.n is not None and not (0 < given.n < 2 * given.q <= 2 * given.n):
        parser.error(f"a quorum of {given.q} of {given.n} breaks n/2 < q <= n")
    if given.campaign is not None:
        return run_campaign(given.campaign, jobs=given.jobs)
    if given.mutants:
        from tests.mutants.command import kill_all

        return kill_all(given.jobs)
    if given.seed is not None:
        return _replay(Task(given.seed, given.n, given.q, given.changes), trace=given.trace)
    first, separator, last = given.seeds.partition(":")
    if not (separator and first.isdigit() and last.isdigit() and int(first) < int(last)):
        parser.error("--seeds takes A:B, with A below B")
    tasks = [Task(seed, given.n, given.q, given.changes) for seed in range(int(first), int(last))]
    return _run_all(tasks, max(1, given.jobs))


def _replay(task: Task, *, trace: bool) -> int:
    """One seed, in words."""

    def show_plan(plan: Plan) -> None:
        echo(f"seed                 {task.seed}")
        echo(f"commit               {commit_here()}")
        echo("\n".join(plan.lines()))

    try:
        report = run(
            task.seed, n=task.n, q=task.q, changes=task.changes, show=echo if trace else None, show_plan=show_plan
        )
    except Violation as violation:
        echo(f"VIOLATION            {violation}")
        return 1
    echo(f"height               {report.height}")
    echo(f"events               {report.events}")
    echo(f"simulated_ms         {report.simulated_ms}")
    echo(f"recovery_ms          {report.recovery_ms}")
    slowest = report.slowest
    echo(f"slowest height       {slowest.took_ms} ms of a bound of {slowest.bound_ms} (tests/simulation/bound.py)")
    echo(f"power cuts           {report.cuts}")
    echo(f"accusations          {report.accusations}")
    for kind, count in report.faults.items():
        echo(f"fault                {count} x {kind}")
    echo(f"digest               {report.digest}")
    return 0


def _attempt(task: Task) -> tuple[Task, Report | str]:
    try:
        return task, run(task.seed, n=task.n, q=task.q, changes=task.changes)
    except Violation as violation:
        return task, str(violation)


def _run_all(tasks: list[Task], jobs: int) -> int:
    """Many seeds on many cores; the first violation ends it."""
    console, started = Console(stderr=True), time.monotonic()
    console.print(
        f"seeds {tasks[0].seed}:{tasks[-1].seed + 1} at commit {commit_here()}, {jobs} processes", highlight=False
    )
    events = heights = faults = permille = height_ms = done = 0
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=console))
        bar = progress.add_task("seeds", total=len(tasks))
        outcomes: Iterable[tuple[Task, Report | str]] = map(_attempt, tasks)
        if jobs > 1:
            outcomes = stack.enter_context(multiprocessing.Pool(jobs)).imap_unordered(_attempt, tasks)
        for task, outcome in outcomes:
            progress.advance(bar)
            done += 1
            if isinstance(outcome, str):
                progress.stop()
                echo(f"VIOLATION in seed {task.seed}: {outcome}\nreplay: {task.replay()}")
                return 1
            events, heights = events + outcome.events, heights + outcome.height
            faults += sum(outcome.faults.values())
            permille = max(permille, outcome.slowest.permille)
            height_ms = max(height_ms, outcome.slowest.took_ms)
    seconds = time.monotonic() - started
    echo(
        f"{done} seeds, {events} events, {faults} faults, {heights} heights in {seconds:.0f} s "
        f"({done / seconds:.1f} seeds/s); no violation; after healing the slowest height took {height_ms} "
        f"simulated ms, and none more than {permille / 10} % of its bound"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
