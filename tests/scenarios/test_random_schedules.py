"""Random schedules: frames are delivered in any order, dropped and repeated; nodes die around votes and come back.

After every step the driver asserts agreement, that nothing signed is evidence, that promises are durable and that
locks hold. At the end the network heals and must commit. A failing schedule is run again by its parameters: it is a
function of (n, q, seed) alone.
"""

from __future__ import annotations

import random

import pytest

from tests.scenarios.driver.node import CrashPoint
from tests.scenarios.driver.world import World

STEPS = 400
FLIGHT_MAX = 200
SIZES = [(1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (5, 4)]


def disturb(world: World, choose: random.Random) -> None:
    """One random step."""
    node = choose.choice(world.nodes)
    match choose.randrange(20):
        case 0:
            node.add_work(f"t{choose.randrange(1_000)}")
        case 1 | 2:
            world.pass_time(choose.choice((1, 100, 700, 2_500)), delivering=False)
        case 3 if node.engine is not None:
            world.crash(node.index)
        case 4 | 5 | 6 if node.engine is None:
            world.restart(node.index)
        case 7 if node.engine is not None:
            kind = choose.choice(("proposal", "prepare", "commit", "timeout"))
            sends = choose.randrange(len(world.nodes))
            world.arm(node.index, CrashPoint(kind, choose.choice(("before", "after")), sends))
        case 8 if len(world.nodes) > 1:
            split = choose.sample(range(len(world.nodes)), choose.randrange(1, len(world.nodes)))
            world.groups = [set(split), set(range(len(world.nodes))) - set(split)]
        case 9:
            world.groups = []
        case 10 | 11 if world.flight:
            world.flight.remove(choose.choice(world.flight))
        case 12 if world.flight:
            frame = choose.choice(world.flight)
            world.deliver(frame)
            world.flight.append(frame)  # delivered twice
        case _ if world.flight:
            world.deliver(choose.choice(world.flight))
    while len(world.flight) > FLIGHT_MAX:
        world.flight.pop(choose.randrange(len(world.flight)))


def schedule(count: int, quorum: int, seed: int) -> World:
    """Disturb a network, then let it heal and demand a commit, twice."""
    choose = random.Random(f"{count},{quorum},{seed}")
    world = World(count, quorum, base_ms=1_000)
    for node in world.nodes:
        node.clock_offset_ms = choose.choice((0, 0, 0, -3_600_000, 3_600_000))
    world.nodes[0].add_work("first")
    for _ in range(STEPS):
        disturb(world, choose)
    spare = choose.randint(0, count - quorum)
    for index in choose.sample(range(count), spare):
        world.dead.add(index)
        world.crash(index)
    for node in world.nodes:
        node.crash_point = None
    for _ in range(2):
        world.network_commits((spare + 3) * world.timing.timeout_ms_max)
    return world


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "quorum"), SIZES)
def test_no_schedule_breaks_an_invariant(count: int, quorum: int, seed: int) -> None:
    world = schedule(count, quorum, seed)
    assert not world.evidence
    assert world.committed


def test_a_schedule_is_deterministic() -> None:
    assert schedule(4, 3, 17).trace == schedule(4, 3, 17).trace
