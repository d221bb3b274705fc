"""One who means harm to a network, in a process of its own: a program for tests.

python attacker.py ATTACK GENESIS NODE_KEY V0_API V0_PEERS [V1_API V1_PEERS …]

It attacks all of these nodes at full speed, by one of the functions below, until it is killed, and says once when it
has been at it for a moment, and has had a link to each of them if it needs one. NODE_KEY is the file of a key that the
nodes list; strangers don't use it. On Linux all of 127/8 is this machine, so it comes from many addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError

from ledger.crypto import SigningKey
from ledger.genesis import Genesis, parse_genesis
from ledger.limits import CERTIFIED_BLOCKS_PER_REPLY_MAX, KIB, MIB
from ledger.primitives import Digest, PublicKey, Signature
from node import wire
from node.config import Endpoint, parse_endpoint
from node.identity import load_seed
from node.net import tls
from node.net.dialer import Dialer
from node.net.handshake import Hello, Role, encode_hello
from node.net.links import Channel, LinkClosedError

_MOMENT_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
_UNREAD_SECONDS = 5.0
_TROUBLE = (OSError, ClientError, LinkClosedError, TimeoutError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Target:
    """A node under attack."""

    api: Endpoint
    peers: Endpoint
    node_key: PublicKey
    linked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Arms:
    """What the attacker has got hold of."""

    genesis: Genesis
    seed: bytes


async def _connect(endpoint: Endpoint, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(endpoint.host, endpoint.port, local_addr=(source, 0))


def _sources(count: int) -> Iterator[str]:
    return (f"127.0.1.{number}" for number in range(1, count + 1))


async def _again_and_again(attempt: Callable[[], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(*_TROUBLE):
            await attempt()
        await asyncio.sleep(0)


# ---- strangers


async def slow_headers(target: Target, _: Arms) -> None:
    """Requests that never end: a byte now and then, on as many connections as there are."""

    async def drip(source: str) -> None:
        _, writer = await _connect(target.api, source)
        writer.write(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while True:
            writer.write(b"z")
            await writer.drain()
            await asyncio.sleep(1)

    await _all(lambda source=source: drip(source) for source in _sources(4) for _ in range(300))


async def slow_bodies(target: Target, _: Arms) -> None:
    """Submissions as large as may be, whose bytes hardly come."""

    async def drip(source: str) -> None:
        _, writer = await _connect(target.api, source)
        head = (
            f"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {8 * MIB}"
        )
        writer.write(head.encode() + b"\r\n\r\n")
        while True:
            writer.write(b"{")
            await writer.drain()
            await asyncio.sleep(1)

    await _all(lambda source=source: drip(source) for source in _sources(1) for _ in range(200))


async def answers_unread(target: Target, _: Arms) -> None:
    """The largest answers are asked for, again and again, and never read."""

    async def ask(source: str) -> None:
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            plain.setblocking(False)
            plain.bind((source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(plain, (target.api.host, target.api.port))
            await loop.sock_sendall(plain, b"GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            await asyncio.sleep(_UNREAD_SECONDS)  # by then it may have been closed: nothing tells who does not read

    await _all(lambda source=source: ask(source) for source in _sources(4) for _ in range(125))


async def connections(target: Target, _: Arms) -> None:
    """Connections to both ports, opened and dropped as fast as may be."""

    async def open_and_drop(endpoint: Endpoint, source: str) -> None:
        _, writer = await _connect(endpoint, source)
        writer.transport.abort()

    ports = (target.api, target.peers)
    await _all(
        lambda at=(port, source): open_and_drop(*at) for port in ports for source in _sources(8) for _ in range(4)
    )


async def garbage(target: Target, _: Arms) -> None:
    """Bytes without sense, at both ports."""

    async def pour(endpoint: Endpoint, source: str) -> None:
        _, writer = await _connect(endpoint, source)
        starts = (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n")
        writer.write(random.choice(starts))
        while not writer.is_closing():
            writer.write(os.urandom(16 * KIB))
            await writer.drain()

    ports = (target.api, target.peers)
    await _all(lambda at=(port, source): pour(*at) for port in ports for source in _sources(8))


async def silent_handshakes(target: Target, _: Arms) -> None:
    """More connections to the peer port than may shake hands at once, of more addresses, and not a byte on them."""

    async def wait(source: str) -> None:
        reader, writer = await _connect(target.peers, source)
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    await _all(lambda source=source: wait(source) for source in _sources(100) for _ in range(2))


# ---- one who holds a key that the nodes list


async def spoilt_frames(target: Target, arms: Arms) -> None:
    """Links on which every frame is bytes without sense, dialled again at once when they are closed."""

    async def pour() -> None:
        async with _linked(target, arms) as channel:
            while True:
                await channel.send(os.urandom(random.choice((1, 40, 16 * KIB, MIB))))
                await asyncio.sleep(0)  # else it would never hear that it is cut off

    await _all([pour] * 4)


async def senseless_messages(target: Target, arms: Arms) -> None:
    """Well-formed frames that no rule of the protocol forbids, and that are of no use to anybody: nobody is cut off for
    them. (What is of a height that a node decides or has decided would be verified, and found to be forged.)"""
    dice = random.Random(1)

    def message() -> wire.PeerMessage:
        height, digest = dice.randrange(1, 2_000), Digest(dice.randbytes(32))
        signature, key = Signature(dice.randbytes(64)), PublicKey(dice.randbytes(32))
        return dice.choice(
            (
                wire.Status(height, dice.randrange(100)),
                wire.Consensus(height + 10_000, dice.randbytes(2_000)),
                wire.FetchTransactions(tuple(Digest(dice.randbytes(32)) for _ in range(1_000))),
                wire.FetchBlock(height, digest),
                wire.Block(height, dice.randbytes(500), (digest,)),
                wire.FetchJustification(height, digest),
                wire.Justification(height + 10_000, dice.randbytes(2_000)),
                wire.Records(()),
                wire.Cosignature(height + 10_000, height, digest, height, key, signature, signature),
            )
        )

    async def pour() -> None:
        async with _linked(target, arms) as channel:
            reading = asyncio.ensure_future(_read_all(channel))
            try:
                while not reading.done():
                    await channel.send(wire.encode(message()))
                    await asyncio.sleep(0)
            finally:
                reading.cancel()

    await _again_and_again(pour)


async def endless_requests(target: Target, arms: Arms) -> None:
    """All of the chain, asked for as fast as it is sent."""

    async def pour() -> None:
        async with _linked(target, arms) as channel:
            reading = asyncio.ensure_future(_read_all(channel))
            try:
                while not reading.done():
                    await channel.send(wire.encode(wire.FetchRecords(1, CERTIFIED_BLOCKS_PER_REPLY_MAX)))
                    await asyncio.sleep(0)
            finally:
                reading.cancel()

    await _again_and_again(pour)


async def requests_unread(target: Target, arms: Arms) -> None:
    """All of the chain, asked for again and again by one that never reads."""

    async def pour() -> None:
        async with _linked(target, arms) as channel:
            while True:
                await channel.send(wire.encode(wire.FetchRecords(1, CERTIFIED_BLOCKS_PER_REPLY_MAX)))
                await asyncio.sleep(0)

    await _again_and_again(pour)


@contextlib.asynccontextmanager
async def _linked(target: Target, arms: Arms) -> AsyncIterator[Channel]:
    """A link as the holder of the key, once both hellos are through."""
    context = tls.build_contexts(arms.seed, [target.node_key]).client
    async with Dialer() as dialer:
        channel = await dialer.open(target.peers, context)
        try:
            hello = Hello(Role.DIALER, arms.genesis.chain, SigningKey(arms.seed).public_key)
            await channel.send(encode_hello(hello))
            await channel.receive()
            target.linked.set()
            yield channel
        finally:
            await channel.close(1000, "over")


async def _read_all(channel: Channel) -> None:
    with contextlib.suppress(*_TROUBLE):
        while True:
            await channel.receive()


async def _all(attempts: Iterable[Callable[[], Awaitable[None]]]) -> None:
    await asyncio.gather(*(_again_and_again(attempt) for attempt in attempts))


Attack = Callable[[Target, Arms], Awaitable[None]]

STRANGERS: Mapping[str, Attack] = {
    attack.__name__: attack
    for attack in (slow_headers, slow_bodies, answers_unread, connections, garbage, silent_handshakes)
}

LISTED: Mapping[str, Attack] = {
    attack.__name__: attack for attack in (senseless_messages, endless_requests, requests_unread, spoilt_frames)
}
"""Those of one with a key. The last is cut off, and not let in again for a while."""


def main(attack: str, genesis_path: str, key_path: str, *addresses: str) -> None:
    """See the module."""
    genesis = parse_genesis(Path(genesis_path).read_bytes())
    arms = Arms(genesis, load_seed(Path(key_path), passphrase=None))
    listed = {item.address: item.node_key for item in genesis.validators.validators}
    targets = [
        Target(parse_endpoint(api, "API"), parse_endpoint(peers, "peers"), listed[peers])
        for api, peers in zip(addresses[::2], addresses[1::2], strict=True)
    ]

    async def begin() -> None:
        attacks = [asyncio.ensure_future({**STRANGERS, **LISTED}[attack](target, arms)) for target in targets]
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for target in targets if attack in LISTED else ():
                await target.linked.wait()
            await asyncio.sleep(_MOMENT_SECONDS)
        print("under way", flush=True)
        await asyncio.gather(*attacks)

    asyncio.run(begin())


if __name__ == "__main__":
    main(*sys.argv[1:])
