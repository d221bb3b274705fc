"""Nodes that are nothing but links, on loopback, with real TLS: what the tests of this folder are told with."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ledger.consensus.inputs import PeerId
from ledger.crypto import SigningKey
from ledger.primitives import Digest, PublicKey
from node import wire
from node.config import Endpoint
from node.inbox import Inbox
from node.log import EventLog
from node.net.peers import Member, Peers
from node.replica.inputs import PeerConnected, PeerDisconnected, PeerMessageReceived, ReplicaInput

CHAIN = Digest(b"\xc4" * 32)
OTHER_CHAIN = Digest(b"\xbb" * 32)


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def key_of(name: str) -> PublicKey:
    return SigningKey(seed_of(name)).public_key


def peer_of(name: str) -> PeerId:
    return PeerId(key_of(name).hex())


def by_key(*names: str) -> list[str]:
    """The names in the order of their node keys: the first one's dials win."""
    return sorted(names, key=key_of)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Node:
    """A node that remembers what it heard, in order."""

    name: str
    port: int
    peers: Peers
    inbox: Inbox
    heard: list[ReplicaInput] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def key(self) -> PublicKey:
        return key_of(self.name)

    @property
    def peer(self) -> PeerId:
        return peer_of(self.name)

    def know(self, *others: Node | str, dial: bool = True) -> None:
        """List the others; with `dial`, the address of those that are nodes, too."""
        members = {}
        for other in others:
            if isinstance(other, Node):
                members[other.key] = Member(Endpoint("127.0.0.1", other.port) if dial else None, is_validator=True)
            else:
                members[key_of(other)] = Member(None, is_validator=False)
        self.peers.set_members(members)

    def messages(self) -> list[wire.PeerMessage]:
        self.listen()
        return [item.message for item in self.heard if isinstance(item, PeerMessageReceived)]

    def links(self) -> list[ReplicaInput]:
        """Connections and disconnections so far."""
        self.listen()
        return [item for item in self.heard if isinstance(item, PeerConnected | PeerDisconnected)]

    def listen(self) -> None:
        while inputs := self.inbox.take():
            self.heard.extend(inputs)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None


@contextlib.asynccontextmanager
async def running(name: str, *, chain: Digest = CHAIN, port: int | None = None) -> AsyncIterator[Node]:
    """A node that listens on a port of its own."""
    inbox = Inbox()
    port = free_port() if port is None else port
    endpoint = Endpoint("127.0.0.1", port)
    peers = Peers(seed=seed_of(name), chain=chain, listen=endpoint, inbox=inbox, log=EventLog(f"test.{name}"))
    node = Node(name, port, peers, inbox)
    node.task = asyncio.create_task(peers.run())
    try:
        await peers.bound_port()
        yield node
    finally:
        await node.stop()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; the time is only for giving up."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def linked(node: Node, *others: Node) -> bool:
    return {status.peer for status in node.peers.status()} == {other.key for other in others}


def descriptors() -> int:
    """How many are open, without the one that uvloop keeps in reserve from its first connection on."""
    gc.collect()
    open_ones = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(each.is_symlink() and os.readlink(each) != os.devnull for each in open_ones)


@contextlib.contextmanager
def captured_events() -> Iterator[list[tuple[str, dict[str, object]]]]:
    """The (event, fields) that nodes log within the block."""
    events: list[tuple[str, dict[str, object]]] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            events.append((record.getMessage(), dict(getattr(record, "event_fields", {}), logger=record.name)))

    logger = logging.getLogger("quorum")
    handler = Capture()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield events
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
