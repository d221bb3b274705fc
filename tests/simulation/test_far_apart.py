"""Validators that are far apart: how many delays a height takes, and that no round fails because of them.

Time passes on links alone, all of which have one delay. The simulation's base timeout is a tenth of the default one, so
10 ms here are as 100 ms there.
"""

from __future__ import annotations

import pytest

from ledger.consensus.codec import decode_commit_record
from ledger.limits import BASE_TIMEOUT_MS_DEFAULT
from tests.simulation.plan import BASE_TIMEOUT_MS
from tests.simulation.stalls import Stall
from tests.simulation.test_stalls import started

HEIGHTS = 12
SIZES = ((4, 3, 2), (7, 5, 1))  # with a seed whose chain has no heartbeat for a minute


@pytest.mark.parametrize(("n", "q", "seed"), SIZES)
def test_a_transaction_is_committed_four_delays_after_a_follower_got_it_and_three_after_the_leader_did(
    n: int, q: int, seed: int
) -> None:
    delay_ms = 10
    with started(seed, n, q, bad=0) as stall:
        quieten(stall, delay_ms)
        took = [commit_ms(stall, 0) for _ in range(n)]
    assert sorted(took) == [3 * delay_ms] + [4 * delay_ms] * (n - 1), "each leads one of n heights"


@pytest.mark.parametrize(("n", "q", "seed"), SIZES)
@pytest.mark.parametrize("delay_ms", [100, 400])
def test_no_round_fails_and_heights_follow_each_other_in_three_delays(n: int, q: int, seed: int, delay_ms: int) -> None:
    delay_ms = delay_ms * BASE_TIMEOUT_MS // BASE_TIMEOUT_MS_DEFAULT
    with started(seed, n, q, bad=0) as stall:
        quieten(stall, delay_ms)
        world, first = stall.world, stall.height
        begun = world.now_ms
        while stall.height < first + HEIGHTS:
            for machine in world.machines:
                world.submit(machine, world.submitted)
            stall.run(delay_ms)
        assert world.now_ms - begun <= (3 * HEIGHTS + 4) * delay_ms
        chain = world.machines[0].durable_chain()
        rounds = [decode_commit_record(chain.record(height)).certificate.round for height in range(first, stall.height)]
    assert rounds == [0] * len(rounds)


def quieten(stall: Stall, delay_ms: int) -> None:
    """Nothing is submitted any more, everything is committed, and links have their delay."""
    assert stall.world.plan.heartbeat_ms > 10_000
    stall.submits = False
    stall.run(2_000)
    stall.links.delay_ms = delay_ms


def commit_ms(stall: Stall, index: int) -> int:
    """How long a transaction that is submitted to one machine takes until it is durable there; then nothing is left."""
    world, number = stall.world, stall.world.submitted
    machine, begun = world.machines[index], world.now_ms
    world.submit(machine, number)
    world.run_until(begun + 2_000, lambda: world.has_committed(machine, number))
    took = world.now_ms - begun
    stall.run(1_000)
    return took
