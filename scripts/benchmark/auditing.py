"""How fast `quorum-audit ledger` audits an export: the command as people run it, from its start to its end.

The chain is that of `catching_up`. `audit_ratio` is transactions per second of wall time to the verifications per
second of all cores; `audit_efficiency` the share of its CPU time, workers included, that is unavoidable verification,
which is also meaningful on a machine that has other work.

An installed command has its bytecode, and so has this one, whatever the environment of the measurement says about
writing it: an audit of the first block comes before the one that is measured.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark import machine
from benchmark.catching_up import found_chain
from node.devnet import Layout

_BIN = Path(sys.executable).parent


def run(count: int, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Build a chain of `count` transactions, export it, audit the export, and return the figures by name."""
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as name:
        directory = Path(name)
        layout = Layout(directory / "network", 1, base_port)
        say(f"building a chain of {count} transactions and exporting it")
        found_chain(layout, count, say)
        commands = _Commands(directory / "bytecode")
        commands.run("quorum-node", "export", directory / "chain.jsonl", "--home", layout.validator_home(0))
        audit = ("quorum-audit", "ledger", directory / "chain.jsonl", "--genesis", layout.genesis)
        commands.run(*audit, "--state", directory / "first", "--to-height", 1)
        before = machine.verification_rate()
        say("auditing it")
        used, started = _cpu_seconds_of_children(), time.perf_counter()
        commands.run(*audit, "--state", directory / "audit")
        seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds_of_children() - used
        after = machine.verification_rate()
    rate = (before.per_cpu_second + after.per_cpu_second) / 2
    all_cores = (before.all_cores + after.all_cores) / 2
    return {
        "audit_ratio": round(count / seconds / all_cores, 3),
        "audit_efficiency": round(count / rate / cpu_seconds, 3),
        "audit_transactions_per_second": round(count / seconds),
        "audit_microseconds_per_transaction": round(cpu_seconds / count * 1e6, 1),
        "audit_verify_per_cpu_second": round(rate),
        "audit_verify_per_second_all_cores": round(all_cores),
    }


class _Commands:
    """Commands of this environment, which keep their bytecode in a directory."""

    def __init__(self, bytecode: Path) -> None:
        self._environment = os.environ | {"PYTHONPYCACHEPREFIX": os.fspath(bytecode), "PYTHONDONTWRITEBYTECODE": ""}

    def run(self, name: str, *arguments: object) -> None:
        """Run one to its end. Raises `CalledProcessError` when it fails."""
        subprocess.run(
            [_BIN / name, *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )


def _cpu_seconds_of_children() -> float:
    """Of all that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
