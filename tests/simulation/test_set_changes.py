"""Seeds in which the validator set changes while everything goes wrong; a file of its own, to run beside the others."""

from __future__ import annotations

import pytest

from tests.simulation.run import run
from tests.simulation.test_simulation import CHUNK
from tests.simulation.violation import Violation

SEEDS = 60


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_is_violated_and_every_network_recovers(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            run(seed, changes=True)
        except Violation as violation:
            pytest.fail(f"{violation}\nreplay: scripts/simulate --seed {seed} --changes --trace")


def test_a_seed_gives_the_same_trace_again() -> None:
    assert run(4, changes=True).digest == run(4, changes=True).digest != run(4).digest
