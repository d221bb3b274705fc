"""One request as a handler sees it, what all requests share, and the answer a handler gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum, unique
from hashlib import sha256
from typing import TypeAlias, TypeVar

from aiohttp import web

from ledger.limits import (
    HTTP_BODIES_BYTES_MAX,
    HTTP_STREAMS_MAX,
    HTTP_STREAMS_PER_ADDRESS_MAX,
    HTTP_UNREAD_BYTES_MAX,
    HTTP_WAITERS_MAX,
    HTTP_WAITERS_PER_ADDRESS_MAX,
)
from node.http.allowance import Allowance, client_address
from node.http.face import NodeFace
from node.http.metrics import Metrics
from node.http.parameters import HEIGHT, Parameter
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.queries import Queries

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM_JSON = "application/problem+json"
EVENT_STREAM = "text/event-stream"
TEXT = "text/plain"
PLAIN_TEXT = "text/plain; charset=utf-8"
"""What C2SP has its text files served as; a route of `TEXT` may answer with it."""
OCTETS = "application/octet-stream"


SECURITY_HEADERS: Mapping[str, str] = {
    "Server": "quorum-ledger",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer: nothing that the API serves is a page, and no browser shall take it for one."""


@unique
class Caching(StrEnum):
    """What a cache may do with an answer: the values of Cache-Control."""

    NEVER = "no-store"
    """It is of this moment."""
    IMMUTABLE = "public, max-age=31536000, immutable"
    """It is part of a committed block and has a strong ETag."""
    STABLE = "public, max-age=3600"
    """It stays true, but other nodes may serve other bytes (certificates, receipts): no ETag."""
    REVALIDATE = "no-cache"
    """It changes only with the software, and has a strong ETag."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers: the body's bytes, and what HTTP says about them."""

    body: bytes
    media_type: str = JSON
    status: int = 200
    caching: Caching = Caching.NEVER
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str | None:
        """The strong validator (RFC 9110 section 8.8): equal exactly when the bytes are. None when there is none."""
        if self.caching in (Caching.IMMUTABLE, Caching.REVALIDATE):
            return sha256(self.body).hexdigest()[:32]
        return None


class Context:
    """What all requests of one application share: the node, the shares of bounded resources, and its end."""

    def __init__(self, node: NodeFace, openapi: bytes) -> None:
        self.node = node
        self.openapi = openapi
        self.waits = Allowance(total_max=HTTP_WAITERS_MAX, per_address_max=HTTP_WAITERS_PER_ADDRESS_MAX)
        self.streams = Allowance(total_max=HTTP_STREAMS_MAX, per_address_max=HTTP_STREAMS_PER_ADDRESS_MAX)
        self.body_bytes = Allowance(total_max=HTTP_BODIES_BYTES_MAX, per_address_max=HTTP_BODIES_BYTES_MAX // 2)
        self.unread = Allowance(total_max=HTTP_UNREAD_BYTES_MAX, per_address_max=HTTP_UNREAD_BYTES_MAX // 2)
        self.metrics = Metrics(node, streams=self.streams, waits=self.waits)
        self.newest_events: dict[bool, tuple[int, bytes]] = {}  # without and with its proof
        self.closing = False
        self._patience: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Like `asyncio.timeout`, which also ends at once when the application closes. Raises `TimeoutError`."""
        async with asyncio.timeout(0 if self.closing else seconds) as timeout:
            self._patience.add(timeout)
            try:
                yield
            finally:
                self._patience.discard(timeout)

    def close(self) -> None:
        """Let everybody who waits go on: no wait or stream outlives the application."""
        self.closing = True
        now = asyncio.get_running_loop().time()
        for timeout in self._patience:
            if not timeout.expired():
                timeout.reschedule(now)


class Call:
    """One request of a declared route."""

    __slots__ = ("context", "request")

    def __init__(self, context: Context, request: web.Request) -> None:
        self.context = context
        self.request = request

    @property
    def node(self) -> NodeFace:
        """The node that answers."""
        return self.context.node

    @property
    def queries(self) -> Queries:
        """Reads of the committed chain."""
        return self.context.node.queries

    @property
    def address(self) -> str:
        """Whom the client's shares are counted for."""
        return client_address(self.request.remote)

    def path(self, parameter: Parameter[T]) -> T:
        """The value of a path parameter. Raises `ProblemError`."""
        return parameter.read(self.request.match_info[parameter.name])

    def query(self, parameter: Parameter[T]) -> T | None:
        """The value of a query parameter, or None when it is not given. Raises `ProblemError`."""
        text = self.request.query.get(parameter.name)
        return None if text is None else parameter.read(text)

    def required(self, parameter: Parameter[T]) -> T:
        """The value of a query parameter that must be given. Raises `ProblemError`."""
        value = self.query(parameter)
        if value is None:
            raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"{parameter.name}: must be given"))
        return value

    def height(self, parameter: Parameter[int] = HEIGHT) -> int | None:
        """A height that was asked for and that the chain has reached, or None. Raises `ProblemError`."""
        height = self.query(parameter)
        newest = self.queries.chain.tip.header.height
        if height is not None and height > newest:
            detail = f"{parameter.name} {height} is above the newest block, {newest}"
            raise ProblemError(Problem(HttpCode.HEIGHT_UNKNOWN, detail))
        return height


Read: TypeAlias = Callable[[Call], Answer]
"""A handler that reads and answers without yielding: its whole answer is of one height."""

Live: TypeAlias = Callable[[Call], Awaitable[Answer | web.StreamResponse]]
"""A handler that waits for something: a body, an outcome, or blocks to come."""
