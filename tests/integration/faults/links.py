"""Every link between two nodes goes through a proxy, one for each pair and direction of dialling.

A node dials another at the proxy's address, which its configuration pins; what it then does to the bytes, it does to
each direction for itself. Nodes speak TLS through it, so it can spoil what it carries and not read it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from typing import TypeAlias

from ledger.genesis import parse_card
from node.config import FILE_NAME, Endpoint
from node.devnet import Layout

Pair: TypeAlias = tuple[int, int]
"""Two machines by number; where it is a direction, from the first to the second."""

_CHUNK_BYTES = 16 * 1024
_CHUNKS_HELD_MAX = 64  # of one direction of a connection; beyond, TCP tells the sender


class Way:
    """One direction between two machines, as faults have it now. Bytes stay in order, as TCP keeps them."""

    def __init__(self) -> None:
        self.delay_ms = 0
        self.bytes_per_second: int | None = None
        self.refuses = False
        """New connections are reset."""
        self.breaks_after: int | None = None
        """Bytes that still pass; then the connection is reset, wherever in a frame that is."""
        self.spoils_next = False
        """One bit of what passes next is flipped."""
        self._open = asyncio.Event()
        self._open.set()

    def silence(self) -> None:
        """Nothing passes from now on, not even that a connection has ended."""
        self._open.clear()

    def restore(self) -> None:
        """As if there had never been a fault. What waits in silence goes on."""
        self.delay_ms, self.bytes_per_second, self.refuses = 0, None, False
        self.breaks_after, self.spoils_next = None, False
        self._open.set()

    async def carry(self, chunk: bytes) -> bytes:
        """What comes out at the other end, when it does. Raises `ConnectionResetError` where the connection breaks."""
        await self._open.wait()
        if self.bytes_per_second is not None:
            await asyncio.sleep(len(chunk) / self.bytes_per_second)
        if self.spoils_next and chunk:
            self.spoils_next = False
            middle = len(chunk) // 2
            chunk = chunk[:middle] + bytes([chunk[middle] ^ 0x10]) + chunk[middle + 1 :]
        if self.breaks_after is not None:
            if len(chunk) > self.breaks_after:
                self.breaks_after = None
                raise ConnectionResetError("broken off by the test")
            self.breaks_after -= len(chunk)
        return chunk


class Links:
    """All ways between the machines, and the proxies on them. Make it within a running event loop."""

    def __init__(self, listeners: Sequence[Endpoint]) -> None:
        self._listeners = listeners
        self.ways: dict[Pair, Way] = {pair: Way() for pair in permutations(range(len(listeners)), 2)}
        self._servers: dict[Pair, asyncio.Server] = {}
        self._connections: dict[Pair, set[asyncio.Task[None]]] = {pair: set() for pair in self.ways}

    async def open(self) -> None:
        """Listen for every machine that dials another."""
        for dialer, listener in self.ways:

            def accepted(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair = (dialer, listener)
            ) -> None:
                task = asyncio.ensure_future(self._serve(pair, reader, writer))
                self._connections[pair].add(task)
                task.add_done_callback(self._connections[pair].discard)

            self._servers[dialer, listener] = await asyncio.start_server(accepted, "127.0.0.1", 0)

    def address(self, dialer: int, listener: int) -> Endpoint:
        """Where `dialer` is to dial `listener`."""
        host, port = self._servers[dialer, listener].sockets[0].getsockname()[:2]
        return Endpoint(host, port)

    def cut(self, pairs: Iterable[Pair]) -> None:
        """Reset every connection that one of a pair has dialled to the other."""
        for one, other in pairs:
            for task in (*self._connections[one, other], *self._connections[other, one]):
                task.cancel()

    def restore(self) -> None:
        """No faults any more."""
        for way in self.ways.values():
            way.restore()

    async def close(self) -> None:
        """End all connections and listen no more."""
        for server in self._servers.values():
            server.close()
        tasks = [task for connections in self._connections.values() for task in connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its acceptance until either end or a fault ends it."""
        dialer, listener = pair
        there, back = self.ways[dialer, listener], self.ways[listener, dialer]
        writers = [writer]
        try:
            if there.refuses or back.refuses:
                return
            endpoint = self._listeners[listener]
            with contextlib.suppress(OSError):
                target_reader, target_writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                writers.append(target_writer)
                pumps = [
                    asyncio.create_task(_pump(there, reader, target_writer)),
                    asyncio.create_task(_pump(back, target_reader, writer)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for each in writers:
                each.transport.abort()


def dial_through(layout: Layout, address: Callable[[int, int], Endpoint]) -> None:
    """Have every node dial the others where `address(dialer, listener)` says; before any is started."""
    homes = [layout.validator_home(index) for index in range(layout.validators)]
    keys = [parse_card((home / "card.json").read_bytes()).validator.node_key.hex() for home in homes]
    for dialer, home in enumerate(homes):
        pins = "".join(
            f'\n[[peers.pinned]]\naddress = "{address(dialer, listener)}"\nnode_key = "{key}"\n'
            for listener, key in enumerate(keys)
            if listener != dialer
        )
        path = home / FILE_NAME
        path.write_text(path.read_text() + pins)


async def _pump(way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry one direction of one connection until it ends. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_HELD_MAX)

    async def read() -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = await source.read(_CHUNK_BYTES)
            except OSError:
                chunk = b""
            await held.put((loop.time() + way.delay_ms / 1000, chunk))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, chunk = await held.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            carried = await way.carry(chunk)
            if not chunk:
                await sink.drain()
                return
            sink.write(carried)
            await sink.drain()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
