"""One sender sends as much as it can, and another one transaction at a time: how many blocks the other waits for.

The block that is being decided when a transaction is sent cannot have it, so that one is not counted: a delay of 1
means the next. Which one that is, the event streams of all validators say: the first that has the block before counts,
because busy as they are they tell of it late. Nothing is measured while less than a block of the flood waits, in
mempools or in front of them: there is no queue to stand in then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from benchmark.load import Counter
from benchmark.network import Network
from benchmark.submitting import Submitter
from ledger.limits import BLOCK_TRANSACTIONS_MAX

FLOODER = 0
OTHER = 1
BATCH = 500
CONNECTIONS_PER_VALIDATOR = 3
FLOOD = 15_000
DELAYS_MIN = 5


@dataclass(slots=True)
class _Flood:
    """Batches that are still to be sent, and how many transactions of it were sent at least once."""

    left: list[list[bytes]]
    sent: int = 0


async def run(network: Network, say: Callable[[str], None]) -> dict[str, object]:
    """Flood the network; the figures by name."""
    say(f"one sender floods with {FLOOD} transactions")
    load, counters = network.load, [Counter() for _ in network.urls]
    counter = counters[0]
    key = load.client_key(FLOODER)
    envelopes = [load.sign(f"client{FLOODER}", key, [load.record(FLOODER, n)]) for n in range(FLOOD)]
    flood = _Flood([envelopes[start : start + BATCH] for start in range(0, FLOOD, BATCH)])
    delays: list[int] = []
    seconds: list[float] = []
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        following = [
            group.create_task(item.follow(session, url)) for item, url in zip(counters, network.urls, strict=True)
        ]
        await asyncio.gather(*(item.changed.wait() for item in counters))
        first = counter.committed
        senders = [
            group.create_task(_flood(url, flood)) for url in network.urls for _ in range(CONNECTIONS_PER_VALIDATOR)
        ]
        turn = 0
        while counter.committed < first + FLOOD + turn:
            if flood.sent - (counter.committed - first - turn) <= BLOCK_TRANSACTIONS_MAX:
                await counter.next_block()
                continue
            envelope = load.sign(f"client{OTHER}", load.client_key(OTHER), [load.record(OTHER, turn)])
            before = max(item.arrivals[-1].height for item in counters)
            async with Submitter(network.urls[turn % len(network.urls)]) as submitter:
                committed = await submitter.commit(envelope)
            delays.append(committed.height - before - 1)
            seconds.append(committed.seconds)
            turn += 1
        await asyncio.gather(*senders)
        await counter.reached(first + FLOOD + turn)
        for task in following:
            task.cancel()
    if len(delays) < DELAYS_MIN:
        raise RuntimeError(f"a block of the flood waited for {len(delays)} transactions of the other sender only")
    return {
        "flood_delay_blocks_max": max(delays),
        "flood_delay_ms_max": round(1_000 * max(seconds)),
        "flood_delays": len(delays),
    }


async def _flood(url: str, flood: _Flood) -> None:
    """Send batches until none is left; what there is no room for is offered again, as a stubborn client does."""
    async with Submitter(url) as submitter:
        while flood.left:
            left = flood.left.pop()
            flood.sent += len(left)
            while left:
                left = await submitter.offer(left)
                await asyncio.sleep(0.01 if left else 0)
