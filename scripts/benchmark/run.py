"""One run: found a network, load it, measure, and say what it means in ratios to the machine's own rates."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import aiohttp

from benchmark import machine
from benchmark.load import Counter, Load, saturate
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


QUICK = Plan(transactions=8_000, repetitions=3, singles=300)
FULL = Plan(transactions=20_000, repetitions=5, singles=1_000)


@dataclass(frozen=True, slots=True)
class Saturation:
    """One repetition of the saturation run, between two measurements of the verification rate.

    The speed of a shared machine changes from minute to minute, so the ratios are to the mean of both.
    """

    efficiency: float
    ratio: float
    verify_per_cpu_second: float
    verify_per_second_all_cores: float
    transactions_per_second: float
    cpu_seconds_per_transaction: float
    client_cpu_seconds: float
    transactions_per_block: float
    foreign_load: float


def run(plan: Plan, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Do everything and return the figures (the names are those of `--output json`)."""
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        layout = Layout(Path(directory) / "network", VALIDATORS, base_port)
        say("measuring the disk's syncs")
        sync_ms = machine.sync_ms_p50(Path(directory))
        genesis = found(layout, None, Parameters())
        with Processes(layout) as processes:
            say(f"starting {VALIDATORS} validators")
            processes.start()
            pids = [int((layout.validator_home(i) / "node.pid").read_text()) for i in range(VALIDATORS)]
            urls = [f"http://{layout.api(index)}" for index in range(VALIDATORS)]
            load = Load(genesis.chain, load_signing_key(layout.home / "council.pem"), urls)
            say(f"one client, one transaction at a time: {plan.singles}")
            latencies = asyncio.run(_one_by_one(load, plan.singles))
            runs = []
            before = machine.verification_rate()
            for _ in range(plan.repetitions):
                say(f"signing {plan.transactions} transactions, then sending them in batches")
                loaded = asyncio.run(_saturated(load, plan.transactions, pids))
                after = machine.verification_rate()
                runs.append(_saturation(loaded, before, after))
                say(f"  efficiency {runs[-1].efficiency:.3f}, {runs[-1].transactions_per_second:.0f} transactions/s")
                before = after
            sent = plan.singles + plan.repetitions * plan.transactions
            bytes_per = machine.directory_bytes(layout.validator_home(0) / "data") / sent
            memory = max(map(machine.peak_memory_bytes, pids))
    median = {field.name: statistics.median(getattr(item, field.name) for item in runs) for field in fields(Saturation)}
    quantiles = statistics.quantiles(latencies, n=100)
    return {
        "efficiency": round(median["efficiency"], 3),
        "ratio": round(median["ratio"], 3),
        "transactions_per_second": round(median["transactions_per_second"]),
        "transactions_per_block": round(median["transactions_per_block"]),
        "microseconds_per_transaction_and_validator": round(
            median["cpu_seconds_per_transaction"] / VALIDATORS * 1e6, 1
        ),
        "commit_ms_p50": round(statistics.median(latencies), 2),
        "commit_ms_p99": round(quantiles[98], 2),
        "verify_per_cpu_second": round(median["verify_per_cpu_second"]),
        "verify_per_second_all_cores": round(median["verify_per_second_all_cores"]),
        "sync_ms_p50": round(sync_ms, 3),
        "bytes_per_transaction_and_node": round(bytes_per),
        "memory_bytes_max": memory,
        "foreign_load": round(max(item.foreign_load for item in runs), 3),
        "validators": VALIDATORS,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
    }


async def _one_by_one(load: Load, count: int) -> list[float]:
    """Register the clients; then the latencies (ms) of one client that sends one transaction at a time."""
    async with aiohttp.ClientSession() as session:
        await load.prepare(session)
        return [
            1_000 * await load.commit_one(session, load.urls[number % VALIDATORS], envelope)
            for number, envelope in enumerate(load.records(count))
        ]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the validators did between the first and the last tenth of a load."""

    used: machine.Usage
    committed: int
    blocks: int


async def _saturated(load: Load, count: int, pids: list[int]) -> _Loaded:
    """Send `count` transactions in batches; the first and last tenth warm up and run out, and are not measured."""
    envelopes = load.records(count)
    counter = Counter()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        following = group.create_task(counter.follow(session, load.urls[0]))
        await counter.changed.wait()  # the newest block is told at once
        edge, first = count // 10, counter.committed
        sending = group.create_task(saturate(session, load.urls, envelopes, counter, in_flight_max=IN_FLIGHT_MAX))

        async def reached(committed: int) -> tuple[machine.Usage, int, int]:
            while counter.committed - first < committed:
                counter.changed.clear()
                await asyncio.wait_for(counter.changed.wait(), 60)
            return machine.usage(pids), counter.committed, counter.blocks

        start, start_count, start_blocks = await reached(edge)
        end, end_count, end_blocks = await reached(count - edge)
        await sending
        following.cancel()
    return _Loaded(end.since(start), end_count - start_count, end_blocks - start_blocks)


def _saturation(loaded: _Loaded, before: machine.VerificationRate, after: machine.VerificationRate) -> Saturation:
    """The figures of one repetition."""
    rate = (before.per_cpu_second + after.per_cpu_second) / 2
    all_cores = (before.all_cores + after.all_cores) / 2
    cpu_seconds = loaded.used.validators / loaded.committed
    per_second = loaded.committed / loaded.used.wall
    return Saturation(
        efficiency=VALIDATORS / rate / cpu_seconds,
        ratio=per_second * VALIDATORS / all_cores,
        verify_per_cpu_second=rate,
        verify_per_second_all_cores=all_cores,
        transactions_per_second=per_second,
        cpu_seconds_per_transaction=cpu_seconds,
        client_cpu_seconds=loaded.used.own,
        transactions_per_block=loaded.committed / max(1, loaded.blocks),
        foreign_load=loaded.used.foreign_load,
    )
