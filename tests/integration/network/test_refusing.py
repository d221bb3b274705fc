"""Whoever is not a listed node of this network is refused, with a reason in the log, and changes nothing.

Every test ends with the node under attack linking an honest peer, and the folder's fixture sees that nothing is left
open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientSession, WSMsgType

from ledger.consensus.inputs import PeerId
from ledger.limits import DIAL_FAULT_CHARACTERS_MAX, FRAME_BYTES_MAX
from ledger.primitives import PublicKey
from node import wire
from node.config import Endpoint
from node.net import links, listener, peers, tls
from node.net.handshake import PATH, CloseCode, Hello, Role, encode_hello
from node.net.peers import Member
from node.replica.inputs import PeerConnected
from tests.integration.network.nodes import (
    CHAIN,
    OTHER_CHAIN,
    Node,
    key_of,
    linked,
    running,
    seed_of,
    until,
)

Events = list[tuple[str, dict[str, object]]]


def reasons(events: Events, *names: str) -> list[str]:
    """The reasons of the events with these names."""
    return [str(fields["reason"]) for event, fields in events if event in names]


def refusals(events: Events) -> list[str]:
    return reasons(events, "peer_refused")


@contextlib.asynccontextmanager
async def under_attack() -> AsyncIterator[Node]:
    """A node that lists `friend` and `insider`, and still links `friend` when the test is through with it."""
    async with running("target") as target, running("friend") as friend:
        target.know("friend", "insider")
        yield target
        friend.know(target)
        await until(lambda: linked(friend, target))
        await until(lambda: key_of("friend") in {status.peer for status in target.peers.status()})
        friend.peers.send_to(target.peer, wire.Status(1, 1))
        await until(lambda: wire.Status(1, 1) in target.messages())


def contexts_of(name: str, *trusted: str) -> tls.Contexts:
    return tls.build_contexts(seed_of(name), [key_of(other) for other in trusted])


@contextlib.asynccontextmanager
async def websocket_as(name: str, target: Node) -> AsyncIterator[links.WebSocket]:
    """A WebSocket to the target, opened with the node key of `name`, before any hello."""
    async with ClientSession() as session:
        url = f"https://127.0.0.1:{target.port}{PATH}"
        websocket = await session.ws_connect(
            url, ssl=contexts_of(name, "target").client, max_msg_size=0, autoping=name != "deaf"
        )
        try:
            yield websocket
        finally:
            await links.Channel(websocket).close(1000, "the test is over")


async def close_of(websocket: links.WebSocket) -> tuple[int, str]:
    """The code and reason that the target closes with."""
    while True:
        message = await websocket.receive()
        if message.type is WSMsgType.CLOSE:
            return int(message.data), str(message.extra)
        assert message.type is WSMsgType.BINARY, message


async def greet(websocket: links.WebSocket, name: str) -> None:
    await websocket.send_bytes(encode_hello(Hello(Role.DIALER, CHAIN, key_of(name))))
    await websocket.receive_bytes()


# ---- who may talk at all


async def test_a_client_whose_key_is_not_listed(events: Events) -> None:
    async with under_attack() as target:
        with pytest.raises((ClientError, OSError)):
            async with websocket_as("stranger", target) as websocket:
                await websocket.receive_bytes()
        await until(lambda: refusals(events))
        assert "TLS" in refusals(events)[0]
        assert not target.links()


async def test_a_client_that_claims_a_listed_key_it_does_not_hold(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The imposter presents the very leaf that `friend` would, but for the signature, which is its own."""
    monkeypatch.setattr(tls, "_name", lambda _: named_like(key_of("friend")))
    imposter = tls.build_contexts(seed_of("stranger"), [])
    monkeypatch.undo()
    imposter.client.verify_mode = ssl.CERT_NONE
    async with under_attack() as target:
        with pytest.raises((ClientError, OSError)):
            async with ClientSession() as session:
                await session.get(f"https://127.0.0.1:{target.port}{PATH}", ssl=imposter.client)
        await until(lambda: refusals(events))
        assert "TLS" in refusals(events)[0]
        assert not target.links()


def named_like(key: PublicKey) -> object:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.hex())])


async def test_a_client_without_a_certificate(events: Events) -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    async with under_attack() as target:
        with pytest.raises((ClientError, OSError)):
            async with ClientSession() as session:
                await session.get(f"https://127.0.0.1:{target.port}{PATH}", ssl=anonymous)
        await until(lambda: refusals(events))
        assert "CERTIFICATE" in refusals(events)[0]


async def test_a_client_that_stops_at_tls_1_2(events: Events) -> None:
    old = contexts_of("insider", "target").client
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with under_attack() as target:
        with pytest.raises((ClientError, OSError)):
            async with ClientSession() as session:
                await session.get(f"https://127.0.0.1:{target.port}{PATH}", ssl=old)
        await until(lambda: refusals(events))


@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 64, b"GET /quorum-ledger/peer HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\xaa" * 70_000],
    ids=["zeros", "plain HTTP", "a broken ClientHello"],
)
async def test_something_that_is_not_tls(events: Events, garbage: bytes) -> None:
    async with under_attack() as target:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(garbage)
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                continue
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await until(lambda: refusals(events))


async def test_a_connection_that_is_closed_at_once(events: Events) -> None:
    async with under_attack() as target:
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.close()
        await writer.wait_closed()
        await until(lambda: refusals(events))


async def test_a_listed_node_that_speaks_http_but_opens_no_websocket(events: Events) -> None:
    async with under_attack() as target, ClientSession() as session:
        context = contexts_of("insider", "target").client
        for path in (PATH, "/", "/v1/status"):
            async with session.get(f"https://127.0.0.1:{target.port}{path}", ssl=context) as response:
                assert response.status == 426
        assert "not a WebSocket request for a peer link" in refusals(events)


# ---- who is at the other end of a dial


async def test_a_server_whose_key_is_not_listed(events: Events) -> None:
    async with running("honest") as honest, running("stranger") as stranger:
        stranger.know("honest")
        honest.peers.set_members({key_of("friend"): Member(Endpoint("127.0.0.1", stranger.port), is_validator=True)})
        await until(lambda: reasons(events, "peer_unreachable"))
        assert "certificate verify failed" in reasons(events, "peer_unreachable")[0].lower()
        assert honest.peers.dial_faults() == {PeerId(key_of("friend").hex()): reasons(events, "peer_unreachable")[0]}
        assert not honest.links()
        assert not stranger.links()


async def test_a_listed_server_at_the_address_of_another(events: Events) -> None:
    async with running("honest") as honest, running("insider") as insider:
        insider.know("honest")
        honest.peers.set_members(
            {
                key_of("friend"): Member(Endpoint("127.0.0.1", insider.port), is_validator=True),
                insider.key: Member(None, is_validator=True),
            }
        )
        await until(lambda: refusals(events))
        assert refusals(events)[0] == f"another node answers: {insider.key.hex()}"
        fault = honest.peers.dial_faults()[PeerId(key_of("friend").hex())]
        assert fault == f"refused, another node answers: {insider.key.hex()}"
        assert not honest.links()


async def test_a_server_that_is_not_tls_or_no_websocket_or_says_nothing_or_hangs_up(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HANDSHAKE_TIMEOUT_MS", 300)

    async def answer_in_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                continue
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    for answer in (answer_in_plain, say_nothing, hang_up):
        events.clear()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running("honest") as honest:
            honest.peers.set_members({key_of("friend"): Member(Endpoint("127.0.0.1", port), is_validator=True)})
            await until(lambda: len(reasons(events, "peer_unreachable")) >= 2)
            assert "" not in reasons(events, "peer_unreachable")
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("host", ["a..b", "-", "127.0.0.1 ", "xn--zzzzzz--", "\u2603" * 70])
async def test_an_address_that_makes_no_sense(events: Events, host: str) -> None:
    """Addresses are what other validators wrote: none may end this node."""
    async with running("honest") as honest:
        honest.peers.set_members({key_of("friend"): Member(Endpoint(host, 1), is_validator=True)})
        await until(lambda: reasons(events, "peer_unreachable"))
        assert honest.task is not None
        assert not honest.task.done()


async def test_what_is_kept_of_a_strangers_words_is_short_and_printable() -> None:
    async with running("honest") as honest:
        honest.peers._note_fault(key_of("friend"), "\x1b[2J\n" + "x" * 10_000)
        (fault,) = honest.peers.dial_faults().values()
        assert fault == ("?[2J?" + "x" * DIAL_FAULT_CHARACTERS_MAX)[:DIAL_FAULT_CHARACTERS_MAX]


# ---- what is said first


async def test_the_wrong_chain_is_refused_and_both_operators_are_told(events: Events) -> None:
    async with running("a", chain=OTHER_CHAIN) as a, under_attack() as target:
        target.know("a", "friend")
        a.know(target)
        await until(lambda: refusals(events) and reasons(events, "peer_refused_us"))
        expected = f"wrong chain: the dialer is of {OTHER_CHAIN.hex()[:16]}, the listener of {CHAIN.hex()[:16]}"
        assert refusals(events)[0] == expected
        assert reasons(events, "peer_refused_us")[0] == expected
        assert a.peers.dial_faults() == {target.peer: f"it refused, {expected}"}
        assert target.peers.dial_faults().keys() <= {PeerId(key_of("friend").hex())}, "it does not know where to dial"
        assert not a.links()
        assert not target.links()


BAD_HELLOS = {
    "garbage": (b"hello", CloseCode.MALFORMED, "the first frame is not a hello"),
    "a message": (wire.encode(wire.Status(1, 1)), CloseCode.MALFORMED, "the first frame is not a hello"),
    "another key": (
        encode_hello(Hello(Role.DIALER, CHAIN, key_of("friend"))),
        CloseCode.WRONG_NETWORK,
        "the hello names another node key than TLS proved",
    ),
    "wrong role": (
        encode_hello(Hello(Role.LISTENER, CHAIN, key_of("insider"))),
        CloseCode.WRONG_NETWORK,
        "the hello is of the wrong end of a link",
    ),
}


@pytest.mark.parametrize(("frame", "code", "reason"), BAD_HELLOS.values(), ids=BAD_HELLOS.keys())
async def test_a_bad_hello(events: Events, frame: bytes, code: CloseCode, reason: str) -> None:
    async with under_attack() as target:
        async with websocket_as("insider", target) as websocket:
            await websocket.send_bytes(frame)
            assert await close_of(websocket) == (code, reason)
        assert refusals(events) == [reason]
        assert not target.links()


# ---- silence


async def test_silence_in_the_handshake_is_ended(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before TLS, between TLS and HTTP, and between the WebSocket and the hello."""
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_MS", 300)
    async with under_attack() as target:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        context = contexts_of("insider", "target").client
        tls_reader, tls_writer = await asyncio.open_connection("127.0.0.1", target.port, ssl=context)
        async with websocket_as("insider", target) as websocket:
            message = await websocket.receive()
            assert message.type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        for stream, end in ((reader, writer), (tls_reader, tls_writer)):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert await stream.read() == b""
            end.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await end.wait_closed()
        await until(lambda: refusals(events).count("handshake timed out") == 3)
        assert not target.links()


async def test_a_crowd_of_handshakes_is_bounded(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PEER_HANDSHAKES_PER_ADDRESS_MAX", 3)
    async with under_attack() as target:
        crowd = [await asyncio.open_connection("127.0.0.1", target.port) for _ in range(5)]
        await until(lambda: refusals(events).count("too many handshakes at once") == 2)
        for _, writer in crowd:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await until(lambda: len(refusals(events)) == 5)


@pytest.mark.parametrize(("addresses", "each"), [(4, 4), (24, 1)], ids=["of few addresses", "of many addresses"])
async def test_a_peer_is_let_in_however_many_strangers_are_silent(
    events: Events, monkeypatch: pytest.MonkeyPatch, addresses: int, each: int
) -> None:
    monkeypatch.setattr(listener, "PEER_HANDSHAKES_MAX", 12)
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_MS", 60_000)
    async with under_attack() as target, contextlib.AsyncExitStack() as crowd:
        for number in range(addresses * each):
            stranger = crowd.enter_context(socket.socket())
            stranger.setblocking(False)
            stranger.bind((f"127.0.1.{number // each + 1}", 0))
            await asyncio.get_running_loop().sock_connect(stranger, ("127.0.0.1", target.port))
        await until(lambda: refusals(events).count("too many handshakes at once") == addresses * each - 12)
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await until(target.links)
        assert refusals(events).count("too many handshakes at once") == addresses * each - 12 + 1


async def test_refusals_do_not_flood_the_log(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    async with under_attack() as target:
        for _ in range(listener._REFUSALS_LOGGED_PER_MINUTE + 20):
            with socket.create_connection(("127.0.0.1", target.port)):
                await asyncio.sleep(0)
        await until(lambda: len(refusals(events)) == listener._REFUSALS_LOGGED_PER_MINUTE)


# ---- members that misbehave


async def test_a_malformed_frame_ends_the_link_and_the_peer_has_to_wait(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MISBEHAVIOUR_DELAY_MS", 300)
    async with under_attack() as target:
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await websocket.send_bytes(wire.encode(wire.Status(1, 2)))
            await websocket.send_bytes(b"\xff rubbish")
            assert await close_of(websocket) == (CloseCode.MALFORMED, "unknown type of frame 255")
        assert reasons(events, "peer_misbehaved") == ["unknown type of frame 255"]
        assert target.messages() == [wire.Status(1, 2)]
        async with websocket_as("insider", target) as websocket:
            await websocket.send_bytes(encode_hello(Hello(Role.DIALER, CHAIN, key_of("insider"))))
            assert (await close_of(websocket))[0] == CloseCode.NOT_NOW
        await asyncio.sleep(0.3)
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await until(lambda: target.links()[-1:] == [PeerConnected(target.links()[0].peer)])  # type: ignore[union-attr]


async def test_an_oversized_frame_ends_the_link_before_it_is_read(events: Events) -> None:
    async with under_attack() as target:
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            largest = b"\x01" + bytes(8) + b"x" * (FRAME_BYTES_MAX - 9)
            await websocket.send_bytes(largest)
            await until(target.messages)
            with contextlib.suppress(ConnectionError):
                await websocket.send_bytes(largest + b"x")
            await until(lambda: reasons(events, "peer_misbehaved"))
        assert "exceeds limit" in reasons(events, "peer_misbehaved")[0]
        assert len(target.messages()) == 1


async def test_a_text_message_and_a_compressed_one_are_refused(events: Events) -> None:
    async with under_attack() as target:
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await websocket.send_str("hello")
            assert await close_of(websocket) == (CloseCode.MALFORMED, "a text message where frames are binary")
        target.peers._banned_until.clear()
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await websocket.send_bytes(bytes(1_000), compress=15)
            await until(lambda: len(reasons(events, "peer_misbehaved")) == 2)


async def test_what_the_replica_calls_misbehaviour_ends_the_link(events: Events) -> None:
    async with under_attack() as target:
        async with websocket_as("insider", target) as websocket:
            await greet(websocket, "insider")
            await until(target.links)
            target.peers.misbehaved(target.links()[0].peer, "a vote that does not verify")  # type: ignore[union-attr]
            assert await close_of(websocket) == (CloseCode.MISBEHAVED, "a vote that does not verify")
        assert reasons(events, "peer_misbehaved") == ["a vote that does not verify"]


async def test_a_peer_that_never_answers_pings_is_given_up(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PEER_HEARTBEAT_MS", 200)
    async with under_attack() as target:
        target.know("deaf", "friend")
        async with websocket_as("deaf", target) as websocket:
            await greet(websocket, "deaf")
            await until(lambda: "peer_unlinked" in [event for event, _ in events])
        assert not [status for status in target.peers.status() if status.peer == key_of("deaf")]
