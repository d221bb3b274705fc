"""Large bodies of answers, handed to their connections a slice at a time.

A connection copies what it is given and cannot send yet. Given a whole answer it would hold that twice; so it is given
the next slice when it has sent the last, and the answer itself is counted, by the address that reads it, until then.
"""

from __future__ import annotations

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from ledger.limits import HTTP_SLICE_BYTES
from node.http.allowance import Allowance


class SlicedBody(Payload):
    """A body of an answer, counted in `unread` for `address` while it is written."""

    def __init__(self, body: bytes, unread: Allowance, address: str) -> None:
        super().__init__(body)
        self._size = len(body)
        self._body = body
        self._unread = unread
        self._address = address

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it as fast as it is read. Raises `ConnectionError`, also when there is no room to wait in."""
        size = len(self._body)
        if not self._unread.take(self._address, size):
            raise ConnectionAbortedError("too much waits for the readers of this address")
        try:
            for start in range(0, size, HTTP_SLICE_BYTES):
                await writer.write(self._body[start : start + HTTP_SLICE_BYTES])
                await writer.drain()
        finally:
            # When the connection was lost, exceptions and the frames that they passed hold each other, and this object,
            # until the collector comes by: that was hundreds of megabytes.
            self._body = self._value = b""
            self._unread.give_back(self._address, size)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text."""
        return self._body.decode(encoding, errors)
