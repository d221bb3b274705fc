"""One who submits a transaction and waits until it is committed, again and again, over a connection that is kept.

What this client spends is in the latency of a transaction, and on the cores that the validators have, too. So it spends
next to nothing, as a load generator in C would: it writes a request that was made before, and looks into an answer for
its length only. A node answers a submission with nothing else; whatever it is, an answer that differs raises.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

import orjson

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a transaction that was waited for: the seconds that it took, and the height of its block."""

    seconds: float
    height: int


class Submitter(asyncio.Protocol):
    """A connection to the API of one validator; leaving the context closes it."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._head = (
            f"POST /v1/transactions HTTP/1.1\r\nHost: {self._place.netloc}\r\nContent-Type: application/json\r\n"
            "Prefer: wait=30\r\nContent-Length: %d\r\n\r\n"
        ).encode("ascii")
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None

    async def __aenter__(self) -> Submitter:
        await asyncio.get_running_loop().create_connection(lambda: self, self._place.hostname, self._place.port)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The validator let us in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def commit(self, envelope: bytes) -> Committed:
        """Submit a transaction, one at a time. Raises `RuntimeError` when it is not committed and applied, or when the
        connection is closed, by the validator or because of what it answered before."""
        if self._transport.is_closing():
            raise RuntimeError("the connection to a validator is closed")
        started = time.perf_counter()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._head % len(envelope) + envelope)
        document = orjson.loads(await self._answer)
        seconds = time.perf_counter() - started
        if document.get("state") != "committed" or document.get("result") != "applied":
            raise RuntimeError(f"a transaction of the benchmark was not applied: {document}")
        return Committed(seconds, document["height"])

    def data_received(self, data: bytes) -> None:
        """Some of an answer, or all of it."""
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._received, 0, head_end + 2)
        if self._answer is None or length is None:
            self._fail(f"a validator answered what this client does not read: {bytes(self._received[:500])!r}")
            self._transport.abort()
            return
        start = head_end + len(_HEAD_END)
        end = start + int(length[1])
        if len(self._received) >= end:
            answer, self._answer = self._answer, None
            answer.set_result(bytes(self._received[start:end]))
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
