"""A validator is killed under load: how long no block comes, in base timeouts, and how often its absence is paid for.

First one that has just led, so that three heights go on before its turn comes; started again, and level with the
others, it stays last in the order for long. Then the one whose turn is next. The load does not slow down meanwhile: it
is half of what four can take, sent to those that live, and all of it must be committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import aiohttp

from benchmark.latency import HALF
from benchmark.load import BATCH, Counter, paced
from benchmark.network import Network
from benchmark.samples import Arrival, longest_pause, rounds_failed
from ledger.chain import leader_order
from ledger.parameters import Parameters
from ledger.rows.settings import Leaders

WATCHED = 0  # whose events are followed; it is never killed
FOLLOWER = 1
LEADER = 2
BEFORE_SECONDS = 1.5
AFTER_TIMEOUTS = 3
TURNS_MIN = 3  # that the dead one must have had afterwards, for "once" to say anything


async def run(network: Network, maximum: float, say: Callable[[str], None]) -> dict[str, object]:
    """Kill a follower and then a leader, at half of `maximum` transactions a second; the figures by name."""
    say(f"killing v{FOLLOWER} after its turn, at half load")
    follower = await _kill(network, maximum, FOLLOWER, Leaders(()), after_its_turn=True)
    await asyncio.to_thread(network.processes.start_again, FOLLOWER)
    await _level(network, FOLLOWER)
    say(f"killing v{LEADER} before its turn, at half load")
    failed = Leaders(((f"v{FOLLOWER}", follower.height),))
    leader = await _kill(network, maximum, LEADER, failed, after_its_turn=False)
    await asyncio.to_thread(network.processes.start_again, LEADER)
    return {
        "follower_killed_pause_timeouts": round(follower.pause_timeouts, 2),
        "leader_killed_pause_timeouts": round(leader.pause_timeouts, 2),
        "killed_rounds_failed_max": max(follower.rounds_failed, leader.rounds_failed),
        "killed_blocks_after": min(follower.blocks_after, leader.blocks_after),
        "base_timeout_ms": Parameters().base_timeout_ms,
    }


class Killed:
    """What came of a kill, from the blocks that were told of: `height` is that of the block after which it happened."""

    def __init__(self, arrivals: Sequence[Arrival], at: float, stop: float, validators: int) -> None:
        base_seconds = Parameters().base_timeout_ms / 1_000
        self.height = max(arrival.height for arrival in arrivals if arrival.at <= at)
        self.pause_timeouts = longest_pause(arrivals, at, stop) / base_seconds
        self.rounds_failed = rounds_failed(arrivals, at, stop)
        self.blocks_after = sum(at < arrival.at < stop for arrival in arrivals)
        if self.blocks_after < TURNS_MIN * validators:
            raise RuntimeError(f"only {self.blocks_after} blocks came after a validator was killed")


async def _kill(network: Network, maximum: float, victim: int, failed: Leaders, *, after_its_turn: bool) -> Killed:
    """Kill `victim` under load, right after the block that it led or before the one that it leads."""
    parameters, count = Parameters(), network.layout.validators
    names = [f"v{index}" for index in range(count)]
    seconds = BEFORE_SECONDS + AFTER_TIMEOUTS * parameters.base_timeout_ms / 1_000
    envelopes = network.load.records(round(HALF * maximum * seconds / BATCH) * BATCH)
    urls = [url for index, url in enumerate(network.urls) if index != victim]
    counter = Counter()

    def its_turn() -> bool:
        newest = counter.arrivals[-1]
        if after_its_turn:
            return newest.proposer == names[victim]
        return leader_order(names, failed, newest.height + 1, parameters.demotion_heights)[0] == victim

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        following = group.create_task(counter.follow(session, network.url(WATCHED)))
        await counter.changed.wait()
        sending = group.create_task(paced(urls, envelopes, per_second=HALF * maximum))
        await asyncio.sleep(BEFORE_SECONDS)
        while not its_turn():
            await counter.next_block()
        at = counter.arrivals[-1].at
        network.processes.kill(victim)
        await sending
        stop = time.perf_counter()
        following.cancel()
    return Killed(counter.arrivals, at, stop, count)


async def _level(network: Network, index: int) -> None:
    """Return when a validator has all blocks that the watched one had when asked."""
    counter = Counter()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        wanted = await _height(session, network.url(WATCHED))
        following = group.create_task(counter.follow(session, network.url(index)))
        await counter.changed.wait()
        while counter.arrivals[-1].height < wanted:
            await counter.next_block()
        following.cancel()


async def _height(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(f"{url}/v1/status") as answer:
        status = await answer.json()
    height: int = status["head"]["height"]
    return height
