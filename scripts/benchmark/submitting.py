"""Those who submit transactions, one at a time or in batches, each over a connection that is kept."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from benchmark.api_connection import ApiConnection

_PATH = "POST /v1/transactions"
_WAIT_SECONDS = 30
_WAIT = f"Prefer: wait={_WAIT_SECONDS}"


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a transaction that was waited for: the seconds that it took, and the height of its block."""

    seconds: float
    height: int


class Submitter:
    """One who submits to the validator at `url`, and waits for each answer; leaving the context ends it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = ApiConnection(url)
        head, sized = self._connection.head, "Content-Length: %d\r\n\r\n"
        self._one = head(_PATH, "Content-Type: application/json", _WAIT, sized)
        self._batch = head(_PATH, "Content-Type: application/x-ndjson", sized)
        self._waiting_batch = head(_PATH, "Content-Type: application/x-ndjson", _WAIT, sized)

    async def __aenter__(self) -> Submitter:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connection.__aexit__(*error)

    async def commit(self, envelope: bytes) -> Committed:
        """Submit a transaction. Raises `RuntimeError` when it is not committed and applied."""
        started = time.perf_counter()
        answer = await self._connection.ask(self._one % len(envelope) + envelope)
        document = orjson.loads(answer.body)
        seconds = time.perf_counter() - started
        if document.get("state") != "committed" or document.get("result") != "applied":
            raise RuntimeError(f"a transaction of the benchmark was not applied: {document}")
        return Committed(seconds, document["height"])

    async def submit(self, batch: Sequence[bytes], *, wait: bool = False) -> None:
        """Submit a batch, and with `wait` return when all of it is committed. Raises `RuntimeError` when it is not
        accepted, or not committed."""
        status, document = await self._send(batch, self._waiting_batch if wait else self._batch)
        refused = [item for item in document.get("results", [document]) if "code" in item]
        if status not in ((200,) if wait else (200, 202)) or refused:
            raise RuntimeError(f"a batch was not accepted by {self.url}: {status} {refused[:1]}")

    async def offer(self, batch: Sequence[bytes]) -> list[bytes]:
        """Submit a batch: those of it that there was no room for."""
        _, document = await self._send(batch, self._batch)
        if "results" not in document:
            return list(batch)
        results = zip(batch, document["results"], strict=True)
        return [envelope for envelope, result in results if "code" in result]

    async def _send(self, batch: Sequence[bytes], head: bytes) -> tuple[int, dict[str, Any]]:
        body = b"\n".join(batch)
        answer = await self._connection.ask(head % len(body) + body)
        document: dict[str, Any] = orjson.loads(answer.body)
        return answer.status, document


class Submitters:
    """As many as are needed at once; who is done is asked again. Leaving the context ends all."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._idle: dict[str, list[Submitter]] = {}

    async def __aenter__(self) -> Submitters:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def one(self, url: str) -> AsyncIterator[Submitter]:
        """One who submits to `url`, and nobody else's until the context is left."""
        idle = self._idle.setdefault(url, [])
        submitter = idle.pop() if idle else await self._stack.enter_async_context(Submitter(url))
        yield submitter
        idle.append(submitter)
