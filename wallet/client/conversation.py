"""Asking nodes: several of them in turn, with bounds on everything, until there is a usable answer.

Three kinds of answer, and only the first two are definite:

* a *value*: what was asked for;
* a *problem*: this node's refusal (4xx), with its code; it is reported, and no other node is asked, except about a
  submission, which another node may accept;
* *no usable answer*: unreachable, too slow, an error of its own (5xx), busy (429, 503), shut to who shows no token of
  it (401), or not of the API's shape; the next node is asked. When no node is left, busy ones are asked again after
  their Retry-After while time lasts.

Nothing is believed here, and nothing is verified: what an answer proves is for `wallet.client.verified`. Redirects are
not followed and no answer is read beyond its bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import aiohttp
import orjson

from ledger.errors import MalformedError
from ledger.limits import HTTP_BODY_BYTES_MAX
from wallet.answers import Head, as_object, parse_head, parse_problem
from wallet.client.errors import RefusedError, refused, unreachable
from wallet.client.tokens import NO_TOKENS, Tokens

if TYPE_CHECKING:
    from ledger.encoding import Json

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 15.0
RETRY_AFTER_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node answered: status 2xx or 4xx, and the whole body."""

    node: str
    status: int
    body: bytes

    def json(self) -> Json:
        """The body as JSON. Raises `MalformedError`."""
        try:
            value: Json = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise MalformedError(f"the node's answer is not JSON: {error}") from None
        return value

    def json_or_none(self) -> Json:
        """The body as JSON; None when it is not, as the error page of a proxy, whose status is all there is to say."""
        try:
            return self.json()
        except MalformedError:
            return None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one node gave no usable answer; `retry_after_s` when it is busy and said how long."""

    node: str
    reason: str
    code: str = "node_unreachable"
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question: what is sent, how long a node may hold its answer, and how much of that is read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None
    wait_s: int = 0
    bytes_max: int = HTTP_BODY_BYTES_MAX


class Client:
    """A conversation with the nodes of one network; the node that answered last is asked first.

    Each question has `timeout_s`. Methods raise `UnreachableError` when no node gave a usable answer before that, and
    `RefusedError` for a node's refusal. `now_s` and `sleep` are the client's clock.
    """

    def __init__(
        self,
        nodes: tuple[str, ...],
        session: aiohttp.ClientSession,
        *,
        timeout_s: float,
        notice: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._nodes = list(nodes)
        self.session = session
        self.timeout_s = timeout_s
        self.notice = notice
        self.now_s = now_s
        self.sleep = sleep

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes, in the order in which they are asked."""
        return tuple(self._nodes)

    def copy(self) -> Client:
        """A conversation with the same nodes that has an order of its own."""
        return Client(
            self.nodes, self.session, timeout_s=self.timeout_s, notice=self.notice, now_s=self.now_s, sleep=self.sleep
        )

    def only(self, node: str) -> Client:
        """A conversation with this node alone."""
        return Client(
            (node,), self.session, timeout_s=self.timeout_s, notice=self.notice, now_s=self.now_s, sleep=self.sleep
        )

    def prefer(self, node: str) -> None:
        """Ask this node first from now on."""
        self._nodes.remove(node)
        self._nodes.insert(0, node)

    def avoid(self, node: str) -> None:
        """Ask this node last from now on."""
        self._nodes.remove(node)
        self._nodes.append(node)

    async def get_bytes(
        self, path: str, query: Mapping[str, str | int | None] | None = None, *, bytes_max: int = HTTP_BODY_BYTES_MAX
    ) -> bytes:
        """The body at `path`; parameters that are None are left out."""
        return await self.ask(Request("GET", _target(path, query), {}, bytes_max=bytes_max), lambda answer: answer.body)

    async def get(
        self, path: str, parse: Callable[[Json], T], query: Mapping[str, str | int | None] | None = None
    ) -> T:
        """What `parse` makes of the JSON at `path`; parameters that are None are left out."""
        return await self.ask(Request("GET", _target(path, query), {}), lambda answer: parse(answer.json()))

    async def head(self) -> Head:
        """The newest block that a node knows."""

        def parse(value: Json) -> Head:
            fields = as_object(value, "a block")
            header = as_object(fields.get("header"), "header")
            return parse_head(
                {
                    "height": fields.get("height"),
                    "block_hash": fields.get("block_hash"),
                    "time_ms": header.get("time_ms"),
                }
            )

        return await self.get("/v1/blocks/latest", parse)

    async def ask(self, request: Request, parse: Callable[[Answer], T], *, deadline_s: float | None = None) -> T:
        """What `parse` makes of the first usable answer; `deadline_s` is by the client's clock."""
        deadline_s = deadline_s if deadline_s is not None else self.now_s() + self.timeout_s
        submission = request.method == "POST"
        while True:
            failures: list[Failure] = []
            refusal: RefusedError | None = None
            for node in self.nodes:
                result = await self.once(node, request)
                if isinstance(result, Failure):
                    failures.append(result)
                    continue
                if result.status >= 400:
                    problem = parse_problem(result.status, result.json_or_none())
                    unanswered = failures if submission else ()
                    refusal = refusal or refused(problem, node, submission=submission, unanswered=unanswered)
                    if submission:
                        continue
                    raise refusal
                try:
                    value = parse(result)
                except MalformedError as error:
                    failures.append(Failure(node, str(error), "node_answer_malformed"))
                    continue
                self.prefer(node)
                return value
            if refusal is not None:
                raise refusal
            pause_s = min((f.retry_after_s for f in failures if f.retry_after_s is not None), default=None)
            if pause_s is None or self.now_s() + pause_s > deadline_s:
                raise unreachable(failures)
            self.notice(f"Every node is busy; trying again in {pause_s:g} s.")
            await self.sleep(pause_s)

    async def once(self, node: str, request: Request) -> Answer | Failure:
        """One request to one node."""
        limit_s = min(REQUEST_TIMEOUT_S, self.timeout_s) + request.wait_s
        timeout = aiohttp.ClientTimeout(total=limit_s, connect=min(CONNECT_TIMEOUT_S, limit_s))
        try:
            async with self.session.request(
                request.method,
                node + request.path,
                data=request.body,
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                content = await _read(response, request.bytes_max)
                status, retry_after = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            return Failure(node, f"no answer within {limit_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Failure(node, str(error) or type(error).__name__)
        if content is None:
            return Failure(node, f"its answer has more than {request.bytes_max} bytes", "node_answer_malformed")
        answer = Answer(node, status, content)
        if 200 <= status < 300 or (400 <= status < 500 and status not in (401, 408, 425, 429)):
            return answer
        problem = parse_problem(status, answer.json_or_none())
        busy = status in (429, 503)
        return Failure(node, problem.detail, problem.code, _retry_after_s(retry_after) if busy else None)


@asynccontextmanager
async def connect(
    nodes: tuple[str, ...], *, timeout_s: float, notice: Callable[[str], None], tokens: Tokens = NO_TOKENS
) -> AsyncIterator[Client]:
    """A client for `nodes`, each shown its token; `notice` is told what is worth telling the user."""
    async with aiohttp.ClientSession(
        headers={"User-Agent": "quorum-wallet"}, auto_decompress=True, middlewares=(tokens.show,)
    ) as session:
        yield Client(nodes, session, timeout_s=timeout_s, notice=notice)


def ask(
    nodes: tuple[str, ...],
    work: Callable[[Client], Awaitable[T]],
    *,
    timeout_s: float,
    notice: Callable[[str], None],
    tokens: Tokens = NO_TOKENS,
) -> T:
    """Run `work` with a client, from synchronous code."""

    async def run() -> T:
        async with connect(nodes, timeout_s=timeout_s, notice=notice, tokens=tokens) as client:
            return await work(client)

    return asyncio.run(run())


def _target(path: str, query: Mapping[str, str | int | None] | None) -> str:
    given = {name: str(value) for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes | None:
    """The body, or None when it has more than `bytes_max` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > bytes_max:
            return None
        parts.append(part)
    return b"".join(parts)


def _retry_after_s(header: str | None) -> float:
    """Seconds from a Retry-After header (the form that nodes use), within bounds."""
    if header is None or not header.isascii() or not header.isdigit():
        return 1.0
    return min(float(header), RETRY_AFTER_S_MAX)
