"""Accepts peers: TCP, then TLS, then a WebSocket, all within one deadline and a bounded number at once.

Connections are accepted one by one (`node.net.accepting`). A stranger costs a handshake; what it gets to see is a TLS
alert. aiohttp's low-level server does HTTP and WebSocket behind that.

Strangers who say nothing do not keep peers out, from however many addresses (`node.places`): a peer needs some
hundredths of its five seconds.

Until `Arrival.admitted` is called the connection belongs to the deadline; afterwards it is the link's.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLContext, SSLError

from aiohttp import web

from ledger.limits import (
    FRAME_BYTES_MAX,
    HANDSHAKE_TIMEOUT_MS,
    PEER_CLOSE_TIMEOUT_MS,
    PEER_HANDSHAKES_MAX,
    PEER_HANDSHAKES_PER_ADDRESS_MAX,
    PEER_HEARTBEAT_MS,
)
from node.log import EventLog, Throttle
from node.net.accepting import Handshake, accept, listen_at, socket_addresses_of
from node.net.handshake import PATH
from node.net.links import Channel
from node.places import Places

_BACKLOG = 128
_REFUSALS_LOGGED_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Arrival:
    """A channel just opened by somebody who holds a listed key: its certificate says which."""

    channel: Channel
    address: str
    admitted: Callable[[], None]


Serve = Callable[[Arrival], Awaitable[None]]
"""Lives as long as the connection: it is closed when this returns."""


class Listener:
    """Listens at one address. `tls` gives the context of the moment, `serve` takes over each WebSocket."""

    def __init__(self, *, host: str, port: int, tls: Callable[[], SSLContext], serve: Serve, log: EventLog) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._serve = serve
        self._log = log
        self._refusals = Throttle(per_window=_REFUSALS_LOGGED_PER_MINUTE, window_ms=60_000)
        self._handshakes = Places(
            total_max=PEER_HANDSHAKES_MAX, per_address_max=PEER_HANDSHAKES_PER_ADDRESS_MAX, oust=Handshake.give_way
        )
        self._serving: set[asyncio.Task[None]] = set()
        self._admitted: dict[asyncio.BaseProtocol, asyncio.Future[None]] = {}

    async def run(self, listening: Callable[[int], None]) -> None:
        """Accept until cancelled. `listening` is told the port once. Raises `OSError` when it cannot be bound."""
        server = web.Server(self._handle, access_log=None)
        address, *_ = await socket_addresses_of(self._host, self._port)
        with listen_at(address, backlog=_BACKLOG) as listener:
            listening(listener.getsockname()[1])
            try:
                async with asyncio.TaskGroup() as group:
                    await self._accept(listener, server, group)
            finally:
                for task in self._serving:
                    task.cancel()
                await asyncio.gather(*self._serving, return_exceptions=True)
                await server.shutdown(PEER_CLOSE_TIMEOUT_MS / 1000)

    async def _accept(self, listener: socket.socket, server: web.Server, group: asyncio.TaskGroup) -> None:
        async for handshake in accept(listener, self._accept_failed):
            if self._handshakes.take(handshake.host, handshake):
                group.create_task(self._shake_hands(server, handshake))
            else:
                handshake.connection.close()
                self._refused(f"{handshake.host}:{handshake.port}", "too many handshakes at once")

    def _accept_failed(self, error: OSError) -> None:
        self._refused("-", f"accept failed: {error}")

    async def _shake_hands(self, server: web.Server, handshake: Handshake) -> None:
        """See one connection through to its link, or close it."""
        loop = asyncio.get_running_loop()
        handler = server()
        self._admitted[handler] = admitted = loop.create_future()
        transport: asyncio.BaseTransport | None = None
        address = f"{handshake.host}:{handshake.port}"
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_MS / 1000) as handshake.deadline:
                await handshake.begin()
                transport, _ = await loop.connect_accepted_socket(
                    lambda: handler,
                    handshake.connection,
                    ssl=self._tls(),
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT_MS / 1000,
                    ssl_shutdown_timeout=PEER_CLOSE_TIMEOUT_MS / 1000,
                )
                await admitted
        except TimeoutError:
            if transport is not None:
                transport.abort()  # type: ignore[attr-defined]  # every stream transport has it (asyncio.Transport)
            self._refused(address, "too many handshakes at once" if handshake.gave_way else "handshake timed out")
        except SSLError as error:
            self._refused(address, f"TLS: {error.reason or error}")
        except OSError as error:
            self._refused(address, f"connection lost: {error}" if str(error) else "connection lost")
        finally:
            del self._admitted[handler]
            self._handshakes.give_back(handshake.host, handshake)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request of a listed peer: the WebSocket, and nothing else."""
        websocket: web.WebSocketResponse[bool] = web.WebSocketResponse(
            timeout=PEER_CLOSE_TIMEOUT_MS / 1000,
            heartbeat=PEER_HEARTBEAT_MS / 1000,
            compress=False,
            max_msg_size=FRAME_BYTES_MAX + 1,  # aiohttp refuses messages that reach it
        )
        address = _address(request)
        if request.path != PATH or not websocket.can_prepare(request):
            self._refused(address, "not a WebSocket request for a peer link")
            return web.Response(status=426, headers={"Upgrade": "websocket", "Connection": "close"})
        await websocket.prepare(request)
        admitted = self._admitted.get(request.protocol)

        def admit() -> None:
            if admitted is not None and not admitted.done():
                admitted.set_result(None)

        serving = asyncio.ensure_future(self._serve(Arrival(Channel(websocket), address, admit)))
        self._serving.add(serving)
        try:
            await serving
        finally:
            self._serving.discard(serving)
            admit()  # refused, and logged, by `serve`: there is nothing left to wait for
        return websocket

    def _refused(self, address: str, reason: str) -> None:
        suppressed = self._refusals.admit(time.monotonic_ns() // 1_000_000)
        if suppressed is not None:
            self._log.warning("peer_refused", address=address, reason=reason, not_logged=suppressed)


def _address(request: web.BaseRequest) -> str:
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("peername")
    return "unknown" if peer is None else f"{peer[0]}:{peer[1]}"
