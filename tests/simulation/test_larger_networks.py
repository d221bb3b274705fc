"""Seeds over the larger networks, in a file of their own so that they run beside the small ones."""

from __future__ import annotations

import pytest

from tests.simulation.test_simulation import chunks, run_chunk

SEEDS = (((5, 3), 180), ((5, 4), 180), ((7, 5), 80))


@pytest.mark.parametrize(("n", "q", "first"), chunks(SEEDS))
def test_nothing_is_violated_and_every_network_recovers(n: int, q: int, first: int) -> None:
    run_chunk(n, q, first)
