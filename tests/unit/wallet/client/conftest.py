"""A chain behind the real HTTP application, and a ledger that is asked about it, perhaps through a node that lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import pytest

from ledger.amounts import Amount
from ledger.genesis import Genesis
from ledger.operations.assets import AssetDefine, AssetIssue, AssetTransfer
from ledger.trail import Anchor, anchor_of
from node.http import HttpServer, create_application
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain
from node.storage.queries import Queries
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import append, create_stream, genesis, transaction
from tests.unit.wallet.client.lying_node import LyingNode, lying_node
from wallet.client import Ledger, open_ledger
from wallet.client.events import Events

ANCHOR = anchor_of(genesis())


def node_of(other: Genesis | None = None) -> FakeNode:
    """A node of a new chain: of `genesis()`, or of another one."""
    node = FakeNode()
    if other is not None:
        node.chain = create_chain(MemoryStore(), other)
        node.queries = Queries(node.chain)
    return node


def tell_a_story(node: FakeNode) -> None:
    """Five blocks: an asset, balances, a stream with records of two keys, and an operation that fails."""
    node.append(
        transaction(AssetDefine("org0", "euro", 2), nonce=1),
        transaction(AssetIssue("org0", "euro", "org1", Amount(500)), nonce=2),
    )
    node.append(transaction(create_stream("notes"), append("first", stream="notes", key="a"), nonce=3))
    node.append(
        transaction(AssetTransfer("org1", "euro", "org2", Amount(120)), sender=1, nonce=4),
        transaction(append("second", stream="notes", key="b"), nonce=5),
        transaction(AssetTransfer("org3", "euro", "org2", Amount(1)), sender=3, nonce=6),
    )
    node.append()
    node.append(transaction(append("third", stream="notes", key="a"), nonce=7))


@asynccontextmanager
async def served(node: FakeNode) -> AsyncIterator[str]:
    """The URL of the real application over `node`."""
    server = HttpServer(create_application(node))
    host, port = await server.listen("127.0.0.1", 0)
    try:
        yield f"http://{host}:{port}"
    finally:
        await server.close()


@contextmanager
def committing(node: FakeNode) -> Iterator[None]:
    """While this lasts, what is submitted comes into a block."""

    async def run() -> None:
        while True:
            await asyncio.sleep(0.001)
            if node.mempool:
                node.append()

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()


def clock_of(node: FakeNode, *, later_ms: int = 0) -> Callable[[], int]:
    """A clock that goes with the chain of `node`, so much after its newest block."""
    return lambda: node.chain.tip.header.time_ms + later_ms


OpenLedger = Callable[..., AbstractAsyncContextManager[Ledger]]


def ledger_of(
    node: FakeNode, *urls: str, anchor: Anchor = ANCHOR, later_ms: int = 0
) -> AbstractAsyncContextManager[Ledger]:
    """The ledger that these nodes serve; the clock is that of `node`."""
    return open_ledger(urls, anchor, timeout_s=5, clock_ms=clock_of(node, later_ms=later_ms))


@pytest.fixture
async def node() -> FakeNode:
    """An honest node with a story."""
    node = node_of()
    tell_a_story(node)
    return node


@pytest.fixture
async def url(node: FakeNode) -> AsyncIterator[str]:
    """Where it answers."""
    async with served(node) as address:
        yield address


@pytest.fixture
async def liar(url: str) -> AsyncIterator[LyingNode]:
    """A node that lies about the chain of `node`, once it is told how."""
    async with lying_node(url) as node:
        yield node


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a node to come back."""
    monkeypatch.setattr("wallet.client.events.PAUSE_S_MIN", 0.001)
    monkeypatch.setattr("wallet.client.events.PAUSE_S_MAX", 0.01)
    monkeypatch.setattr("wallet.client.outcomes.POLL_INTERVAL_S_MIN", 0.001)
    assert Events is not None
