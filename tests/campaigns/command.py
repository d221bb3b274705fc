"""Run what is left of a campaign, on all cores, and record each piece."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from click import echo
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.campaigns.campaign import Campaign, Outcome
from tests.campaigns.catalogue import CAMPAIGNS
from tests.campaigns.readme import write_table
from tests.campaigns.record import RESULTS, Range, Record, read_record, write_record

_CHECKOUT = Path(__file__).resolve().parents[2]
_NO_RECORDS = tuple(
    f":(exclude){path}" for path in ("tests/campaigns/results", "scripts/benchmark/results", "README.md")
)


def commit_here(*, without_records: bool = False) -> str:
    """The git commit of this checkout, with "-dirty" behind it when files were changed since."""
    where = ["--", ".", *_NO_RECORDS] if without_records else []
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", *where)
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git checkout)"
    return commit + "-dirty" * bool(changed)


def _git(*arguments: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=_CHECKOUT, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def lines_of(campaign: Campaign, record: Record) -> list[str]:
    """What a record says, for people."""
    outcome = record.outcome
    numbers = [f"{name:<28} {count:>16,}" for name, count in outcome.counts.items()]
    numbers += [f"{'largest ' + name:<28} {count:>16,}" for name, count in outcome.largest.items()]
    commits = ", ".join(dict.fromkeys(known.commit for known in record.ranges))
    return [
        f"{campaign.name}: {campaign.about}",
        f"{'units':<28} {record.units:>16,} of {campaign.units:,}",
        *numbers,
        f"{'processor time':<28} {sum(known.cpu_s for known in record.ranges):>16,} s",
        f"{'commits':<28} {commits or 'none'}",
        f"{'violations':<28} {len(outcome.violations):>16,}",
        *outcome.violations,
    ]


def run_campaign(
    name: str, *, jobs: int, chunks_max: int | None = None, directory: Path = RESULTS, clean: bool = True
) -> int:
    """Run what the record of a campaign lacks, at most `chunks_max` chunks.

    Returns 0: nothing was ever violated, 1: something was, 2: it was asked wrongly. With `clean` a checkout with
    changes is refused: nobody could repeat what is recorded.
    """
    campaign = CAMPAIGNS.get(name)
    if campaign is None:
        echo(f"there is no campaign {name!r}; there are: {', '.join(CAMPAIGNS)}", err=True)
        return 2
    commit = commit_here(without_records=True)
    if clean and commit.endswith("-dirty"):
        echo(
            "files were changed since the last commit: what is recorded now could not be repeated. Commit first.",
            err=True,
        )
        return 2
    path = directory / f"{name}.json"
    record = read_record(path)
    missing = [chunk for chunk in campaign.chunks() if not record.has(*chunk)][:chunks_max]
    record = _run_chunks(campaign, record, missing, commit=commit, jobs=jobs, path=path)
    if directory == RESULTS:
        write_table(_CHECKOUT / "README.md")
    echo("\n".join(lines_of(campaign, record)))
    return 1 if record.outcome.violations else 0


def _run_chunks(
    campaign: Campaign, record: Record, missing: list[tuple[int, int]], *, commit: str, jobs: int, path: Path
) -> Record:
    console = Console(stderr=True)
    columns = (TextColumn(campaign.name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks = [(campaign.name, first, last) for first, last in missing]
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=console))
        bar = progress.add_task(campaign.name, total=campaign.units, completed=record.units)
        outcomes = map(_run_chunk, tasks)
        if jobs > 1 and len(tasks) > 1:
            outcomes = stack.enter_context(multiprocessing.Pool(jobs)).imap_unordered(_run_chunk, tasks)
        for first, last, cpu_s, outcome in outcomes:
            record = record.with_range(Range(first, last, commit, platform.python_version(), cpu_s, outcome))
            write_record(path, record)
            progress.update(bar, completed=record.units)
            for violation in outcome.violations:
                console.print(f"VIOLATION {violation}", highlight=False, markup=False)
    return record


def _run_chunk(task: tuple[str, int, int]) -> tuple[int, int, int, Outcome]:
    name, first, last = task
    started_s = time.process_time()
    outcome = CAMPAIGNS[name].run(first, last)
    return first, last, round(time.process_time() - started_s), outcome
