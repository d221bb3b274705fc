"""GET /v1/events: each height once, across disconnects, for slow readers, and within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from ledger.block_proof import check_block_proof, parse_block_proof
from ledger.light_client import LightClient
from ledger.limits import HTTP_STREAMS_PER_ADDRESS_MAX
from ledger.trail import anchor_of
from node.http import HttpServer, events
from node.http.call import Context
from tests.unit.node.http.conftest import Api, until
from tests.unit.node.http.contract import check_schema
from tests.unit.node.http.cutting_proxy import cutting_proxy
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import append, create_stream, genesis, transaction


class Stream:
    """One connection to the event stream, read event by event."""

    def __init__(self, api: Api, path: str = "/v1/events", last: int | None = None, *, at: str = "") -> None:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._request = api.session.get((at or api.url) + path, headers=headers)

    async def __aenter__(self) -> Stream:
        self.response = await self._request.__aenter__()
        assert self.response.status == 200, await self.response.read()
        headers = self.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "quorum-ledger"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.response.close()

    async def blocks(self, count: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """The next `count` events: id and data."""
        for _ in range(count):
            yield await self.next()

    async def next(self) -> tuple[int, dict[str, Any]]:
        """The next event."""
        fields: dict[str, str] = {}
        while True:
            line = (await self.response.content.readline()).decode()
            if not line.endswith("\n"):
                raise EOFError("the stream ended; an event that is not whole is none")
            if line == "\n" and "id" in fields:
                assert fields["event"] == "block"
                return int(fields["id"]), orjson.loads(fields["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value


async def test_a_stream_starts_with_the_newest_block_and_goes_on(api: Api, node: FakeNode) -> None:
    node.grow(1, 2)
    async with Stream(api) as stream:
        height, block = await stream.next()
        assert (height, block["height"]) == (2, 2)
        check_schema("Block", block)
        assert block == (await api.ok("/v1/blocks"))["items"][0]
        node.grow(3)
        assert (await stream.next())[0] == 3
        node.grow(0, 0, 0)
        assert [(await stream.next())[0] for _ in range(3)] == [4, 5, 6]


@pytest.mark.parametrize(("path", "last", "first"), [("?from_height=0", None, 0), ("?from_height=2", None, 2),
                                                     ("?from_height=0", 1, 2), ("", 0, 1), ("", 2, 3)])  # fmt: skip
async def test_a_stream_starts_where_it_is_asked_to(
    api: Api, node: FakeNode, path: str, last: int | None, first: int
) -> None:
    node.grow(0, 0, 0)
    async with Stream(api, f"/v1/events{path}", last) as stream:
        assert [(await stream.next())[0] for _ in range(4 - first)] == list(range(first, 4))


async def test_a_stream_may_start_above_the_newest_block(api: Api, node: FakeNode) -> None:
    async with Stream(api, last=2) as stream:
        node.grow(0, 0, 0, 0)
        assert (await stream.next())[0] == 3


@pytest.mark.parametrize("last", ["-1", "x", "1.0", "9007199254740992", "0x1", " 1\t2"])
async def test_a_last_event_id_that_is_no_height_is_refused(api: Api, last: str) -> None:
    reply = await api.refused("parameter_invalid", 400, "/v1/events", headers={"Last-Event-ID": last})
    assert "Last-Event-ID" in reply.json["detail"]


@pytest.mark.parametrize("seed", range(5))
async def test_every_height_comes_once_across_random_disconnects(api: Api, node: FakeNode, seed: int) -> None:
    dice = random.Random(seed)
    seen: list[int] = []
    target = 150

    async def read() -> None:
        while len(seen) < target:
            async with Stream(api, last=seen[-1] if seen else 0) as stream:
                for _ in range(dice.randrange(1, 30)):
                    seen.append((await stream.next())[0])
                    if len(seen) >= target:
                        return

    reader = asyncio.create_task(read())
    while node.chain.tip.header.height < target:
        node.grow(*[0] * dice.randrange(1, 8))
        for _ in range(dice.randrange(1, 20)):
            await asyncio.sleep(0)
    await reader
    assert seen == list(range(1, target + 1))


async def test_a_long_way_back_is_sent_in_order(api: Api, node: FakeNode) -> None:
    node.grow(*[0] * 300)
    async with Stream(api, last=0) as stream:
        assert [(await stream.next())[0] for _ in range(300)] == list(range(1, 301))


async def test_a_quiet_stream_is_kept_alive(api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HTTP_STREAM_KEEP_ALIVE_SECONDS", 0.01)
    async with Stream(api) as stream:
        await stream.next()
        comments = [await stream.response.content.readline() for _ in range(6)]
        assert comments == [b": still here\n", b"\n"] * 3
        node.grow(0)
        assert (await stream.next())[0] == 1


async def test_a_slow_reader_is_disconnected_and_resumes(
    api: Api, node: FakeNode, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads while the node sends far more than sockets hold; afterwards the reader goes on where it was."""
    monkeypatch.setattr(events, "HTTP_STREAM_WRITE_SECONDS_MAX", 0.05)
    monkeypatch.setattr(events.render, "event", lambda height, name, data: b"id: %d\n%s\n\n" % (height, b"x" * 200_000))
    node.grow(*[0] * 100)
    reader, writer = await asyncio.open_connection(*api.address, limit=1024)
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n")
    await until(lambda: context.streams.total != 0)
    await until(lambda: not context.streams.total)  # the share is given back although the reader never went away
    received = bytearray()
    try:
        while part := await reader.read(65_536):
            received += part
    except ConnectionResetError:
        received += b"(reset)"
    assert not received.endswith(b"0\r\n\r\n"), "it is broken off, not ended: the client can tell"
    writer.close()
    monkeypatch.undo()
    context.newest_events.clear()
    async with Stream(api, last=7) as stream:
        assert (await stream.next())[0] == 8


@pytest.mark.parametrize("seed", range(4))
async def test_cut_off_at_any_byte_a_reader_that_keeps_its_last_id_sees_every_event_once(
    api: Api, node: FakeNode, seed: int
) -> None:
    """Connections die after a random number of bytes: in headers, within an event, between two; the chain grows on."""
    dice = random.Random(seed)
    events_of: dict[int, dict[str, Any]] = {}
    seen: list[int] = []
    target = 120
    async with cutting_proxy(api.address, lambda: dice.randrange(20, 12_000)) as proxy:

        async def read() -> None:
            while len(seen) < target:
                with contextlib.suppress(aiohttp.ClientError, EOFError):
                    async with Stream(
                        api, "/v1/events?from_height=1", seen[-1] if seen else None, at=proxy.url
                    ) as stream:
                        while len(seen) < target:
                            height, events_of[len(seen) + 1] = await stream.next()
                            seen.append(height)

        reader = asyncio.create_task(read())
        while node.chain.tip.header.height < target:
            node.grow(*[0] * dice.randrange(1, 8))
            for _ in range(dice.randrange(1, 20)):
                await asyncio.sleep(0)
        await reader
    assert proxy.cut > 5
    assert seen == list(range(1, target + 1))
    for height, block in events_of.items():
        assert block["block_hash"] == node.chain.block_hash(height).hex()


async def test_an_event_lists_the_transactions_that_match_and_none_is_left_out(api: Api, node: FakeNode) -> None:
    node.append(
        transaction(create_stream("a"), nonce=1),
        transaction(create_stream("b", by=1), sender=1, nonce=2),
        transaction(append("x", stream="a"), nonce=3),
    )
    node.append(transaction(append("y", stream="b", by=1), sender=1, nonce=4))
    node.grow(0)
    for query, matching in (
        ("account=org0", [[0, 2], [], []]),
        ("stream=b", [[1], [0], []]),
        ("type=record.append", [[2], [0], []]),
        ("type=record.append&stream=b", [[], [0], []]),
        ("account=org0&stream=b", [[], [], []]),
        ("asset=euro", [[], [], []]),
    ):
        async with Stream(api, f"/v1/events?from_height=1&{query}") as stream:
            for height, expected in enumerate(matching, 1):
                found, block = await stream.next()
                check_schema("BlockEvent", block)
                assert found == height, "a block without a match has its event, too"
                assert [item["index"] for item in block["transactions"]] == expected, query
    await api.refused("parameter_invalid", 400, "/v1/events?type=nothing")
    await api.refused("parameter_invalid", 400, "/v1/events?account=A")


async def test_an_event_carries_what_proves_its_block(api: Api, node: FakeNode) -> None:
    node.grow(1, 3, 0, 2)
    client = LightClient(anchor_of(genesis()))
    async with Stream(api, "/v1/events?from_height=0&proof=1") as stream:
        height, block = await stream.next()
        assert (height, block["proof"]) == (0, None)
        for _ in range(4):
            height, block = await stream.next()
            check_schema("BlockEvent", block)
            proof = parse_block_proof(block["proof"])
            certified = client.append(proof.record)
            assert certified.block_hash == node.chain.block_hash(height)
            assert check_block_proof(proof, certified.header) == node.chain.leaves(height)
    node.grow(2)
    for path in ("/v1/events?proof=1", "/v1/events", "/v1/events?proof=0", "/v1/events?proof=1&stream=invoices"):
        async with Stream(api, path) as stream:  # the newest event is remembered in each of its forms
            _, block = await stream.next()
            assert ("proof" in block) == ("proof=1" in path)
            assert ("transactions" in block) == ("stream" in path)


async def test_a_write_is_bounded_in_bytes(api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HTTP_STREAM_BYTES_PER_WRITE_MAX", 1)
    node.grow(*[0] * 20)
    async with Stream(api, last=0) as stream:
        assert [(await stream.next())[0] for _ in range(20)] == list(range(1, 21))


async def test_streams_are_bounded_for_each_address(api: Api, context: Context) -> None:
    assert context.streams.take("127.0.0.1", HTTP_STREAMS_PER_ADDRESS_MAX - 1)
    async with Stream(api) as stream:
        await stream.next()
        reply = await api.refused("streams_exhausted", 429, "/v1/events")
        assert int(reply.headers["Retry-After"]) > 0
    await until(lambda: context.streams.total != HTTP_STREAMS_PER_ADDRESS_MAX)  # until the server has noticed
    async with Stream(api) as stream:
        await stream.next()


async def test_a_client_that_goes_away_gives_its_stream_back(api: Api, context: Context) -> None:
    for _ in range(3):
        async with Stream(api) as stream:
            await stream.next()
            assert context.streams.total == 1
        await until(lambda: not context.streams.total)


async def test_head_of_the_stream_does_not_stream(api: Api, context: Context) -> None:
    async with api.session.head(f"{api.url}/v1/events") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.read() == b""
    assert context.streams.total == 0


async def test_streams_end_when_the_node_closes(api: Api, server: HttpServer, context: Context) -> None:
    async with Stream(api) as stream:
        await stream.next()
        await asyncio.wait_for(server.close(), 3)
        assert await stream.response.content.read() == b""
    assert context.streams.total == 0
