"""A run depends on its seed alone (I18): the same trace again, in other processes, however strings are hashed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.__main__ import main
from tests.simulation.run import run

CHECKOUT = Path(__file__).resolve().parents[2]
SEEDS = 30
"""One in a hundred of those that are run; the last changes the validator set."""

_PROGRAM = f"""
from tests.simulation.run import run
for seed in range({SEEDS}):
    print(seed, run(seed, changes=seed == {SEEDS - 1}).digest)
"""


def digests(hash_seed: str) -> list[str]:
    """The trace of each seed, run by a process that hashes strings by this seed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(CHECKOUT)}
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()


def test_a_seed_gives_the_same_trace_under_every_hash_seed() -> None:
    first, second = digests("0"), digests("4242")
    assert len(first) == SEEDS
    assert first == second


def test_another_seed_gives_another_trace_and_watching_changes_nothing() -> None:
    lines: list[str] = []
    assert run(3, n=3, q=2, show=lines.append).digest == run(3, n=3, q=2).digest != run(4, n=3, q=2).digest
    assert any(" append " in line for line in lines)


def test_the_command_prints_seed_commit_and_draws_first() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "5", "--n", "1", "--q", "1"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["seed", "commit", "n", "q"]
    assert lines[-1].split()[1] == run(5, n=1, q=1).digest


def test_a_range_of_seeds_runs_to_its_end() -> None:
    assert main(["--seeds", "0:3", "--n", "1", "--q", "1", "--jobs", "1"]) == 0
