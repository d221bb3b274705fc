"""Seven validators, side by side and far apart: what a delay of 50 and of 100 ms between any two of them costs.

The delay is that of one direction: what is sent arrives so much later, in TCP's order, through proxies between the
nodes (`proxies`). Each distance has the same network, the same load, and a chain that goes on; without proxies it is
measured on a network of its own, so that what the proxies cost is seen.

A height takes three delays, one after the other: the proposal to everybody, everybody's prepare votes to everybody,
everybody's commit votes to everybody; who leads the next height has the block at the end of the third. Before them a
transaction takes one to get to the leader. (Exactly so: tests/simulation/test_far_apart.py.) While votes are on their
way validators verify what comes for the next block, so that a delay costs less than itself where CPU time is short, as
it is here; with small blocks it is not, and what a block takes then is the delays and little else.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import aiohttp

from benchmark.latency import one_client_seconds
from benchmark.load import Counter
from benchmark.network import Network, running
from benchmark.proxies import Proxies
from benchmark.samples import quantile
from benchmark.saturation import saturated
from ledger.parameters import Parameters
from node.devnet import Layout

VALIDATORS = 7
DELAYS_MS = (0, 50, 100)
SMALL_BLOCK = 250  # transactions
_SMALL_BLOCK_DELAYS_MS = (0, 100)
NAMES = {
    "direct": "side by side",
    **{f"delay_{ms}": f"{ms} ms each way" for ms in DELAYS_MS},
    **{f"small_blocks_{ms}": f"{ms} ms each way, blocks of {SMALL_BLOCK}" for ms in _SMALL_BLOCK_DELAYS_MS},
}
"""What is measured, in words, by how its figures' names begin. What has a number of ms goes through proxies."""

_LINK_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """For each distance: transactions under load, and of one client that sends one at a time."""

    transactions: int
    singles: int


@dataclass(frozen=True, slots=True)
class Distance:
    """What one distance came to: under load, but for `commit_ms` of one client alone. `cpu_share` of all cores is the
    validators'; the proxies' is part of `foreign_load`."""

    transactions_per_second: int
    transactions_per_block: int
    block_ms: float
    commit_ms_p50: float
    commit_ms_p99: float
    rounds_failed: int
    cpu_share: float
    foreign_load: float


QUICK = Plan(7_000, 20)
FULL = Plan(14_000, 100)


def run(plan: Plan, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Measure everything in NAMES (the names are those of `--output json`)."""
    measured = {}

    def measure(name: str, network: Network) -> None:
        say(f"{VALIDATORS} validators, {NAMES[name]}")
        measured[name] = asyncio.run(_loaded(network, plan))
        say(f"  {measured[name].transactions_per_second} tx/s, {measured[name].block_ms} ms a block")

    with running(base_port, validators=VALIDATORS) as network:
        measure("direct", network)
    with _far_apart(base_port, Parameters()) as (network, proxies):
        for delay_ms in DELAYS_MS:
            proxies.delay(delay_ms)
            measure(f"delay_{delay_ms}", network)
    with _far_apart(base_port, Parameters(block_transactions_max=SMALL_BLOCK)) as (network, proxies):
        for delay_ms in _SMALL_BLOCK_DELAYS_MS:
            proxies.delay(delay_ms)
            measure(f"small_blocks_{delay_ms}", network)
    return {
        "validators": VALIDATORS,
        "base_timeout_ms": Parameters().base_timeout_ms,
        **{f"{name}_{figure}": value for name, item in measured.items() for figure, value in asdict(item).items()},
    }


@contextmanager
def _far_apart(base_port: int, parameters: Parameters) -> Iterator[tuple[Network, Proxies]]:
    """A network, and the proxies between its validators."""
    with ExitStack() as stack:
        proxies: list[Proxies] = []

        def through_proxies(layout: Layout) -> None:
            proxies.append(stack.enter_context(Proxies(layout)))
            proxies[0].dial_through()

        network = running(base_port, validators=VALIDATORS, parameters=parameters, prepare=through_proxies)
        yield stack.enter_context(network), proxies[0]


async def _loaded(network: Network, plan: Plan) -> Distance:
    """One client, then as much as the network takes; and how often a round failed meanwhile."""
    heard = Counter()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        await _linked(session, network)
        following = group.create_task(heard.follow(session, network.url(0)))
        await heard.next_block()  # the newest block is told at once
        if heard.committed == 0:
            await network.load.prepare()
        before, first = len(heard.arrivals), heard.committed
        single = await one_client_seconds(network, plan.singles)
        loaded = await saturated(network, network.load.records(plan.transactions))
        await heard.reached(first + plan.singles + plan.transactions)
        following.cancel()
    return Distance(
        transactions_per_second=round(loaded.committed / loaded.used.wall),
        transactions_per_block=round(loaded.committed / loaded.blocks),
        block_ms=round(1_000 * loaded.used.wall / loaded.blocks, 1),
        commit_ms_p50=round(1_000 * quantile(single, 0.5), 1),
        commit_ms_p99=round(1_000 * quantile(single, 0.99), 1),
        rounds_failed=sum(arrival.round for arrival in heard.arrivals[before:]),
        cpu_share=round(loaded.used.validators / loaded.used.wall / (os.cpu_count() or 1), 3),
        foreign_load=round(loaded.used.foreign_load, 3),
    )


async def _linked(session: aiohttp.ClientSession, network: Network) -> None:
    """Return when every validator is linked to every other."""
    deadline = time.monotonic() + _LINK_SECONDS_MAX
    for url in network.urls:
        while True:
            async with session.get(f"{url}/readyz?minPeers={VALIDATORS - 1}") as answer:
                if answer.status == 200:
                    break
            assert time.monotonic() < deadline, f"{url} is not linked to all others"
            await asyncio.sleep(0.1)
