"""What a query takes on a short chain and on a long one: single items and whole pages, over HTTP, one by one.

Both nodes run at once and are asked in turn, so that whatever else the machine does, it does to both. CPU time is that
of the node's process, and steadier than the time on the clock.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

from benchmark import machine
from benchmark.api_connection import ApiConnection
from benchmark.building import BLOCK_TRANSACTIONS, RECORDS_PER_KEY, entity_keys
from benchmark.load import CLIENTS, STREAMS
from benchmark.network import Network
from benchmark.samples import quantile

SHORT = 10_000
REQUESTS = 300  # of each form
PATHS = 50  # of each form and chain, chosen at random; each is asked once before anything is measured

Form: TypeAlias = tuple[str, str]
"""(single or page, what the path looks like)."""


@dataclass(slots=True)
class _Asked:
    """A node with a chain of `count` transactions, and what its answers took: ms on the clock, CPU ms, by form."""

    name: str
    connection: ApiConnection
    pid: int
    forms: Mapping[Form, Callable[[], str]]
    wall_ms: dict[Form, list[float]] = field(default_factory=dict)
    cpu_ms: dict[Form, float] = field(default_factory=dict)


def ask_both(short: Network, long: Network, count: int) -> dict[str, object]:
    """Ask both, of which `long` has `count` transactions; the figures by name. A ratio is long to short."""
    nodes = asyncio.run(_ask_both(short, long, count))
    figures: dict[str, object] = {}
    for kind in ("single", "page"):
        p99, cpu = [], []
        for node in nodes:
            times = [value for form, values in node.wall_ms.items() if form[0] == kind for value in values]
            p99.append(quantile(times, 0.99))
            cpu.append(statistics.mean(value for form, value in node.cpu_ms.items() if form[0] == kind))
            figures[f"{kind}_ms_p50_{node.name}"] = round(quantile(times, 0.5), 3)
            figures[f"{kind}_ms_p99_{node.name}"] = round(p99[-1], 3)
            figures[f"{kind}_cpu_ms_{node.name}"] = round(cpu[-1], 3)
        figures[f"{kind}_p99_ratio"] = round(p99[1] / p99[0], 2)
        figures[f"{kind}_cpu_ratio"] = round(cpu[1] / cpu[0], 2)
    few, many = nodes
    for form in few.wall_ms:
        figures[" ".join(form)] = (
            f"p99 {quantile(few.wall_ms[form], 0.99):.2f} -> {quantile(many.wall_ms[form], 0.99):.2f} ms, "
            f"CPU {few.cpu_ms[form]:.2f} -> {many.cpu_ms[form]:.2f} ms"
        )
    return figures


async def _ask_both(short: Network, long: Network, count: int) -> tuple[_Asked, _Asked]:
    async with ApiConnection(short.url(0)) as to_short, ApiConnection(long.url(0)) as to_long:
        nodes = (
            await _asked("short", to_short, short.pid(0), SHORT),
            await _asked("long", to_long, long.pid(0), count),
        )
        for form in nodes[0].forms:
            paths = [[node.forms[form]() for _ in range(PATHS)] for node in nodes]
            for node, asked in zip(nodes, paths, strict=True):
                # What a process reads for the first time, and verifies then, is another matter; a short chain of which
                # everything was read would be compared with a long one of which most was not.
                for path in asked:
                    await _ask(node, path)
                node.wall_ms[form] = []
            before = [machine.usage([node.pid]).validators for node in nodes]
            for number in range(REQUESTS):
                for node, asked in zip(nodes, paths, strict=True):
                    node.wall_ms[form].append(await _ask(node, asked[number % PATHS]))
            for node, seconds in zip(nodes, before, strict=True):
                node.cpu_ms[form] = 1_000 * (machine.usage([node.pid]).validators - seconds) / REQUESTS
    return nodes


async def _asked(name: str, connection: ApiConnection, pid: int, count: int) -> _Asked:
    chosen = random.Random(7)
    ids = [await _some_id(connection, chosen.randrange(count)) for _ in range(50)]
    return _Asked(name, connection, pid, _forms(ids, count, chosen))


async def _ask(node: _Asked, path: str) -> float:
    """Ask once: the milliseconds on the clock."""
    started = time.perf_counter()
    answer = await node.connection.get(path)
    assert answer.status in (200, 404), (path, answer.body[:500])
    return 1_000 * (time.perf_counter() - started)


async def _some_id(connection: ApiConnection, index: int) -> str:
    answer = await connection.get(f"/v1/proofs/inclusion?index={index}")
    found: str = orjson.loads(answer.body)["leaf"]["transaction_id"]
    return found


def _forms(ids: list[str], count: int, chosen: random.Random) -> dict[Form, Callable[[], str]]:
    """What is asked: by kind and form, a path with its parts chosen at random each time."""
    height = count // BLOCK_TRANSACTIONS

    def client() -> str:
        return f"client{chosen.randrange(CLIENTS)}"

    def stream() -> str:
        return f"bench{chosen.randrange(STREAMS)}"

    def entity() -> tuple[str, str]:
        """A stream and one of its entity keys."""
        number = chosen.randrange(entity_keys(count))
        return f"bench{number % STREAMS}", f"order-{number}"

    def from_height() -> int:
        return chosen.randrange(height)

    def to_height() -> int:
        """With a whole page of blocks below."""
        return chosen.randrange(RECORDS_PER_KEY, height)

    def latest() -> str:
        stream, key = entity()
        return f"/v1/streams/{stream}/latest?key={key}&proof=1"

    def by_key() -> str:
        stream, key = entity()
        return f"/v1/streams/{stream}/records?key={key}"

    return {
        ("single", "/v1/transactions/{id}"): lambda: f"/v1/transactions/{chosen.choice(ids)}",
        ("single", "/v1/transactions/{id}/receipt"): lambda: f"/v1/transactions/{chosen.choice(ids)}/receipt",
        ("single", "/v1/blocks/{block}/certificate"): lambda: f"/v1/blocks/{from_height() + 1}/certificate",
        ("single", "/v1/accounts/{account}"): lambda: f"/v1/accounts/{client()}",
        ("single", "/v1/accounts/{account}?height="): lambda: f"/v1/accounts/{client()}?height={from_height() + 3}",
        ("single", "/v1/accounts/{account}?proof=1"): lambda: f"/v1/accounts/{client()}?proof=1",
        ("single", "/v1/streams/{stream}/latest?key=&proof=1"): latest,
        ("single", "/v1/streams/{stream}/records/{revision}"): lambda: (
            f"/v1/streams/{stream()}/records/{1 + chosen.randrange(count // STREAMS)}"
        ),
        ("single", "/v1/proofs/inclusion?index="): lambda: f"/v1/proofs/inclusion?index={chosen.randrange(count)}",
        ("page", "/v1/transactions"): lambda: "/v1/transactions",
        ("page", "/v1/transactions?account="): lambda: f"/v1/transactions?account={client()}",
        ("page", "/v1/transactions?account=&from_height="): lambda: (
            f"/v1/transactions?account={client()}&from_height={from_height()}&order=asc"
        ),
        ("page", "/v1/transactions?account=&stream="): lambda: _two_subjects(chosen),
        ("page", "/v1/transactions?account=&stream= (never together)"): lambda: _two_subjects(chosen, together=False),
        ("page", "/v1/transactions?type=&to_height="): lambda: (
            f"/v1/transactions?type=record.append&to_height={to_height()}"
        ),
        ("page", "/v1/blocks?to_height="): lambda: f"/v1/blocks?to_height={to_height()}",
        ("page", "/v1/streams/{stream}/records?to_height="): lambda: (
            f"/v1/streams/{stream()}/records?to_height={to_height()}"
        ),
        ("page", "/v1/streams/{stream}/records?key="): by_key,
        ("page", "/v1/state/versions?key="): lambda: f"/v1/state/versions?key=stream/{stream()}",
    }


def _two_subjects(chosen: random.Random, *, together: bool = True) -> str:
    client = chosen.randrange(CLIENTS)
    return f"/v1/transactions?account=client{client}&stream=bench{(client + (not together)) % STREAMS}"
