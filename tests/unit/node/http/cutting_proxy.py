"""A TCP proxy that lets so many bytes of each answer through and then cuts the connection, mid-byte-stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class CuttingProxy:
    """One proxy; `cut` connections were cut so far."""

    target: tuple[str, int]
    allowance: Callable[[], int]
    url: str = ""
    cut: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        upward = asyncio.create_task(_copy(reader, far_writer))
        try:
            left = self.allowance()
            while left > 0 and (data := await far_reader.read(min(left, 4_096))):
                writer.write(data)
                await writer.drain()
                left -= len(data)
            self.cut += left == 0
        except (ConnectionError, asyncio.CancelledError):
            upward.cancel()
        finally:
            upward.cancel()
            for each in (writer, far_writer):
                each.transport.abort()
            self._tasks.discard(task)

    def stop(self) -> None:
        """Cut everything that is open."""
        for task in self._tasks:
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(4_096):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def cutting_proxy(target: tuple[str, int], allowance: Callable[[], int]) -> AsyncIterator[CuttingProxy]:
    """A proxy in front of `target`; `allowance` says how many bytes the next connection's answers may have."""
    proxy = CuttingProxy(target, allowance)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.stop()
