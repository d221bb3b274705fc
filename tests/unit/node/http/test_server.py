"""Connections: how many, how they end, and that nobody is left hanging when the node closes."""

from __future__ import annotations

import asyncio

import pytest

from node.http import HttpServer, create_application, server
from node.http.call import Context
from tests.unit.node.http.conftest import Api, until
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import create_stream, transaction

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer_on(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes = REQUEST) -> bytes:
    reader, writer = connection
    writer.write(request)
    return await reader.readuntil(b"\r\n\r\n")


async def test_connections_beyond_the_share_are_turned_away(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_CONNECTIONS_PER_ADDRESS_MAX", 2)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    open_ones = [await asyncio.open_connection(*address) for _ in range(2)]
    for connection in open_ones:
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")

    turned_away, writer = await asyncio.open_connection(*address)
    answer = await turned_away.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in answer
    assert b'"code":"connections_exhausted"' in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    writer.close()

    open_ones[0][1].close()
    while True:  # until the server has noticed
        retried = await asyncio.open_connection(*address)
        retried[1].write(REQUEST)
        first = await retried[0].readline()
        if first.startswith(b"HTTP/1.1 200"):
            break
        retried[1].close()
    for _, each in (retried, open_ones[1]):
        each.close()
    await served.close()


async def test_a_wait_is_answered_when_the_node_closes(
    api: Api, server: HttpServer, node: FakeNode, context: Context
) -> None:
    sent = transaction(create_stream())
    asked = asyncio.create_task(api.post(sent.envelope, Prefer="wait=60"))
    await until(lambda: node.waiting)
    async with asyncio.timeout(5):
        await server.close()
        reply = await asked
    assert (reply.status, reply.json["state"]) == (202, "pending")
    assert context.waits.total == 0


async def test_closing_twice_and_without_listening_is_fine(node: FakeNode) -> None:
    served = HttpServer(create_application(node))
    await served.close()
    await served.close()


async def test_requests_on_one_connection_are_answered_in_order(api: Api, node: FakeNode) -> None:
    node.grow(0, 0)
    reader, writer = await asyncio.open_connection(*api.address)
    writer.write(b"".join(b"GET /v1/blocks/%d HTTP/1.1\r\nHost: x\r\n\r\n" % height for height in (0, 2, 1, 9, 0)))
    seen = []
    for _ in range(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        seen.append(body[:12])
    assert seen[0] == seen[4] == b'{"height":0,'
    assert (seen[1], seen[2]) == (b'{"height":2,', b'{"height":1,')
    assert seen[3].startswith(b'{"type"')
    writer.close()


async def test_a_server_listens_on_several_addresses(node: FakeNode) -> None:
    served = HttpServer(create_application(node))
    addresses = [await served.listen("127.0.0.1", 0) for _ in range(2)]
    assert addresses[0] != addresses[1]
    for address in addresses:
        connection = await asyncio.open_connection(*address)
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")
        connection[1].close()
    await served.close()
    for address in addresses:
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection(*address)
