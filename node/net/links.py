"""One link: a WebSocket whose other end is known, with a reader and a writer for as long as it lives.

The reader takes one frame at a time and waits until the node has taken it in: while the node is busy nothing is read,
TCP tells the peer, and its outbox fills, not our memory. The writer empties the outbox in the order of its lanes.
`Link.run` ends when either ends or somebody calls `close`; `Link.end` then closes politely, but not for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import ClientWebSocketResponse, WebSocketError, WSMsgType, web

from ledger.errors import MalformedError
from ledger.limits import PEER_CLOSE_TIMEOUT_MS
from ledger.primitives import PublicKey
from node.net.handshake import CloseCode
from node.net.outbox import Outbox, Outgoing

WebSocket: TypeAlias = "ClientWebSocketResponse[bool] | web.WebSocketResponse[bool]"
"""Either end of a WebSocket of aiohttp: both have the methods that are used here."""

_REASON_BYTES_MAX = 120  # a close frame holds 125 bytes with its code (RFC 6455 section 5.5)
_UNSENT_BYTES_MAX = 256 * 1024

Receive: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes in one frame, and returns when there is room for the next. Raises `MalformedError`."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a link ended: a code, words, and whether the other end said so."""

    code: int
    reason: str
    by_peer: bool = False


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Counts of one link, for the operator."""

    peer: PublicKey
    address: str
    dialed: bool
    age_seconds: float
    frames_received: int
    bytes_received: int
    frames_sent: int
    bytes_sent: int
    outbox_frames: int
    outbox_bytes: int
    gossip_dropped: int


class LinkClosedError(Exception):
    """The other end closed, broke off, or broke the rules of WebSockets, before there was a frame."""

    def __init__(self, closing: Closing) -> None:
        super().__init__(closing.reason)
        self.closing = closing


class Channel:
    """A WebSocket seen as a channel of frames. `certificate` is the DER of what the other end presented, or None."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        # Asked for now: asyncio's TLS transport has no answer any more once it is closed.
        self._socket = websocket.get_extra_info("socket")
        tls = websocket.get_extra_info("ssl_object")
        self.certificate: bytes | None = None if tls is None else tls.getpeercert(binary_form=True)

    async def receive(self) -> bytes:
        """The next frame. Raises `LinkClosedError`, or `MalformedError` for what is not a frame."""
        message = await self._websocket.receive()
        match message.type:
            case WSMsgType.BINARY:
                assert isinstance(message.data, bytes)
                return message.data
            case WSMsgType.CLOSE:
                raise LinkClosedError(Closing(int(message.data or 0), str(message.extra or "closed"), by_peer=True))
            case WSMsgType.ERROR if isinstance(message.data, WebSocketError):
                raise MalformedError(str(message.data))
            case WSMsgType.ERROR:
                raise LinkClosedError(Closing(0, f"connection lost: {message.data}", by_peer=True))
            case WSMsgType.CLOSING | WSMsgType.CLOSED:
                raise LinkClosedError(Closing(0, "connection lost", by_peer=True))
            case _:
                raise MalformedError(f"a {message.type.name.lower()} message where frames are binary")

    async def send(self, frame: bytes) -> None:
        """Send a frame; returns when there is room for the next one. Raises `OSError`."""
        await self._websocket.send_bytes(frame)

    async def close(self, code: int, reason: str) -> None:
        """Say why, wait a moment for the answer, and leave nothing open."""
        words = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
        # In a task of its own: a `send` that was cancelled while it waited for room leaves aiohttp a cancelled future,
        # and whoever waits next, which is this one, would be cancelled as well, though nobody has asked for it.
        closing = asyncio.ensure_future(self._websocket.close(code=code, message=words))
        try:
            await asyncio.wait([closing], timeout=PEER_CLOSE_TIMEOUT_MS / 1000)
        finally:
            closing.cancel()
            self._sever()
        (end,) = await asyncio.gather(closing, return_exceptions=True)
        # A peer that is gone or does not read can't be told anything.
        if isinstance(end, Exception) and not isinstance(end, OSError):
            raise end

    def _sever(self) -> None:
        """Break the connection; the event loop closes it, with all that waits in its buffers, soon after."""
        descriptor = -1 if self._socket is None else self._socket.fileno()
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # it was broken already
                connection = socket.socket(fileno=descriptor)  # what uvloop gives as a socket has no `shutdown`
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                finally:
                    connection.detach()  # the descriptor is the event loop's


def shape(connection: socket.socket) -> None:
    """Keep what the kernel holds of unsent data small, so that the outbox decides what goes first."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES_MAX)


class Link:
    """A channel to a known peer. Made when both hellos are through; `run` is called once."""

    def __init__(self, channel: Channel, *, peer: PublicKey, address: str, dialed: bool) -> None:
        self.peer = peer
        self.address = address
        self.dialed = dialed
        self._channel = channel
        self._outbox = Outbox()
        self._waiting = asyncio.Event()
        self._closed = asyncio.Event()
        self._closing: Closing | None = None
        self._opened = time.monotonic()
        self._received = [0, 0]  # frames, bytes
        self._sent = [0, 0]

    @property
    def age_seconds(self) -> float:
        """How long ago the link was opened."""
        return time.monotonic() - self._opened

    @property
    def closing(self) -> Closing:
        """Why the link ended; once `run` has."""
        return self._closing or Closing(CloseCode.GOING_AWAY, "not used")

    def send(self, item: Outgoing) -> None:
        """Put a frame into the outbox. A link whose outbox is full is closed."""
        if self._closing is not None:
            return
        if not self._outbox.push(item):
            self.close(CloseCode.OUTBOX_FULL, "the peer reads too slowly: its outbox is full")
            return
        self._waiting.set()

    def close(self, code: CloseCode, reason: str) -> None:
        """Have `run` end for this reason. The first reason counts."""
        if self._closing is None:
            self._closing = Closing(code, reason)
            self._closed.set()

    def status(self) -> LinkStatus:
        """The counts of now."""
        return LinkStatus(
            peer=self.peer,
            address=self.address,
            dialed=self.dialed,
            age_seconds=self.age_seconds,
            frames_received=self._received[0],
            bytes_received=self._received[1],
            frames_sent=self._sent[0],
            bytes_sent=self._sent[1],
            outbox_frames=self._outbox.waiting_frames,
            outbox_bytes=self._outbox.waiting_bytes,
            gossip_dropped=self._outbox.dropped,
        )

    async def run(self, receive: Receive) -> None:
        """Carry frames both ways until the link ends, for the reason `closing`; `end` comes next, in any case."""
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(self._read(receive)),
            asyncio.create_task(self._write()),
            asyncio.create_task(self._closed.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.close(CloseCode.GOING_AWAY, "the node is stopping")
            raise
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            if self._closing is None:
                self._closing = _why(ends)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, LinkClosedError | MalformedError | OSError):
                raise end

    async def end(self) -> None:
        """Close the channel, with the reason that `run` ended for."""
        closing = self.closing
        await self._channel.close(closing.code or CloseCode.GOING_AWAY, closing.reason)

    async def _read(self, receive: Receive) -> None:
        while True:
            frame = await self._channel.receive()
            self._received[0] += 1
            self._received[1] += len(frame)
            await receive(frame)

    async def _write(self) -> None:
        while True:
            frame = self._outbox.pop()
            if frame is None:
                self._waiting.clear()
                await self._waiting.wait()
                continue
            await self._channel.send(frame)
            self._sent[0] += 1
            self._sent[1] += len(frame)


def _why(ends: Sequence[object]) -> Closing:
    """The reason that stands in what the tasks of a link ended with; the most telling one when there are several."""
    reasons = [end for end in ends if isinstance(end, Exception)]
    for end in reasons:
        if isinstance(end, LinkClosedError):
            return end.closing
        if isinstance(end, MalformedError):
            return Closing(CloseCode.MALFORMED, str(end))
    return Closing(0, f"connection lost: {reasons[0]}" if reasons else "connection lost", by_peer=True)
