"""Seeds over all quorums of small networks; `test_larger_networks` has the others. Each failure names its replay."""

from __future__ import annotations

import pytest

from tests.simulation.run import run
from tests.simulation.violation import Violation

CHUNK = 20
SEEDS = (((1, 1), 400), ((2, 2), 600), ((3, 2), 700), ((3, 3), 400), ((4, 3), 400))
"""With those of `test_larger_networks` and `test_set_changes`, 3,000. Their signatures are real ones, each of which is
verified once for all machines of a run: what a made-up scheme would save besides is not a tenth of the time."""


def chunks(seeds: tuple[tuple[tuple[int, int], int], ...]) -> list[tuple[int, int, int]]:
    """(n, q, first seed) of each chunk."""
    return [(n, q, first) for (n, q), count in seeds for first in range(0, count, CHUNK)]


def run_chunk(n: int, q: int, first: int) -> None:
    """Run `CHUNK` seeds."""
    for seed in range(first, first + CHUNK):
        try:
            run(seed, n=n, q=q)
        except Violation as violation:
            pytest.fail(f"{violation}\nreplay: scripts/simulate --seed {seed} --n {n} --q {q} --trace")


@pytest.mark.parametrize(("n", "q", "first"), chunks(SEEDS))
def test_nothing_is_violated_and_every_network_recovers(n: int, q: int, first: int) -> None:
    run_chunk(n, q, first)
