"""As much as the network takes: efficiency, ratio, and operations per second.

A closed loop: batches of 100, spread over all validators, with a bounded number of transactions not yet committed. The
first and the last tenth warm up and run out, and are not measured.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import aiohttp

from benchmark import machine
from benchmark.load import Counter, saturate
from benchmark.network import Network

IN_FLIGHT_MAX = 4_000
OPERATIONS = 32  # in a transaction, where operations are counted
OPERATIONS_IN_FLIGHT_MAX = 32_000


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


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the validators did between the first and the last tenth of a load."""

    used: machine.Usage
    committed: int
    blocks: int


def repeated(
    network: Network,
    make: Callable[[int], Sequence[bytes]],
    count: int,
    repetitions: int,
    say: Callable[[str], None],
) -> Saturation:
    """Send `count` transactions that `make` (of the network's load) makes, so many times; of each figure the median."""
    runs = []
    before = machine.verification_rate()
    for _ in range(repetitions):
        say(f"signing {count} transactions, then sending them in batches")
        loaded = asyncio.run(saturated(network, make(count)))
        after = machine.verification_rate()
        runs.append(_saturation(loaded, network.layout.validators, before, after))
        say(f"  efficiency {runs[-1].efficiency:.3f}, {runs[-1].transactions_per_second:.0f} transactions/s")
        before = after
    return Saturation(
        **{field.name: statistics.median(getattr(item, field.name) for item in runs) for field in fields(Saturation)}
    )


def operations(network: Network, count: int, say: Callable[[str], None]) -> dict[str, object]:
    """Operations per second with OPERATIONS in each of `count` transactions."""
    say(f"signing {count} transactions of {OPERATIONS} operations, then sending them in batches")
    envelopes = network.load.records(count, OPERATIONS)
    loaded = asyncio.run(saturated(network, envelopes, OPERATIONS_IN_FLIGHT_MAX // OPERATIONS))
    done = loaded.committed * OPERATIONS
    return {
        "operations_per_second": round(done / loaded.used.wall),
        "operations_per_block": round(done / max(1, loaded.blocks)),
        "operations_microseconds_per_operation_and_validator": round(
            loaded.used.validators / done / network.layout.validators * 1e6, 2
        ),
        "operations_foreign_load": round(loaded.used.foreign_load, 3),
    }


async def saturated(
    network: Network, envelopes: Sequence[bytes], in_flight_max: int = IN_FLIGHT_MAX, *, senders: int = 1
) -> Loaded:
    """Send these in batches, with so many `senders` to each validator, and measure between the first and the last
    tenth."""
    count, pids, counter = len(envelopes), network.pids, Counter()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        following = group.create_task(counter.follow(session, network.url(0)))
        await counter.changed.wait()  # the newest block is told at once
        edge, first = count // 10, counter.committed
        urls = network.urls * senders
        sending = group.create_task(saturate(urls, envelopes, counter, in_flight_max=in_flight_max))

        async def reached(committed: int) -> tuple[machine.Usage, int, int]:
            await counter.reached(first + committed)
            return machine.usage(pids), counter.committed, counter.blocks

        start, start_count, start_blocks = await reached(edge)
        end, end_count, end_blocks = await reached(count - edge)
        await sending
        following.cancel()
    return Loaded(end.since(start), end_count - start_count, end_blocks - start_blocks)


def _saturation(
    loaded: Loaded, validators: int, before: machine.VerificationRate, after: machine.VerificationRate
) -> Saturation:
    """The figures of one repetition."""
    rate = (before.per_cpu_second + after.per_cpu_second) / 2
    all_cores = (before.all_cores + after.all_cores) / 2
    cpu_seconds = loaded.used.validators / loaded.committed
    per_second = loaded.committed / loaded.used.wall
    return Saturation(
        efficiency=validators / rate / cpu_seconds,
        ratio=per_second * validators / all_cores,
        verify_per_cpu_second=rate,
        verify_per_second_all_cores=all_cores,
        transactions_per_second=per_second,
        cpu_seconds_per_transaction=cpu_seconds,
        client_cpu_seconds=loaded.used.own,
        transactions_per_block=loaded.committed / max(1, loaded.blocks),
        foreign_load=loaded.used.foreign_load,
    )
