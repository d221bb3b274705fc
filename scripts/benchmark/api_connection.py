"""A connection to the API of one validator that is kept, for one request after the other.

What a client spends is in what it measures, and on the cores that the validators have, too. So this one spends next to
nothing, as a load generator in C would: it writes requests that are bytes already, and looks into an answer for its
status and length only. A node says both of all that is asked for here; an answer that differs raises.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and body of an answer."""

    status: int
    body: bytes


class ApiConnection(asyncio.Protocol):
    """Leaving the context closes it."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] | None = None

    async def __aenter__(self) -> ApiConnection:
        await asyncio.get_running_loop().create_connection(lambda: self, self._place.hostname, self._place.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The validator let us in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def head(self, method_and_path: str, *lines: str) -> bytes:
        """The head of a request, without its end: the lines that go before those of a body."""
        return "\r\n".join([f"{method_and_path} HTTP/1.1", f"Host: {self._place.netloc}", *lines]).encode("ascii")

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request, one at a time. Raises `RuntimeError` when the connection is closed, by the validator or
        because of what it answered before."""
        assert self._answer is None, "one request at a time"
        if self._transport.is_closing():
            raise RuntimeError("the connection to a validator is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    async def get(self, path: str) -> Answer:
        """Ask for what is at a path. Raises as `ask` does."""
        return await self.ask(self.head(f"GET {path}") + b"\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """Some of an answer, or all of it."""
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        status = _STATUS.match(self._received)
        length = _LENGTH.search(self._received, 0, head_end + 2)
        if self._answer is None or status is None or length is None:
            self._fail(f"a validator answered what this client does not read: {bytes(self._received[:500])!r}")
            self._transport.abort()
            return
        start = head_end + len(_HEAD_END)
        end = start + int(length[1])
        if len(self._received) >= end:
            answer, self._answer = self._answer, None
            answer.set_result(Answer(int(status[1]), bytes(self._received[start:end])))
            del self._received[:end]
            if self._received:  # nobody has asked for more
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The validator closed the connection, or we did."""
        self._fail(f"a validator closed the connection: {exc}")

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RuntimeError(reason))
            self._answer = None
