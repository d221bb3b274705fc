"""How long a commit takes: for one client alone, over 32 connections, and at half of what the network takes at most."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from benchmark import machine
from benchmark.load import BATCH, paced
from benchmark.network import Network
from benchmark.samples import quantile
from benchmark.submitting import Submitter

CONNECTIONS = 32
HALF = 0.5


async def one_client(network: Network, count: int) -> dict[str, object]:
    """One client that sends one transaction at a time, to one validator after the other."""
    seconds = await one_client_seconds(network, count)
    return {"commit_ms_p50": _ms(seconds, 0.5), "commit_ms_p99": _ms(seconds, 0.99)}


async def one_client_seconds(network: Network, count: int) -> list[float]:
    """What each of its commits took."""
    async with AsyncExitStack() as stack:
        submitters = [await stack.enter_async_context(Submitter(url)) for url in network.urls]
        return [
            (await submitters[number % len(submitters)].commit(envelope)).seconds
            for number, envelope in enumerate(network.load.records(count))
        ]


async def one_by_one(network: Network, count: int) -> dict[str, object]:
    """CONNECTIONS clients, each with a connection that is kept and the same number of transactions, one at a time."""
    urls, envelopes = network.urls, network.load.records(count)
    seconds: list[float] = []
    heights: set[int] = set()

    async def client(number: int) -> None:
        async with Submitter(urls[number % len(urls)]) as submitter:
            for envelope in envelopes[number::CONNECTIONS]:
                committed = await submitter.commit(envelope)
                seconds.append(committed.seconds)
                heights.add(committed.height)

    before, started = machine.usage(network.pids), time.perf_counter()
    await asyncio.gather(*map(client, range(CONNECTIONS)))
    elapsed, used = time.perf_counter() - started, machine.usage(network.pids).since(before)
    assert len(seconds) == count
    return {
        "singles_per_second": round(count / elapsed),
        "singles_per_block": round(count / len(heights), 1),
        "singles_ms_p50": _ms(seconds, 0.5),
        "singles_ms_p99": _ms(seconds, 0.99),
        "singles_validators_cpu_microseconds": round(used.validators / count * 1e6),
        "singles_client_cpu_microseconds": round(used.own / count * 1e6),
        "singles_foreign_load": round(used.foreign_load, 3),
    }


async def at_half_load(network: Network, maximum: float, seconds: float) -> dict[str, object]:
    """Batches at half of `maximum` transactions a second, for so many `seconds`: p50 and p99 of their commit."""
    per_second = HALF * maximum
    envelopes = network.load.records(max(1, round(per_second * seconds / BATCH)) * BATCH)
    before = machine.usage(network.pids)
    latencies = await paced(network.urls, envelopes, per_second=per_second)
    used = machine.usage(network.pids).since(before)
    return {
        "half_load_transactions_per_second": round(len(envelopes) / used.wall),
        "half_load_ms_p50": _ms(latencies, 0.5),
        "half_load_ms_p99": _ms(latencies, 0.99),
        "half_load_foreign_load": round(used.foreign_load, 3),
    }


def _ms(seconds: list[float], share: float) -> float:
    return round(1_000 * quantile(seconds, share), 2)
