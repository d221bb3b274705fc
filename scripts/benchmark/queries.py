"""What a query takes on a short chain and on a long one: single items and whole pages, over HTTP, one by one."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import orjson

from benchmark.building import BLOCK_TRANSACTIONS, ENTITY_KEYS, build
from benchmark.load import CLIENTS, STREAMS
from ledger.parameters import Parameters
from node.config import FILE_NAME, load
from node.devnet import Layout, Processes, found
from node.home import data_paths, open_home
from node.identity import load_signing_key

SHORT = 10_000
REQUESTS = 300  # of each kind
_DAY_MS = 24 * 3_600_000


def run(count: int, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Build and ask both chains; the figures by name. A ratio is long to short."""
    results = {size: _on_a_chain_of(size, base_port, say) for size in (SHORT, count)}
    figures: dict[str, object] = {"transactions_short": SHORT, "transactions_long": count}
    for kind in ("single", "page"):
        for size, name in ((SHORT, "short"), (count, "long")):
            merged = [value for (of, _), values in results[size].items() if of == kind for value in values]
            figures[f"{kind}_ms_p50_{name}"] = round(statistics.median(merged), 3)
            figures[f"{kind}_ms_p99_{name}"] = round(_p99(merged), 3)
    for kind in ("single", "page"):
        short, long = figures[f"{kind}_ms_p99_short"], figures[f"{kind}_ms_p99_long"]
        assert isinstance(short, float)
        assert isinstance(long, float)
        figures[f"{kind}_p99_ratio"] = round(long / short, 2)
    for of, path in results[SHORT]:
        short_p99, long_p99 = (_p99(results[size][of, path]) for size in (SHORT, count))
        figures[f"{of} {path}"] = f"p99 {short_p99:.2f} -> {long_p99:.2f} ms"
    return figures


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _on_a_chain_of(count: int, base_port: int, say: Callable[[str], None]) -> dict[tuple[str, str], list[float]]:
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        layout = Layout(Path(directory) / "network", 1, base_port)
        genesis = found(layout, None, Parameters(heartbeat_ms=_DAY_MS))
        config = load(layout.validator_home(0) / FILE_NAME)
        assert config.consensus_key_path is not None
        say(f"building a chain of {count} transactions, {BLOCK_TRANSACTIONS} in a block")
        started = time.perf_counter()
        store, _ = open_home(config)
        council, consensus = load_signing_key(layout.home / "council.pem"), load_signing_key(config.consensus_key_path)
        build(store, genesis, council=council, consensus_key=consensus, count=count, say=say)
        store.close()
        say(f"  {time.perf_counter() - started:.0f} s; {_bytes(data_paths(config).database) / 1e6:.0f} MB")
        with Processes(layout) as processes:
            processes.start()
            say("asking")
            return asyncio.run(_ask_all(f"http://{layout.api(0)}", count))


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


async def _ask_all(url: str, count: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of each request, by kind and form of the path."""
    chosen = random.Random(7)
    async with aiohttp.ClientSession() as session:
        ids = [await _some_id(session, url, chosen.randrange(count)) for _ in range(50)]
        height = count // BLOCK_TRANSACTIONS

        def client() -> str:
            return f"client{chosen.randrange(CLIENTS)}"

        def stream() -> str:
            return f"bench{chosen.randrange(STREAMS)}"

        def key() -> str:
            return f"order-{chosen.randrange(ENTITY_KEYS)}"

        def from_height() -> int:
            return chosen.randrange(height)

        forms: dict[tuple[str, str], Callable[[], str]] = {
            ("single", "/v1/transactions/{id}"): lambda: f"/v1/transactions/{chosen.choice(ids)}",
            ("single", "/v1/transactions/{id}/receipt"): lambda: f"/v1/transactions/{chosen.choice(ids)}/receipt",
            ("single", "/v1/blocks/{block}/certificate"): lambda: f"/v1/blocks/{from_height() + 1}/certificate",
            ("single", "/v1/accounts/{account}"): lambda: f"/v1/accounts/{client()}",
            ("single", "/v1/accounts/{account}?height="): lambda: f"/v1/accounts/{client()}?height={from_height() + 3}",
            ("single", "/v1/accounts/{account}?proof=1"): lambda: f"/v1/accounts/{client()}?proof=1",
            ("single", "/v1/streams/{stream}/latest?key=&proof=1"): lambda: (  # or the proof that it is not there
                f"/v1/streams/{stream()}/latest?key={key()}&proof=1"
            ),
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
            ("page", "/v1/transactions?account=&stream= (never together)"): lambda: _two_subjects(
                chosen, together=False
            ),
            ("page", "/v1/transactions?type=&to_height="): lambda: (
                f"/v1/transactions?type=record.append&to_height={from_height()}"
            ),
            ("page", "/v1/blocks?to_height="): lambda: f"/v1/blocks?to_height={from_height()}",
            ("page", "/v1/streams/{stream}/records?to_height="): lambda: (
                f"/v1/streams/{stream()}/records?to_height={from_height() + 3}"
            ),
            ("page", "/v1/streams/{stream}/records?key="): lambda: f"/v1/streams/{stream()}/records?key={key()}",
            ("page", "/v1/state/versions?key="): lambda: f"/v1/state/versions?key=stream/{stream()}",
        }
        taken: dict[tuple[str, str], list[float]] = {}
        for form, path in forms.items():
            await _ask(session, url, path(), 10)  # what is read for the first time in a process is another matter
            taken[form] = [await _ask(session, url, path(), 1) for _ in range(REQUESTS)]
        return taken


def _two_subjects(chosen: random.Random, *, together: bool = True) -> str:
    client = chosen.randrange(CLIENTS)
    return f"/v1/transactions?account=client{client}&stream=bench{(client + (not together)) % STREAMS}"


async def _ask(session: aiohttp.ClientSession, url: str, path: str, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        async with session.get(url + path) as answer:
            body = await answer.read()
            assert answer.status in (200, 404), (path, body[:500])
    return 1_000 * (time.perf_counter() - started)


async def _some_id(session: aiohttp.ClientSession, url: str, index: int) -> str:
    async with session.get(f"{url}/v1/proofs/inclusion?index={index}") as answer:
        found: str = orjson.loads(await answer.read())["leaf"]["transaction_id"]
        return found
