"""`scripts/soak`: what it takes, and what it writes."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import tempfile
import time
from pathlib import Path

import click

from tests.campaigns.command import commit_here
from tests.integration.faults.plan import draw_plan
from tests.integration.faults.run import ViolationError, run


@click.command(add_help_option=False)
@click.option("--seed", type=int, default=None)
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None)
def _soak(seed: int | None, minutes: float, out: Path | None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: processes and disks are cleared away
    plan = draw_plan(secrets.randbelow(1_000_000) if seed is None else seed, round(60 * minutes, 1))
    click.echo(f"scripts/soak --seed {plan.seed} --minutes {minutes}    commit {commit_here()}")
    begun = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - begun:6.1f}] {text}")

    with tempfile.TemporaryDirectory(prefix="quorum-ledger-soak-", ignore_cleanup_errors=True) as home:
        try:
            report = asyncio.run(run(plan, Path(home), say))
        except ViolationError as error:
            click.echo(f"VIOLATED: {error}", err=True)
            return 1
    line = json.dumps({"commit": commit_here(), **report.document()})
    click.echo(line)
    if out is not None:
        with out.open("a") as file:
            file.write(line + "\n")
    return 0


def main(arguments: list[str]) -> int:
    """Run with the arguments of a command line; the exit code."""
    return int(_soak.main(arguments, prog_name="scripts/soak", standalone_mode=False))
