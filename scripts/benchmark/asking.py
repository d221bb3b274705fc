"""What a query takes while blocks are committed at half of the maximum load: 32 connections, each at its own pace.

Each connection asks four times a second, for one kind of thing after the other, and a time is measured from when it
was to ask: a node that stands still for a while makes all of them late, and cannot hide it by answering fewer. All
validators are asked, or the one there is. Those who ask are a process of their own, so that they do not wait for the
load generator; both share the machine with the validators.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from typing import Any

import orjson

from benchmark import machine
from benchmark.api_connection import ApiConnection
from benchmark.latency import HALF
from benchmark.load import BATCH, CLIENTS, paced
from benchmark.network import Network
from benchmark.samples import quantile

CONNECTIONS = 32
EACH_PER_SECOND = 4
IDS = 200  # transactions that are asked for, chosen among all


def under_load(network: Network, maximum: float, seconds: float) -> dict[str, float]:
    """Ask for so many `seconds` at half of `maximum` transactions a second: ms_p50, ms_p99, and that of each kind."""
    per_second = HALF * maximum
    envelopes = network.load.records(max(1, round(per_second * seconds / BATCH)) * BATCH)
    here, there = multiprocessing.Pipe()
    asking = multiprocessing.Process(target=_serve, args=(network.urls, seconds, there), daemon=True)
    asking.start()
    there.close()  # so that it is noticed when that process ends without an answer
    here.recv()  # it knows what there is to ask for
    pids = [*network.pids, asking.pid or 0]
    before = machine.usage(pids)
    here.send(None)
    asyncio.run(paced(network.urls, envelopes, per_second=per_second))
    times: dict[str, list[float]] = here.recv()
    used = machine.usage(pids).since(before)
    here.send(None)  # it has been looked at, and may end
    asking.join()
    return _figures(times, used.foreign_load)


def _serve(urls: Sequence[str], seconds: float, parent: Connection) -> None:
    """What the process does that asks: get ready and say so, ask when it is told to, and end when it is told to."""
    parent.send(asyncio.run(_ask(urls, seconds, parent)))
    parent.recv()


async def _ask(urls: Sequence[str], seconds: float, parent: Connection) -> dict[str, list[float]]:
    """What each answer took, in ms, by kind."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(ApiConnection(urls[number % len(urls)])) for number in range(CONNECTIONS)
        ]
        paths = await _paths(connections[0])
        parent.send(None)
        parent.recv()
        kinds, started = list(paths), time.perf_counter()
        times: dict[str, list[float]] = {kind: [] for kind in kinds}

        async def ask(number: int) -> None:
            turn, due = number, started + number / (CONNECTIONS * EACH_PER_SECOND)
            while due < started + seconds:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                kind = kinds[turn % len(kinds)]
                answer = await connections[number].get(paths[kind]())
                times[kind].append(1_000 * (time.perf_counter() - due))
                assert answer.status == 200, (kind, answer.body[:500])
                turn += 1
                due += 1 / EACH_PER_SECOND

        await asyncio.gather(*map(ask, range(CONNECTIONS)))
    return times


def _figures(times: Mapping[str, Sequence[float]], foreign_load: float) -> dict[str, float]:
    together = [value for values in times.values() for value in values]
    return {
        "ms_p50": round(quantile(together, 0.5), 2),
        "ms_p99": round(quantile(together, 0.99), 2),
        **{f"ms_p99_{kind}": round(quantile(values, 0.99), 2) for kind, values in times.items()},
        "asked": len(together),
        "foreign_load": round(foreign_load, 3),
    }


async def _paths(connection: ApiConnection) -> Mapping[str, Callable[[], str]]:
    """What is asked, by kind: a path whose parts are chosen at random each time, the same in every run."""
    chosen = random.Random(7)

    async def get(path: str) -> Any:
        return orjson.loads((await connection.get(path)).body)

    height = (await get("/v1/status"))["head"]["height"]
    count = (await get(f"/v1/blocks/{height}"))["header"]["log_size"]
    proofs = [await get(f"/v1/proofs/inclusion?index={chosen.randrange(count)}") for _ in range(IDS)]
    ids = [proof["leaf"]["transaction_id"] for proof in proofs]

    def client() -> str:
        return f"client{chosen.randrange(CLIENTS)}"

    return {
        "block": lambda: f"/v1/blocks/{1 + chosen.randrange(height)}",
        "transaction": lambda: f"/v1/transactions/{chosen.choice(ids)}",
        "receipt": lambda: f"/v1/transactions/{chosen.choice(ids)}/receipt",
        "state_proof": lambda: f"/v1/accounts/{client()}?proof=1",
        "page": lambda: f"/v1/transactions?account={client()}",
    }
