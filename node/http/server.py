"""Sockets: the application's connections, bounded in number, in time, and in what one request line may be.

aiohttp reads requests, writes answers, and closes connections that send nothing. Around it stand what it does not have:
a bound on connections, in all and for each address, likewise on those that shake hands (`node.http.handshakes`), one on
the time that the head of a request takes, one on answers that nobody reads, in bytes and in time, and problem details
for what its parser refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import sys
import termios

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from ledger.limits import (
    HTTP_CLOSE_SECONDS_MAX,
    HTTP_CONNECTIONS_MAX,
    HTTP_CONNECTIONS_PER_ADDRESS_MAX,
    HTTP_IDLE_SECONDS_MAX,
    HTTP_LINE_BYTES_MAX,
    HTTP_READ_SECONDS_MAX,
    HTTP_SLICE_BYTES,
    HTTP_UNREAD_CONNECTION_BYTES,
    HTTP_UNREAD_SECONDS_MAX,
    HTTP_UNREAD_TAKEN_BYTES_MIN,
)
from node.http import render
from node.http.allowance import client_address
from node.http.application import CONTEXT, problem_response
from node.http.call import PROBLEM_JSON, Context
from node.http.handshakes import Handshakes, LetIn
from node.http.log import log_failure
from node.http.problems import HttpCode, Problem
from node.net.accepting import listen_at, socket_addresses_of
from node.net.links import shape
from node.places import Places


class HttpServer:
    """Serves one application on any number of addresses."""

    def __init__(self, application: web.Application) -> None:
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,  # a client that goes away ends its wait
            shutdown_timeout=HTTP_CLOSE_SECONDS_MAX,
        )
        self._connections = Places(
            total_max=HTTP_CONNECTIONS_MAX,
            per_address_max=HTTP_CONNECTIONS_PER_ADDRESS_MAX,
            oust=_Connection.break_off,
        )
        self._context = application[CONTEXT]
        self._server: web.Server | None = None  # aiohttp's own, once something listens
        self._handshakes = Handshakes(self._let_in, _turn_away)
        self._listeners: list[asyncio.Server | socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []  # over TLS

    async def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Accept connections on `host:port` (0: any free one). Returns the address. Raises `OSError`."""
        if self._server is None:
            await self._runner.setup()
            self._server = self._runner.server
        if tls is not None:
            return await self._listen_over_tls(host, port, tls)
        listener = await asyncio.get_running_loop().create_server(
            lambda: _Gate(self._let_in), host, port, backlog=HTTP_CONNECTIONS_MAX
        )
        self._listeners.append(listener)
        bound: tuple[str, int] = listener.sockets[0].getsockname()[:2]
        return bound

    async def _listen_over_tls(self, host: str, port: int, tls: ssl.SSLContext) -> tuple[str, int]:
        bound: tuple[str, int] | None = None
        for address in await socket_addresses_of(host, port):
            listener = listen_at(address, backlog=HTTP_CONNECTIONS_MAX)
            self._listeners.append(listener)
            accepting = asyncio.get_running_loop().create_task(self._handshakes.accept(listener, tls))
            accepting.add_done_callback(_ended)
            self._accepting.append(accepting)
            bound = bound or listener.getsockname()[:2]
        assert bound is not None, "what has no address raises"
        return bound

    def _let_in(self, transport: asyncio.Transport) -> bool:
        """Hand a connection over to aiohttp if it may be open."""
        peer = transport.get_extra_info("peername")
        address = client_address(peer[0] if isinstance(peer, tuple) else None)
        assert self._server is not None, "set up"
        connection = _Connection(self._server, self._connections, self._context, address)
        if not self._connections.take(address, connection):
            return False
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return True

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._connections.total

    @property
    def handshakes(self) -> int:
        """How many connections over TLS are not let in yet, or are being turned away."""
        return self._handshakes.total

    @property
    def unread_bytes(self) -> int:
        """How much of answers waits for readers, as of when each began to."""
        return self._context.unread.total

    async def close(self) -> None:
        """Stop accepting, let waits and streams end, give requests a moment to finish, and close all connections."""
        for accepting in self._accepting:
            accepting.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()


def _ended(accepting: asyncio.Task[None]) -> None:
    if not accepting.cancelled() and (error := accepting.exception()) is not None:
        log_failure("http_accept_ended", error)


class _Gate(asyncio.Protocol):
    """The first protocol of a connection without TLS."""

    def __init__(self, let_in: LetIn) -> None:
        self._let_in = let_in

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a stream's
        """Let it in, or turn it away."""
        if not self._let_in(transport):
            _turn_away(transport)


class _Connection(RequestHandler):
    """An aiohttp connection that gives its shares back, waits only so long for the rest of a request and for its
    reader, and says in problem details what its parser refuses."""

    __slots__ = (
        "_address",
        "_connections",
        "_head",
        "_node",
        "_patience",
        "_senseless",
        "_unread",
        "_waiting_bytes",
        "_wire",
    )

    def __init__(self, server: web.Server, connections: Places[_Connection], context: Context, address: str) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say that there is none
            keepalive_timeout=HTTP_IDLE_SECONDS_MAX,
            max_line_size=HTTP_LINE_BYTES_MAX,
            max_field_size=HTTP_LINE_BYTES_MAX,
            auto_decompress=False,  # nothing that is sent compressed is taken, so nothing can swell
        )
        self._connections = connections
        self._node = context.node
        self._unread = context.unread
        self._address = address
        self._waiting_bytes = 0  # of `unread`, as long as the transport has paused writing
        self._patience: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = None  # as long as a request's head has begun and not ended
        self._senseless = False  # what came last is no request: the connection ends with the answer to it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a stream's
        """Have little wait here and in the kernel, in front of a reader who may never come."""
        transport.set_write_buffer_limits(high=HTTP_SLICE_BYTES)
        shape(transport.get_extra_info("socket"))
        self._wire = transport  # aiohttp forgets its own when it begins to close it, and that may wait for a reader
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A request comes, or some of one: what begins while none is waited for is the head of the next."""
        if self._senseless:
            return  # there may be megabytes of it before the answer has its turn
        idle = self._waits_for_request()
        super().data_received(data)
        if self._messages and isinstance(refused := self._messages[-1][0], _ErrInfo):
            self._senseless = True
            refused.exc.__traceback__ = None  # it holds `data`, and itself, until the collector comes by
        if not self._waits_for_request():
            self._head_is_whole()
            self._node.request_came()
        elif idle and data and self._head is None:
            loop = asyncio.get_running_loop()
            self._head = loop.call_later(HTTP_READ_SECONDS_MAX, self.break_off)

    def _waits_for_request(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _head_is_whole(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the shares back."""
        self._connections.give_back(self._address, self)
        self._head_is_whole()
        self._was_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """An answer waits for its reader. It must, within bounds: a thousand of them would have a gigabyte. (Requests
        are refused before that, so that nothing is made for nobody. A large answer counts for itself, see
        `node.http.slices`.)"""
        super().pause_writing()
        waiting = self._unsent_bytes() + HTTP_UNREAD_CONNECTION_BYTES
        if self._unread.take(self._address, waiting):
            self._waiting_bytes = waiting
            self._expect_reading()
        else:
            self.break_off()

    def resume_writing(self) -> None:
        """It was read."""
        self._was_read()
        super().resume_writing()

    def _expect_reading(self) -> None:
        loop = asyncio.get_running_loop()
        unread = self._unsent_bytes() + self._bytes_in_kernel()
        self._patience = loop.call_later(HTTP_UNREAD_SECONDS_MAX, self._see_reading, unread)

    def _see_reading(self, unread_before: int) -> None:
        """Its time is over: has the reader taken enough to be given as much again?"""
        if unread_before - self._unsent_bytes() - self._bytes_in_kernel() >= HTTP_UNREAD_TAKEN_BYTES_MIN:
            self._expect_reading()
        else:
            self.break_off()

    def _was_read(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._waiting_bytes:
            self._unread.give_back(self._address, self._waiting_bytes)
            self._waiting_bytes = 0

    def _unsent_bytes(self) -> int:
        return self._wire.get_write_buffer_size()

    def _bytes_in_kernel(self) -> int:
        """How much the other end has not acknowledged (tcp(7), SIOCOUTQ), where the system says so: of a slow reader
        the kernel takes megabytes at once, and then nothing for minutes."""
        connection = self._wire.get_extra_info("socket")
        count = bytearray(4)
        with contextlib.suppress(OSError):
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, count)
        return int.from_bytes(count, sys.byteorder)

    def break_off(self) -> None:
        """Close it now; to close it politely would be to wait for the reader."""
        self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what aiohttp could not read (the sender's fault), or not handle (ours); the connection ends."""
        if status < 500 or isinstance(exc, UnicodeError):  # aiohttp stumbles over an Expect header that is no text
            code = HttpCode.HEADERS_TOO_LARGE if isinstance(exc, LineTooLong) else HttpCode.REQUEST_MALFORMED
            detail = ascii((message or "unreadable").splitlines()[0][:200])[1:-1]
        else:
            log_failure("http_connection_failed", exc)
            code, detail = HttpCode.INTERNAL_ERROR, "see the node's log"
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; it can only be broken off")
        response = problem_response(Problem(code, detail), None)
        response.force_close()
        return response


def _turn_away(transport: asyncio.Transport) -> None:
    """Say in a whole HTTP answer that the connection may not be open, and close it."""
    problem = Problem(HttpCode.CONNECTIONS_EXHAUSTED, "the connection is closed")
    body = render.to_bytes(render.problem(problem))
    head = (
        f"HTTP/1.1 {problem.status} Service Unavailable\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {problem.retry_after_seconds}\r\nConnection: close\r\n\r\n"
    )
    transport.write(head.encode("ascii") + body)
    transport.close()
