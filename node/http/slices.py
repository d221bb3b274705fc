"""Large bodies of answers, handed to their connections a slice at a time.

A connection copies what it is given and cannot send yet. Given a whole answer it would hold that twice; so it is given
the next slice when it has sent the last, and the answer itself is counted, by the address that reads it, until then.
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from ledger.limits import HTTP_SLICE_BYTES
from node.http.allowance import Allowance


def slices(data: bytes) -> Iterator[memoryview]:
    """What to write of `data` at a time, none of it copied."""
    whole = memoryview(data)
    return (whole[start : start + HTTP_SLICE_BYTES] for start in range(0, len(data), HTTP_SLICE_BYTES))


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
            for each in slices(self._body):
                await writer.write(each)
                await writer.drain()
        finally:
            self._unread.give_back(self._address, size)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text."""
        return self._body.decode(encoding, errors)
