"""Accepts connections one by one, for listeners that bound how many of them may be shaking hands.

`asyncio.start_server` would tell nobody that a TLS handshake failed, wait a minute for one that never starts, and let
any number of them begin.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any, TypeAlias

from ledger.limits import ACCEPT_PAUSE_MS, ACCEPTED_IN_A_ROW_MAX
from node.net.links import shape

SocketAddress: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
"""What a socket can be bound to."""


async def socket_addresses_of(host: str, port: int) -> list[SocketAddress]:
    """Where to listen for `host`, a name or an address, of which a name may have several. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, where) for family, *_, where in found))


def listen_at(address: SocketAddress, *, backlog: int) -> socket.socket:
    """A socket that listens there; so many connections may wait to be accepted. Raises `OSError`."""
    family, where = address
    listener = socket.create_server(where, family=family, backlog=backlog)
    listener.setblocking(False)
    return listener


class Handshake:
    """A connection from accepting it until its listener is done with it: who holds a place for it."""

    __slots__ = ("connection", "deadline", "gave_way", "host", "port")

    def __init__(self, connection: socket.socket, host: str, port: int) -> None:
        self.connection = connection
        self.host = host
        self.port = port
        self.deadline: asyncio.Timeout | None = None  # once it has begun
        self.gave_way = False

    def give_way(self) -> None:
        """End now."""
        self.gave_way = True
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time())

    async def begin(self) -> None:
        """Return when there is a first byte. Raises `OSError` when there will be none, and `TimeoutError` when it gave
        way before it could begin; the connection is closed then."""
        try:
            if self.gave_way:
                raise TimeoutError
            await _until_it_speaks(self.connection)
        except BaseException:
            self.connection.close()
            raise


async def accept(listener: socket.socket, failed: Callable[[OSError], None]) -> AsyncIterator[Handshake]:
    """The connections that come. `failed` hears of each that cannot be accepted."""
    loop = asyncio.get_running_loop()
    for number in count():
        try:
            connection, address = await loop.sock_accept(listener)
        except OSError as error:
            # Out of descriptors, or the caller gave up: wait until handshakes have ended, and go on.
            failed(error)
            await asyncio.sleep(ACCEPT_PAUSE_MS / 1000)
            continue
        shape(connection)
        yield Handshake(connection, str(address[0]), int(address[1]))
        if number % ACCEPTED_IN_A_ROW_MAX == 0:
            await asyncio.sleep(0)  # to accept does not yield as long as there is somebody to accept


async def _until_it_speaks(connection: socket.socket) -> None:
    """Return when there is a first byte. Raises `OSError` when there will be none.

    Only then is anything made for TLS: it is a quarter of a megabyte, and goes only when the collector comes by.
    """
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def speak() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection, speak)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
    if not connection.recv(1, socket.MSG_PEEK):
        raise ConnectionResetError("closed before a byte came")
