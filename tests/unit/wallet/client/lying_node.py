"""A node that lies: a real HTTP server in front of an honest one, which passes on everything but what it is to bend."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from ledger.encoding import encode

Bend = Callable[[Any], Any]
"""What becomes of the JSON of an answer."""
BendEvents = Callable[[list[bytes]], list[bytes]]
"""What becomes of the first events of a stream, each with its blank line."""


@dataclass
class LyingNode:
    """Passes on what the node at `target` answers. What is set here is bent, everything else is the truth.

    `bends` by a pattern of the path; `queries` replaces parameters on the way to the honest node; `events` bends a
    stream, of which `events_taken` events are passed on before it is cut; it may be that of another node.
    """

    session: aiohttp.ClientSession
    target: str
    url: str = ""
    bends: dict[str, Bend] = field(default_factory=dict)
    statuses: dict[str, tuple[int, Any]] = field(default_factory=dict)
    queries: dict[str, dict[str, str | None]] = field(default_factory=dict)
    events: BendEvents | None = None
    events_taken: int = 0
    events_target: str | None = None
    requests: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.requests.append(f"{request.method} {request.path}")
        for pattern, (status, document) in self.statuses.items():
            if re.fullmatch(pattern, f"{request.method} {request.path}"):
                return web.Response(status=status, body=orjson.dumps(document))
        query = dict(request.query)
        for pattern, changes in self.queries.items():
            if re.fullmatch(pattern, request.path):
                query = {name: text for name, text in {**query, **changes}.items() if text is not None}
        target = self.target
        if request.path == "/v1/events" and self.events_target is not None:
            target = self.events_target
        headers = {name: request.headers[name] for name in ("Content-Type", "Prefer") if name in request.headers}
        async with self.session.request(
            request.method, target + request.path, params=query, data=await request.read(), headers=headers
        ) as response:
            if request.path == "/v1/events" and response.status == 200:
                return await self._stream(request, response)
            body = await response.read()
            if response.status < 400:
                for pattern, bend in self.bends.items():
                    if re.fullmatch(pattern, request.path):
                        body = encode(bend(orjson.loads(body)))
            return web.Response(status=response.status, body=body)

    async def _stream(self, request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
        passed = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await passed.prepare(request)
        events: list[bytes] = []
        while len(events) < self.events_taken or not self.events_taken:
            event = await response.content.readuntil(b"\n\n")
            if not event.startswith(b"id:"):
                continue
            if not self.events_taken:
                await passed.write(event)
            events.append(event)
        for event in self.events(events) if self.events is not None else events:
            await passed.write(event)
        return passed


@asynccontextmanager
async def lying_node(target: str) -> AsyncIterator[LyingNode]:
    """Such a node in front of the one at `target`, honest until it is told otherwise."""
    async with aiohttp.ClientSession(read_bufsize=2**22) as session:
        node = LyingNode(session, target)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", node.answer)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        node.url = f"http://{host}:{port}"
        try:
            yield node
        finally:
            await runner.cleanup()


def event_data(event: bytes) -> Any:
    """The document in an event."""
    (line,) = (line for line in event.split(b"\n") if line.startswith(b"data: "))
    return orjson.loads(line.removeprefix(b"data: "))


def event_with(event: bytes, data: Any, *, id: int | None = None) -> bytes:
    """The event with another document, and perhaps another id."""
    height = data["height"] if id is None else id
    return b"id: %d\nevent: block\ndata: %s\n\n" % (height, orjson.dumps(data))
