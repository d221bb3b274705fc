"""Who has connected over TLS and not shaken hands yet: how many, how long, and that nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ledger.crypto import SigningKey
from node.http import HttpServer, create_application, handshakes, server
from node.net import accepting, tls
from tests.unit.node.http.conftest import until
from tests.unit.node.http.fake_node import FakeNode

# How a connection becomes one over TLS, and how it breaks, is the event loop's own.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b'{"alive":true}'


@dataclass
class Secured:
    """A server over TLS, where it listens, and what its clients connect with."""

    server: HttpServer
    address: tuple[str, int]
    context: ssl.SSLContext

    async def ask(self, source: str = "127.0.0.1") -> bytes:
        """What a client from this address is answered; nothing when it is not let in."""
        try:
            reader, writer = await asyncio.open_connection(
                *self.address, ssl=self.context, local_addr=(source, 0), server_hostname=""
            )
        except (ConnectionError, ssl.SSLError):
            return b""
        writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def secured(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Secured]:
    monkeypatch.setattr(handshakes, "HTTP_HANDSHAKES_MAX", 6)
    monkeypatch.setattr(handshakes, "HTTP_HANDSHAKES_PER_ADDRESS_MAX", 3)
    monkeypatch.setattr(handshakes, "HTTP_HANDSHAKE_SECONDS_MAX", 60)
    seeds = [bytes([number]) * 32 for number in (1, 2)]
    ours, theirs = (tls.build_contexts(seed, [SigningKey(each).public_key for each in seeds]) for seed in seeds)
    served = HttpServer(create_application(node))
    yield Secured(served, await served.listen("127.0.0.1", 0, tls=ours.server), theirs.client)
    await served.close()
    assert served.handshakes == 0


@contextlib.asynccontextmanager
async def connected(
    address: tuple[str, int], count: int, source: str = "127.0.0.1"
) -> AsyncIterator[list[socket.socket]]:
    """Connections that say nothing."""
    connections = [socket.socket() for _ in range(count)]
    try:
        for connection in connections:
            connection.setblocking(False)
            connection.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(connection, address)
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def ends(connection: socket.socket) -> bool:
    """True once it has ended; whatever comes before that is read."""
    with contextlib.suppress(ConnectionResetError):
        while await asyncio.get_running_loop().sock_recv(connection, 4_096):
            pass
    return True


async def test_the_silent_of_one_address_are_so_many_and_no_more(secured: Secured) -> None:
    async with connected(secured.address, 3) as silent:
        await until(lambda: secured.server.handshakes == 3)
        async with connected(secured.address, 2) as more:
            for connection in more:
                assert await ends(connection)
        assert secured.server.handshakes == 3
        assert await secured.ask() == b""
        assert (await secured.ask("127.0.1.1")).endswith(ANSWER), "another address has its own share"
        silent.pop().close()
        await until(lambda: secured.server.handshakes == 2)
        assert (await secured.ask()).endswith(ANSWER)
        await until(lambda: secured.server.connections == 0)


async def test_the_silent_of_many_addresses_make_room(secured: Secured) -> None:
    async with connected(secured.address, 3, "127.0.1.1") as first, connected(secured.address, 3, "127.0.1.2"):
        await until(lambda: secured.server.handshakes == 6)
        assert (await secured.ask()).endswith(ANSWER)
        assert await ends(first[0]), "the oldest of those who had most"
        await until(lambda: secured.server.handshakes == 5)


async def test_who_gives_way_before_it_could_begin_is_ended(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more that come in one breath than there are places, the first give way to the last."""
    monkeypatch.setattr(secured.server._handshakes._places, "_total_max", 2)
    crowd = [socket.socket() for _ in range(8)]
    for number, each in enumerate(crowd):
        each.bind((f"127.0.2.{number + 1}", 0))
        each.connect(secured.address)  # the loop accepts none of them meanwhile
        each.setblocking(False)
    for each in crowd[:6]:
        assert await ends(each)
    assert secured.server.handshakes == 2
    for each in crowd:
        each.close()
    await until(lambda: secured.server.handshakes == 0)


async def test_silence_is_ended(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "HTTP_HANDSHAKE_SECONDS_MAX", 0.2)
    async with connected(secured.address, 1) as (silent,):
        assert await ends(silent)
        await until(lambda: secured.server.handshakes == 0)


@pytest.mark.parametrize("words", [REQUEST, bytes(1_000), b"\x16\x03\x01\x00\xff" + bytes(255)])
async def test_who_does_not_speak_tls_is_gone_at_once(secured: Secured, words: bytes) -> None:
    async with connected(secured.address, 1) as (stranger,):
        await asyncio.get_running_loop().sock_sendall(stranger, words)
        assert await ends(stranger)
        await until(lambda: secured.server.handshakes == 0)
    assert (await secured.ask()).endswith(ANSWER)


async def test_who_leaves_in_the_middle_leaves_nothing(secured: Secured) -> None:
    for said in (b"", b"\x16\x03\x01"):
        async with connected(secured.address, 3) as strangers:
            for stranger in strangers:
                await asyncio.get_running_loop().sock_sendall(stranger, said)
            await until(lambda: secured.server.handshakes == 3)
        await until(lambda: secured.server.handshakes == 0)
    assert (await secured.ask()).endswith(ANSWER)


@dataclass
class Client:
    """One end of TLS whose bytes the test sends."""

    connection: socket.socket
    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    async def receive(self) -> None:
        self.incoming.write(await asyncio.get_running_loop().sock_recv(self.connection, 65_536))


async def shake_hands(connection: socket.socket, context: ssl.SSLContext) -> Client:
    """Do all of a handshake but send the last of it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = Client(connection, context.wrap_bio(incoming, outgoing, server_hostname=None), incoming, outgoing)
    while True:
        try:
            client.tls.do_handshake()
        except ssl.SSLWantReadError:
            await asyncio.get_running_loop().sock_sendall(connection, outgoing.read())
            await client.receive()
        else:
            return client


async def talk(connection: socket.socket, context: ssl.SSLContext, first_words: bytes) -> bytes:
    """Shake hands, say something in the same breath, and return what comes back until the other end says goodbye."""
    client = await shake_hands(connection, context)
    for start in range(0, len(first_words), 16_384):
        client.tls.write(first_words[start : start + 16_384])
    await asyncio.get_running_loop().sock_sendall(connection, client.outgoing.read())
    heard = b""
    while True:
        try:
            words = client.tls.read(65_536)
        except ssl.SSLWantReadError:
            await client.receive()
        except ssl.SSLZeroReturnError:
            return heard
        else:
            if not words:
                return heard
            heard += words


@pytest.mark.parametrize("requests", [1, 5_000])
async def test_what_is_said_in_the_breath_of_the_handshake_is_heard_whole(secured: Secured, requests: int) -> None:
    last = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with connected(secured.address, 1) as (connection,):
        heard = await talk(connection, secured.context, REQUEST * (requests - 1) + last)
    assert heard.count(ANSWER) == requests
    await until(lambda: secured.server.connections == 0)


async def test_who_is_turned_away_is_told_and_counts_until_gone(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secured.server._connections, "_per_address_max", 1)
    reader, writer = await asyncio.open_connection(*secured.address, ssl=secured.context, server_hostname="")
    writer.write(REQUEST)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    await until(lambda: secured.server.handshakes == 0)

    async with connected(secured.address, 1) as (connection,):
        heard = await talk(connection, secured.context, b"")
        assert heard.startswith(b"HTTP/1.1 503 ")
        assert heard.endswith(b"}")
        assert secured.server.handshakes == 1, "it has said goodbye, and the other end has not"
    await until(lambda: secured.server.handshakes == 0)
    writer.close()


async def test_who_is_turned_away_and_does_not_go_is_cut_off(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secured.server._connections, "_per_address_max", 0)
    monkeypatch.setattr(handshakes, "HTTP_HANDSHAKE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(handshakes, "HTTP_CLOSE_SECONDS_MAX", 60)
    async with connected(secured.address, 1) as (connection,):
        assert (await talk(connection, secured.context, b"")).startswith(b"HTTP/1.1 503 ")
        assert await ends(connection)
        await until(lambda: secured.server.handshakes == 0)


@pytest.mark.parametrize("moment", ["the time is over", "they give way"])
async def test_who_has_shaken_hands_just_when_they_must_go_goes(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """They would be turned away, and do not say goodbye."""
    monkeypatch.setattr(secured.server._connections, "_per_address_max", 0)
    monkeypatch.setattr(handshakes, "HTTP_CLOSE_SECONDS_MAX", 60)
    if moment == "the time is over":
        monkeypatch.setattr(handshakes, "HTTP_HANDSHAKE_SECONDS_MAX", 0.5)
    async with asyncio.timeout(10), connected(secured.address, 3) as crowd:
        clients = [await shake_hands(connection, secured.context) for connection in crowd]
        for client in clients:
            client.connection.send(client.outgoing.read())
        if moment == "the time is over":
            time.sleep(0.6)  # noqa: ASYNC251 - the loop is busy, and finds both at once
        else:
            for handshake in secured.server._handshakes._places._holders["127.0.0.1"]:
                handshake.give_way()
        for client in clients:
            assert await ends(client.connection)
        await until(lambda: secured.server.handshakes == 0)


async def test_closing_ends_those_who_have_not_shaken_hands(secured: Secured) -> None:
    async with connected(secured.address, 3) as silent:
        await until(lambda: secured.server.handshakes == 3)
        async with asyncio.timeout(5):
            await secured.server.close()
            for connection in silent:
                assert await ends(connection)


async def test_a_failure_of_ours_is_told_and_the_next_is_served(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(handshakes, "log_failure", lambda event, error: told.append(f"{event}: {error}"))
    with monkeypatch.context() as broken:

        async def raise_it(_: socket.socket) -> None:
            raise RuntimeError("broken")

        broken.setattr(accepting, "_until_it_speaks", raise_it)
        async with connected(secured.address, 1) as (stranger,):
            assert await ends(stranger)
    assert told == ["http_handshake_failed: broken"]
    assert (await secured.ask()).endswith(ANSWER)


async def test_when_nothing_is_accepted_any_more_it_is_told(
    node: FakeNode, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(server, "log_failure", lambda event, error: told.append(event))

    async def break_down(*_: object) -> AsyncIterator[object]:
        raise RuntimeError("broken")
        yield

    monkeypatch.setattr(handshakes, "accept", break_down)
    served = HttpServer(create_application(node))
    await served.listen("127.0.0.1", 0, tls=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    await until(lambda: told == ["http_accept_ended"])
    await served.close()
