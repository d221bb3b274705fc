"""Connections: how many, how they end, and that nobody is left hanging when the node closes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from ledger.crypto import SigningKey
from ledger.limits import HTTP_SLICE_BYTES, HTTP_UNREAD_BYTES_MAX, HTTP_UNREAD_ROOM_BYTES_MIN, MIB
from node.http import HttpServer, call, create_application, render, server
from node.http.call import Context
from node.http.openapi import build_document
from node.http.routes import ROUTES
from node.http.slices import SlicedBody
from node.net import tls
from tests.unit.node.http.conftest import Api, until
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import create_stream, transaction

# What event loops do when buffers are full, and when connections break, is their own.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

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


async def test_an_address_that_has_most_connections_makes_room(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_CONNECTIONS_MAX", 4)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    crowd = [await asyncio.open_connection(*address, local_addr=("127.0.1.1", 0)) for _ in range(4)]
    for connection in crowd:
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")
    assert (await answer_on(await asyncio.open_connection(*address, local_addr=("127.0.1.1", 0)))).startswith(
        b"HTTP/1.1 503 "
    )
    newcomer = await asyncio.open_connection(*address)
    assert (await answer_on(newcomer)).startswith(b"HTTP/1.1 200 ")
    assert served.connections == 4
    assert (await answer_on(crowd[1])).endswith(b"\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await answer_on(crowd[0])
    for _, writer in (*crowd, newcomer):
        writer.close()
    await served.close()


DOCUMENT = render.to_bytes(build_document(ROUTES))
LARGE = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def unread_answers(address: tuple[str, int], count: int) -> AsyncIterator[list[socket.socket]]:
    """Connections on which far more was asked for than the kernel holds, and nothing is read."""
    loop = asyncio.get_running_loop()
    connections = [socket.socket() for _ in range(count)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        await loop.sock_connect(connection, address)
        await loop.sock_sendall(connection, LARGE * 100)
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def rest_of(connection: socket.socket) -> int:
    """How many bytes still come until the connection ends."""
    loop, count = asyncio.get_running_loop(), 0
    with contextlib.suppress(ConnectionResetError):
        while chunk := await loop.sock_recv(connection, 65_536):
            count += len(chunk)
    return count


async def test_who_reads_no_answer_is_disconnected(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_UNREAD_SECONDS_MAX", 0.05)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    async with unread_answers(address, 3) as connections:
        await until(lambda: served.connections == 3)
        await until(lambda: served.connections == 0)
        await until(lambda: served.unread_bytes == 0)
        assert await rest_of(connections[0]) < 100 * len(DOCUMENT), "it ended in the middle"
    await served.close()


async def test_over_tls_it_is_the_same(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_UNREAD_SECONDS_MAX", 0.05)
    seeds = [bytes([number]) * 32 for number in (1, 2)]
    ours, theirs = (tls.build_contexts(seed, [SigningKey(each).public_key for each in seeds]) for seed in seeds)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0, tls=ours.server)
    connection = await asyncio.open_connection(*address, ssl=theirs.client, limit=4_096)
    assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")
    connection[1].write(LARGE * 100)
    await until(lambda: served.unread_bytes)
    await until(lambda: not served.connections)
    await until(lambda: not served.unread_bytes)
    connection[1].transport.abort()
    await served.close()


async def test_who_reads_slowly_is_waited_for(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_UNREAD_SECONDS_MAX", 0.3)
    monkeypatch.setattr(server, "HTTP_UNREAD_TAKEN_BYTES_MIN", 1)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    async with unread_answers(address, 1) as (connection,):
        await until(lambda: served.unread_bytes)
        started, taken = loop.time(), 0
        while loop.time() - started < 1.0:
            taken += len(await loop.sock_recv(connection, 32_768))
            await asyncio.sleep(0.01)
        assert served.connections == 1
        assert taken > 0
    await until(lambda: not served.connections)
    await served.close()


async def test_answers_that_nobody_reads_take_bounded_memory(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "HTTP_UNREAD_BYTES_MAX", 20 * MIB)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    async with unread_answers(address, 60):
        await until(lambda: served.unread_bytes > 10 * MIB - HTTP_UNREAD_ROOM_BYTES_MIN)
        assert served.unread_bytes <= 10 * MIB, "half of it, since all are of one address"
        assert served._runner.server is not None
        for handler in served._runner.server.connections:
            assert handler.transport is not None
            assert handler.transport.get_write_buffer_size() <= 2 * HTTP_SLICE_BYTES, "an answer is not held twice"
        connection = await asyncio.open_connection(*address)
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")
        connection[1].close()
    await until(lambda: not served.connections)
    await until(lambda: not served.unread_bytes)
    await served.close()


async def test_nothing_is_kept_of_an_answer_whose_connection_is_lost(node: FakeNode) -> None:
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    gc.disable()
    try:
        async with unread_answers(address, 3):
            await until(lambda: served.unread_bytes >= 3 * len(DOCUMENT))
        await until(lambda: not served.unread_bytes)
        left = [item for item in gc.get_objects() if isinstance(item, SlicedBody)]
        assert [item.decode() for item in left] == [""] * len(left)
    finally:
        gc.enable()
    await served.close()


async def test_nothing_is_kept_of_what_is_no_request(node: FakeNode) -> None:
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    senseless = bytes(8 * MIB)

    def pour() -> None:
        with contextlib.suppress(ConnectionError), socket.create_connection(address) as connection:
            connection.sendall(senseless)

    gc.disable()
    tracemalloc.start()
    try:
        await asyncio.to_thread(pour)
        await until(lambda: not served.connections)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            await asyncio.to_thread(pour)
        await until(lambda: not served.connections)
        after, peak = tracemalloc.get_traced_memory()
        assert after - before < MIB
        assert peak - before < 2 * MIB
    finally:
        tracemalloc.stop()
        gc.enable()
    await served.close()


async def test_a_head_that_never_ends_is_not_waited_for(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HTTP_READ_SECONDS_MAX", 0.3)
    served = HttpServer(create_application(node))
    address = await served.listen("127.0.0.1", 0)
    silent, dripping = [await asyncio.open_connection(*address) for _ in range(2)]
    for connection in (silent, dripping):
        assert (await answer_on(connection)).startswith(b"HTTP/1.1 200 ")
        await connection[0].readexactly(len(b'{"alive":true}'))
    dripping[1].write(REQUEST[:-10])
    ended = asyncio.ensure_future(dripping[0].read())
    while not ended.done():
        dripping[1].write(b"x")
        await asyncio.wait([ended], timeout=0.02)
    assert ended.exception() is not None or ended.result() == b""
    await until(lambda: served.connections == 1)
    assert (await answer_on(silent)).startswith(b"HTTP/1.1 200 "), "between two requests there is more time"
    for _, writer in (silent, dripping):
        writer.close()
    await served.close()


async def test_nothing_is_made_for_an_address_that_reads_nothing(api: Api, context: Context) -> None:
    assert context.unread.take("127.0.0.1", HTTP_UNREAD_BYTES_MAX // 2)
    reply = await api.refused("answers_unread", 503, "/v1/status")
    assert int(reply.headers["Retry-After"]) > 0
    assert await api.ok("/livez") == {"alive": True}, "no supervisor restarts the node for it"
    sent = await api.post(transaction(create_stream()).envelope)
    assert sent.status == 202, "answers to submissions are small"
    context.unread.give_back("127.0.0.1", HTTP_UNREAD_BYTES_MAX // 2)
    await api.ok("/v1/status")


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


async def test_the_node_hears_of_each_request_once_its_head_is_whole(api: Api, node: FakeNode) -> None:
    reader, writer = await asyncio.open_connection(*api.address)
    writer.write(b"GET /v1/status HTTP/1.1\r\nHost: a")
    await writer.drain()
    await api.ok("/v1/status")
    assert node.requests == 1, "half a head is no request"
    writer.write(b"\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert node.requests == 2
    writer.close()
    await writer.wait_closed()


async def test_the_node_hears_of_who_reads_and_not_of_who_submits(api: Api, node: FakeNode) -> None:
    await api.post(b"{}")
    await api.get("/nowhere")
    assert node.readers == 0
    await api.ok("/v1/status")
    assert node.readers == 1


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
