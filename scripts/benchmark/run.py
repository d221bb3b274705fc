"""One run: found a network, load it, measure, and say what it means in ratios to the machine's own rates."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmark import machine
from benchmark.load import Counter, Load, saturate
from ledger.genesis import Genesis
from ledger.parameters import Parameters
from node.devnet import Layout, Processes, found
from node.identity import load_signing_key

VALIDATORS = 4
IN_FLIGHT_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is: transactions of the saturation run, its repetitions, and single submissions."""

    transactions: int
    repetitions: int
    singles: int


QUICK = Plan(transactions=12_000, repetitions=1, singles=200)
FULL = Plan(transactions=30_000, repetitions=3, singles=500)


@dataclass(frozen=True, slots=True)
class Saturation:
    """One repetition of the saturation run."""

    transactions_per_second: float
    cpu_seconds_per_transaction: float
    client_cpu_seconds: float
    transactions_per_block: float
    foreign_load: float


def run(plan: Plan, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Do everything and return the figures (the names are those of `--output json`)."""
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        layout = Layout(Path(directory) / "network", VALIDATORS, base_port)
        say("measuring the machine: signature verification and disk syncs")
        before = machine.verification_rate()
        sync_ms = machine.sync_ms_p50(Path(directory))
        genesis = found(layout, None, Parameters())
        with Processes(layout) as processes:
            say(f"starting {VALIDATORS} validators")
            processes.start()
            pids = [int((layout.validator_home(i) / "node.pid").read_text()) for i in range(VALIDATORS)]
            runs, latencies, bytes_per = asyncio.run(
                _load(plan=plan, layout=layout, genesis=genesis, pids=pids, say=say)
            )
            memory = max(map(machine.peak_memory_bytes, pids))
        after = machine.verification_rate()  # the speed of a shared machine changes: V is the mean of both
    rate = (before.per_cpu_second + after.per_cpu_second) / 2
    all_cores = (before.all_cores + after.all_cores) / 2
    best = max(runs, key=lambda item: item.transactions_per_second)
    cpu_seconds = statistics.median(item.cpu_seconds_per_transaction for item in runs)
    quantiles = statistics.quantiles(latencies, n=100)
    return {
        "efficiency": round(VALIDATORS / rate / cpu_seconds, 3),
        "ratio": round(best.transactions_per_second * VALIDATORS / all_cores, 3),
        "transactions_per_second": round(best.transactions_per_second),
        "transactions_per_block": round(best.transactions_per_block),
        "microseconds_per_transaction_and_validator": round(cpu_seconds / VALIDATORS * 1e6, 1),
        "commit_ms_p50": round(statistics.median(latencies), 2),
        "commit_ms_p99": round(quantiles[98], 2),
        "verify_per_cpu_second": round(rate),
        "verify_per_second_all_cores": round(all_cores),
        "sync_ms_p50": round(sync_ms, 3),
        "bytes_per_transaction_and_node": round(bytes_per),
        "memory_bytes_max": memory,
        "foreign_load": round(max(item.foreign_load for item in runs), 3),
        "validators": VALIDATORS,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
    }


async def _load(
    *, plan: Plan, layout: Layout, genesis: Genesis, pids: list[int], say: Callable[[str], None]
) -> tuple[list[Saturation], list[float], float]:
    """The saturation runs, the latencies (ms) of single submissions, and stored bytes per transaction and node."""
    urls = [f"http://{layout.api(index)}" for index in range(VALIDATORS)]
    load = Load(genesis.chain, load_signing_key(layout.home / "council.pem"), urls)
    counter = Counter()
    async with aiohttp.ClientSession() as session:
        await load.prepare(session)
        following = asyncio.create_task(counter.follow(session, urls[0]))
        try:
            say(f"one client, one transaction at a time: {plan.singles}")
            singles = load.records(plan.singles)
            latencies = [
                1_000 * await load.commit_one(session, urls[number % VALIDATORS], envelope)
                for number, envelope in enumerate(singles)
            ]
            runs = []
            for _ in range(plan.repetitions):
                say(f"signing {plan.transactions} transactions, then sending them in batches")
                runs.append(
                    await _saturation(load=load, session=session, counter=counter, pids=pids, count=plan.transactions)
                )
            stored = machine.directory_bytes(layout.validator_home(0) / "data") / max(1, counter.committed)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    return runs, latencies, stored


async def _saturation(
    *, load: Load, session: aiohttp.ClientSession, counter: Counter, pids: list[int], count: int
) -> Saturation:
    """One saturation run; its first and last tenth warm up and run out, and are not measured."""
    envelopes = load.records(count)
    edge, first = count // 10, counter.committed
    sending = asyncio.create_task(saturate(session, load.urls, envelopes, counter, in_flight_max=IN_FLIGHT_MAX))

    async def reached(committed: int) -> tuple[machine.Usage, int, int]:
        while counter.committed - first < committed:
            if sending.done():
                await sending
            counter.changed.clear()
            await asyncio.wait_for(counter.changed.wait(), 60)
        return machine.usage(pids), counter.committed, counter.blocks

    start, start_count, start_blocks = await reached(edge)
    end, end_count, end_blocks = await reached(count - edge)
    await sending
    used, committed = end.since(start), end_count - start_count
    return Saturation(
        transactions_per_second=committed / used.wall,
        cpu_seconds_per_transaction=used.validators / committed,
        client_cpu_seconds=used.own,
        transactions_per_block=committed / max(1, end_blocks - start_blocks),
        foreign_load=used.foreign_load,
    )
