"""What a query costs follows what it answers: storage is read as often on a long chain as on a short one.

Reads are counted, not timed: every `get`, every range that is opened, and every row that comes out of one. Each query
meets a chain that was opened for it alone, so that nothing is remembered from another.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log2
from typing import Any

import pytest

from ledger.operations.accounts import AccountAdd
from node.http.routes import ROUTES
from node.storage import paging, search
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.queries import Queries
from tests.unit.ledger.founders import signing_key
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.everything import NEEDED, fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import append, create_stream, new_chain, transaction

FEW, MANY = 12, 240
PAGE = 5
NOT_ABOUT_THE_CHAIN = {"/v1/events", "/metrics", "/v1/openapi.json"}


class Counting(MemoryStore):
    """A store in memory that counts what is read from it."""

    reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return super().get(key)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        self.reads += 1
        for row in super().range(start, stop, reverse=reverse):
            self.reads += 1
            yield row


class Chain:
    """A chain with something of every kind at its beginning, and so many blocks with one record each after that."""

    def __init__(self, blocks: int) -> None:
        node = FakeNode()
        self.store = MemoryStore()
        node.chain = new_chain(self.store)
        self.values = fill(node)
        node.grow(*[1] * blocks)
        self.height = node.chain.tip.header.height
        self.found, self.published = node.found, node.published


@pytest.fixture(scope="module")
def chains() -> tuple[Chain, Chain]:
    return Chain(FEW), Chain(MANY)


async def reads(api: Api, node: FakeNode, chain: Chain, path: str, **query: object) -> tuple[int, Any]:
    """How often storage is read for one query, and the answer."""
    store = Counting(chain.store.image())
    node.chain, node.found, node.published = open_chain(store), chain.found, chain.published
    node.queries = Queries(node.chain)
    store.reads = 0
    answer = await api.get(path, params={name: str(value) for name, value in query.items()})
    assert answer.status == 200, (path, query, answer)
    return store.reads, answer


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_no_query_costs_more_on_a_longer_chain(
    api: Api, node: FakeNode, chains: tuple[Chain, Chain], order: str
) -> None:
    few, many = chains
    deeper = 2 * log2(MANY / FEW) + 4  # nodes of the trie and of the log's tree, and steps of a search by time
    for route in ROUTES:
        if route.method != "GET" or route.path in NOT_ABOUT_THE_CHAIN:
            continue
        names = route.query_names
        variants: list[dict[str, object]] = [{}]
        if "proof" in names:
            variants.append({"proof": 1})
        if "height" in names:
            variants.append({"height": 8})
        if "from_height" in names and "to_height" in names and "cursor" in names:
            variants += [{"from_height": 2, "to_height": 4}, {"from_time": "2027-01-15T08:00:00.002Z"}]
        for variant in variants:
            query = {**NEEDED.get(route.path, {}), **variant}
            if "limit" in names:
                query |= {"limit": PAGE, "order": order}
            if route.path == "/v1/export":
                query["to_height"] = 3  # as many lines as were asked for
            path = route.path.format(**few.values)
            small, _ = await reads(api, node, few, path, **query)
            large, _ = await reads(api, node, many, path, **query)
            # A header is looked up by two reads, and there may be one at each step.
            assert large <= small + 4 * deeper, (path, query, small, large)


SUBJECTS = [
    {"account": "org0"},
    {"stream": "invoices"},
    {"type": "record.append"},
    {"account": "org0", "stream": "invoices"},
    {"account": "org0", "stream": "invoices", "type": "record.append"},
    {"account": "org0", "type": "stream.create"},
    {"account": "org1", "type": "proposal.vote"},
    {"asset": "euro", "account": "org2"},
    {"validator": "v0"},
    {"proposal": 2},
]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("given", SUBJECTS, ids=str)
async def test_no_search_costs_more_on_a_longer_chain(
    api: Api, node: FakeNode, chains: tuple[Chain, Chain], given: dict[str, object], order: str
) -> None:
    few, many = chains
    small, found = await reads(api, node, few, "/v1/transactions", **given, order=order, limit=PAGE)
    large, also = await reads(api, node, many, "/v1/transactions", **given, order=order, limit=PAGE)
    assert found.json["items"], given
    assert len(also.json["items"]) == len(found.json["items"])
    assert large <= small + 8, (given, small, large)


@pytest.fixture
def never_meeting(node: FakeNode) -> ChainStore:
    """Two frequent subjects that are about every second block each, and never about the same one."""
    node.append(transaction(create_stream(), create_stream("other", by=0), nonce=9_001))
    for height in range(60):
        if height % 2:
            node.append(transaction(append(str(height)), nonce=height))
        else:
            node.append(transaction(append(str(height), stream="other", by=1), sender=1, nonce=height))
    return node.chain


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.usefixtures("never_meeting")
async def test_a_search_that_finds_nothing_pauses_goes_on_and_comes_to_an_end(
    api: Api, node: FakeNode, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks_max = 10
    monkeypatch.setattr(search, "QUERY_SEEKS_MAX", seeks_max)
    store = Counting(node.chain.store.image())  # type: ignore[attr-defined]
    node.chain = open_chain(store)
    node.queries = Queries(node.chain)
    pages, cursor = 0, {}
    while True:
        store.reads = 0
        page = await api.ok("/v1/transactions", account="org1", stream="invoices", order=order, **cursor)
        assert page["items"] == []
        assert store.reads <= 2 * seeks_max + 4, "a page has a bound, whatever it finds"
        pages += 1
        if page["next_cursor"] is None:
            break
        assert pages < 40, "each page goes on from where the last one was"
        cursor = {"cursor": page["next_cursor"]}
    assert pages > 3


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_list_at_an_early_height_passes_by_what_came_later_within_bounds(
    api: Api, node: FakeNode, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks_max = 10
    monkeypatch.setattr(paging, "QUERY_SEEKS_MAX", seeks_max)
    key = signing_key("late").public_key
    for first in range(0, 60, 20):
        node.append(
            transaction(
                *(
                    AccountAdd(by="org0", name=f"{where}{number:03}", keys=(key,), threshold=1)
                    for number in range(first, first + 20)
                    for where in "az"  # before and behind those of genesis in the alphabet
                ),
                nonce=first,
            )
        )
    store = Counting(node.chain.store.image())  # type: ignore[attr-defined]
    node.chain = open_chain(store)
    node.queries = Queries(node.chain)
    names, cursor = [], {}
    while True:
        store.reads = 0
        page = await api.ok("/v1/accounts", height=0, order=order, limit=3, **cursor)
        names += [item["name"] for item in page["items"]]
        assert store.reads <= 4 * seeks_max + 8
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    expected = [f"org{number}" for number in range(4)]
    assert names == (expected if order == "asc" else expected[::-1])
