"""Events for a program: every block verified, in order, each once, whatever becomes of connections and nodes."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, aclosing

import pytest

from ledger.errors import MalformedError
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from tests.unit.ledger.founders import set_of
from tests.unit.node.http.conftest import until
from tests.unit.node.http.cutting_proxy import cutting_proxy
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import change_set
from tests.unit.wallet.client.conftest import ledger_of, served, tell_a_story
from tests.unit.wallet.client.lying_node import LyingNode, event_data, event_with, lying_node
from wallet.client import Block, Ledger, RefusedError, UnreachableError, UntrueAnswerError, Untruth
from wallet.client.events import EventParser, ServerEvent
from wallet.exit_codes import WalletError


async def take(ledger: Ledger, count: int, from_height: int | None = None, **filters: str) -> list[Block]:
    """The next `count` blocks."""
    blocks: list[Block] = []
    async with aclosing(ledger.events(from_height, **filters)) as events:
        async for block in events:
            blocks.append(block)
            if len(blocks) == count:
                break
    return blocks


def address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("first", [0, 1, 3, 5])
async def test_blocks_come_from_any_height_with_all_their_transactions(node: FakeNode, url: str, first: int) -> None:
    async with ledger_of(node, url) as ledger:
        if first % 2:
            await ledger.refresh()
        blocks = await take(ledger, 6 - max(first, 1), first)
    assert [block.height for block in blocks] == list(range(max(first, 1), 6))
    for block in blocks:
        assert block.block_hash == node.chain.block_hash(block.height)
        assert block.transactions == node.chain.leaves(block.height)
        assert block.matching is None


async def test_without_a_height_they_begin_with_the_next_one(node: FakeNode, liar: LyingNode) -> None:
    async with ledger_of(node, liar.url) as ledger:
        taking = asyncio.create_task(take(ledger, 3))
        await until(lambda: "GET /v1/events" in liar.requests)
        node.grow(1, 0, 2)
        assert [(block.height, len(block.transactions)) for block in await taking] == [(6, 1), (7, 0), (8, 2)]
        assert ledger.head is not None
        assert ledger.head.header.height == 8, "what is seen is known"


async def test_a_height_beyond_the_newest_is_waited_for(node: FakeNode, liar: LyingNode) -> None:
    async with ledger_of(node, liar.url) as ledger:
        taking = asyncio.create_task(take(ledger, 2, 8))
        await until(lambda: "GET /v1/events" in liar.requests)
        node.grow(0, 0, 1, 2, 0)
        assert [block.height for block in await taking] == [8, 9]


async def test_a_chain_without_a_block_is_waited_for() -> None:
    node = FakeNode()
    async with served(node) as url, lying_node(url) as passing, ledger_of(node, passing.url) as ledger:
        taking = asyncio.create_task(take(ledger, 2))
        await until(lambda: "GET /v1/events" in passing.requests)
        node.grow(2, 1)
        assert [len(block.transactions) for block in await taking] == [2, 1]


async def test_a_filter_names_what_matches(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        blocks = await take(ledger, 5, 1, stream="notes", type="record.append")
        assert [[leaf.index for leaf in block.matching or ()] for block in blocks] == [[], [0], [1], [], [0]]
        assert [len(block.transactions) for block in blocks] == [2, 1, 3, 0, 1]
        with pytest.raises(RefusedError, match="type"):
            await take(ledger, 1, 1, type="nothing")


@pytest.mark.parametrize("field", ["id", "result", "index"])
async def test_what_is_said_to_match_is_in_the_block(node: FakeNode, liar: LyingNode, field: str) -> None:
    def bend(events: list[bytes]) -> list[bytes]:
        data = event_data(events[1])
        data["transactions"][0][field] = {"id": "ab" * 32, "result": "stream_frozen", "index": 2}[field]
        return [events[0], event_with(events[1], data)]

    liar.events, liar.events_taken = bend, 2
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await take(ledger, 2, 1, account="org0")
        assert raised.value.untruth is Untruth.BLOCK_UNPROVED


@pytest.mark.parametrize("seed", range(4))
async def test_every_block_comes_once_over_connections_that_are_cut_at_any_byte(seed: int) -> None:
    """Three ways to the node, each cut after a random number of bytes; the set changes; the consumer starts again."""
    dice = random.Random(seed)
    node, target = FakeNode(), 100
    seen: list[Block] = []
    cuts = 0

    def allowance() -> int:
        return dice.choice((dice.randrange(30, 6_000), dice.randrange(30, 12_000), 80_000))  # trails are long

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(node))
        proxies = [await stack.enter_async_context(cutting_proxy(address(url), allowance)) for _ in range(3)]

        async def consume() -> None:
            while len(seen) < target:
                async with ledger_of(node, *(proxy.url for proxy in proxies)) as ledger:
                    life = dice.randrange(1, 40)
                    seen.extend(await take(ledger, min(life, target - len(seen)), len(seen) + 1))
                    assert ledger.untrue == {}

        consumer = asyncio.create_task(consume())
        while node.chain.tip.header.height < target:
            if dice.random() < 0.05:
                change_set(node.chain, set_of(0, 1, 2, dice.choice((3, 4, 5))))
                node._wake()
            else:
                node.grow(dice.randrange(0, 4))
            await asyncio.sleep(0.001 if dice.random() < 0.3 else 0)
        await consumer
        cuts = sum(proxy.cut for proxy in proxies)
    assert cuts > 4
    assert [block.height for block in seen] == list(range(1, target + 1))
    assert all(block.block_hash == node.chain.block_hash(block.height) for block in seen)
    assert all(block.transactions == node.chain.leaves(block.height) for block in seen)


async def test_another_node_takes_over_and_nothing_is_lost(node: FakeNode) -> None:
    """The node that streams goes away; the next one lags, and catches up; each block comes once."""
    slow = FakeNode()
    async with served(slow) as second, AsyncExitStack() as stack:
        first = await stack.enter_async_context(served(node))
        async with ledger_of(node, first, second) as ledger, aclosing(ledger.events(1)) as events:
            heights = [(await anext(events)).height for _ in range(5)]
            await stack.aclose()
            slow.chain, slow.queries = node.chain, node.queries
            slow.append()
            slow._wake()
            heights += [(await anext(events)).height]
        assert heights == [1, 2, 3, 4, 5, 6]


async def test_a_node_that_is_quiet_for_long_is_left(node: FakeNode, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be hiding what is new, and nothing that it says is false: it is left, and comes last."""
    monkeypatch.setattr("wallet.client.events.QUIET_S_MAX", 0.02)
    monkeypatch.setattr("node.http.events.HTTP_STREAM_KEEP_ALIVE_SECONDS", 0.01)
    hiding = FakeNode()
    tell_a_story(hiding)
    async with served(hiding) as other, ledger_of(node, other, url) as ledger, aclosing(ledger.events(5)) as events:
        assert (await anext(events)).height == 5
        node.grow(0)
        assert (await anext(events)).height == 6
        assert hiding.chain.tip.header.height == 5


async def test_when_nobody_answers_it_says_so_in_time(node: FakeNode) -> None:
    async with ledger_of(node, "http://127.0.0.1:1", "http://127.0.0.1:2") as ledger:
        ledger._client.timeout_s = 0.05
        with pytest.raises(UnreachableError):
            await take(ledger, 1, 1)


async def test_blocks_below_what_is_pinned_cannot_be_proved(node: FakeNode, url: str) -> None:
    checkpoint = build_pinned_checkpoint(
        network="test", header=node.chain.header(3), validators=node.chain.validators_of(4)
    )
    async with ledger_of(node, url, anchor=anchor_of_checkpoint(checkpoint)) as ledger:
        assert [block.height for block in await take(ledger, 2, 4)] == [4, 5]
        with pytest.raises(WalletError) as raised:
            await take(ledger, 1, 2)
        assert raised.value.code == "below_anchor"


async def test_two_streams_and_questions_share_a_ledger(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        streams = [asyncio.create_task(take(ledger, 20, first)) for first in (1, 3, 6)]
        for _ in range(20):
            node.grow(1)
            assert (await ledger.account("org0")).value is not None
        for first, stream in zip((1, 3, 6), streams, strict=True):
            assert [block.height for block in await stream] == list(range(first, first + 20))
        assert ledger.untrue == {}


STREAM = (
    b"retry: 1000\n\n: still here\n\nid: 1\r\nevent: block\r\ndata: {}\r\n\r\n"
    b"id: 2\ndata: a\ndata:b\n\n: x\n\nid: 3\n\ndata: c\n\n"
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
def test_the_parser_is_that_of_the_standard(step: int) -> None:
    parser = EventParser()
    pieces = [STREAM[start : start + step] for start in range(0, len(STREAM), step)]
    found = [event for piece in pieces for event in parser.feed(piece)]
    assert found == [ServerEvent("1", b"{}"), ServerEvent("2", b"a\nb"), ServerEvent("3", b"c")]
    assert list(parser.feed(b"id: 4\ndata: not whole")) == []


def test_an_event_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.client.events.EVENT_BYTES_MAX", 1_000)
    for piece in (b"x" * 100, b"data: x\n" * 100):
        parser = EventParser()
        assert list(parser.feed(piece)) == []
        with pytest.raises(MalformedError, match="more than 1000 bytes"):
            list(parser.feed(piece * 10))
