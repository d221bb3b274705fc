"""Asking nodes: several of them in turn, with bounds on everything, until there is a definite answer.

Three kinds of answer, and only the first two are definite:

* an *outcome* or a value: what was asked for;
* a *problem*: this node's refusal (4xx), with its code; it is reported, and no other node is asked;
* *no usable answer*: unreachable, too slow, an error of its own (5xx), busy (429, 503), or not of the API's shape; the
  next node is asked. When no node is left, busy ones are asked again after their Retry-After while time lasts.

A transaction's id is known before it is sent (SHA-256 of what is signed), and the same bytes never act twice. So
submission is repeated without fear: after a timeout, to another node, and when a node forgot a pending transaction.
Redirects are not followed and no answer is read beyond its bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import aiohttp
import orjson

from ledger.errors import MalformedError
from ledger.limits import HTTP_BODY_BYTES_MAX, HTTP_WAIT_SECONDS_MAX
from wallet.answers import Head, Outcome, Problem, State, as_object, parse_head, parse_outcome, parse_problem
from wallet.exit_codes import ExitCode, WalletError

if TYPE_CHECKING:
    from ledger.encoding import Json

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 15.0
POLL_INTERVAL_S_MIN = 0.2
POLL_INTERVAL_S_MAX = 2.0
RETRY_AFTER_S_MAX = 30.0
_ENVELOPE = {"Content-Type": "application/json"}


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one node gave no usable answer; `retry_after_s` when it is busy and said how long."""

    node: str
    reason: str
    code: str = "node_unreachable"
    retry_after_s: float | None = None


class Client:
    """A conversation with the nodes of one network; the node that answered last is asked first.

    One client serves one command: submission and waiting together last `timeout_s` from its making, each other
    question has `timeout_s` of its own. Every method raises `WalletError`: 14 when no node gave a usable answer before
    the deadline, 11 or 12 for a node's refusal.
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
        self._session = session
        self._timeout_s = timeout_s
        self._notice = notice
        self._now_s = now_s
        self._sleep = sleep
        self._deadline_s = now_s() + timeout_s

    async def get_bytes(self, path: str, *, bytes_max: int = HTTP_BODY_BYTES_MAX) -> bytes:
        """The body at `path`."""
        return await self._ask("GET", path, lambda answer: answer.body, bytes_max=bytes_max)

    async def get(
        self, path: str, parse: Callable[[Json], T], query: Mapping[str, str | int | None] | None = None
    ) -> T:
        """What `parse` makes of the JSON at `path`; parameters that are None are left out."""
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        return await self._ask("GET", target, lambda answer: parse(answer.json()))

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

    async def submit(self, envelope: bytes, transaction_id: str, *, wait: bool) -> Outcome:
        """Hand in a transaction; with `wait`, the node may hold its answer until the outcome is known."""
        headers = dict(_ENVELOPE)
        wait_s = self._wait_s() if wait else 0
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"

        def parse(answer: Answer) -> Outcome:
            return parse_outcome(answer.json(), transaction_id)

        return await self._ask(
            "POST",
            "/v1/transactions",
            parse,
            headers=headers,
            body=envelope,
            wait_s=wait_s,
            deadline_s=self._deadline_s,
        )

    async def status(self, transaction_id: str, *, valid_until_ms: int | None, wait: bool = False) -> Outcome:
        """The best that the nodes know of a transaction: all are asked until one has seen it.

        One that no node knows, and whose `valid_until_ms` has been reached by the ledger time of a head, is expired:
        no later block may contain it.
        """
        best: Outcome | None = None
        failures: list[Failure] = []
        wait_s = self._wait_s() if wait else 0
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        for node in list(self._nodes):
            result = await self._once(node, "GET", f"/v1/transactions/{transaction_id}", headers=headers, wait_s=wait_s)
            try:
                outcome = result if isinstance(result, Failure) else _status_from(result, transaction_id)
            except MalformedError as error:
                outcome = Failure(node, str(error), "node_answer_malformed")
            if isinstance(outcome, Failure):
                failures.append(outcome)
                continue
            if outcome.state is not State.UNKNOWN:
                self._prefer(node)
                return outcome
            if best is None or _height(outcome) > _height(best):
                best = outcome
        if best is None:
            raise _unreachable(failures, transaction_id)
        past = best.head is not None and valid_until_ms is not None and best.head.time_ms >= valid_until_ms
        return replace(best, state=State.EXPIRED) if past else best

    async def wait(self, transaction_id: str, *, valid_until_ms: int | None, envelope: bytes | None) -> Outcome:
        """Ask until the outcome is final or time is over; then the last known state.

        With the `envelope`, a transaction that the nodes lost is handed in again.
        """
        interval_s = POLL_INTERVAL_S_MIN
        last = Outcome(transaction_id, State.PENDING if envelope is not None else State.UNKNOWN)
        while True:
            try:
                last = await self.status(transaction_id, valid_until_ms=valid_until_ms, wait=True)
            except WalletError as error:
                if error.exit_code is not ExitCode.NODE_UNREACHABLE or self._left_s() <= interval_s:
                    raise
                self._notice(f"{error.sentence} Trying again.")
            if last.state is State.UNKNOWN and envelope is not None and self._left_s() > 0:
                last = await self.submit(envelope, transaction_id, wait=True)
            if last.final or self._left_s() <= 0:
                return last
            await self._sleep(min(interval_s, self._left_s()))
            interval_s = min(interval_s * 2, POLL_INTERVAL_S_MAX)

    # ---- one question, one node after the other

    async def _ask(
        self,
        method: str,
        path: str,
        parse: Callable[[Answer], T],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        wait_s: int = 0,
        bytes_max: int = HTTP_BODY_BYTES_MAX,
        deadline_s: float | None = None,
    ) -> T:
        deadline_s = deadline_s if deadline_s is not None else self._now_s() + self._timeout_s
        while True:
            failures: list[Failure] = []
            for node in list(self._nodes):
                result = await self._once(
                    node, method, path, headers=headers or {}, body=body, wait_s=wait_s, bytes_max=bytes_max
                )
                if isinstance(result, Failure):
                    failures.append(result)
                    continue
                if result.status >= 400:
                    problem = parse_problem(result.status, _json_or_none(result))
                    raise _refused(problem, node, unanswered=failures if method == "POST" else [])
                try:
                    value = parse(result)
                except MalformedError as error:
                    failures.append(Failure(node, str(error), "node_answer_malformed"))
                    continue
                self._prefer(node)
                return value
            pause_s = min((f.retry_after_s for f in failures if f.retry_after_s is not None), default=None)
            if pause_s is None or self._now_s() + pause_s > deadline_s:
                raise _unreachable(failures)
            self._notice(f"Every node is busy; trying again in {pause_s:g} s.")
            await self._sleep(pause_s)

    async def _once(
        self,
        node: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        wait_s: int = 0,
        bytes_max: int = HTTP_BODY_BYTES_MAX,
    ) -> Answer | Failure:
        """One request to one node."""
        limit_s = min(REQUEST_TIMEOUT_S, self._timeout_s) + wait_s
        timeout = aiohttp.ClientTimeout(total=limit_s, connect=min(CONNECT_TIMEOUT_S, limit_s))
        try:
            async with self._session.request(
                method, node + path, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                content = await _read(response, bytes_max)
                status, retry_after = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            return Failure(node, f"no answer within {limit_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Failure(node, str(error) or type(error).__name__)
        if content is None:
            return Failure(node, f"its answer has more than {bytes_max} bytes", "node_answer_malformed")
        answer = Answer(node, status, content)
        if 200 <= status < 300 or (400 <= status < 500 and status not in (408, 425, 429)):
            return answer
        problem = parse_problem(status, _json_or_none(answer))
        busy = status in (429, 503)
        return Failure(node, problem.detail, problem.code, _retry_after_s(retry_after) if busy else None)

    def _prefer(self, node: str) -> None:
        self._nodes.remove(node)
        self._nodes.insert(0, node)

    def _left_s(self) -> float:
        return self._deadline_s - self._now_s()

    def _wait_s(self) -> int:
        """Whole seconds that a node may hold an answer: within what is left, and what nodes allow."""
        return max(0, min(int(self._left_s()), HTTP_WAIT_SECONDS_MAX // 2))


@asynccontextmanager
async def connect(nodes: tuple[str, ...], *, timeout_s: float, notice: Callable[[str], None]) -> AsyncIterator[Client]:
    """A client for `nodes`; `notice` is told what is worth telling the user."""
    async with aiohttp.ClientSession(headers={"User-Agent": "quorum-wallet"}, auto_decompress=True) as session:
        yield Client(nodes, session, timeout_s=timeout_s, notice=notice)


def ask(
    nodes: tuple[str, ...], work: Callable[[Client], Awaitable[T]], *, timeout_s: float, notice: Callable[[str], None]
) -> T:
    """Run `work` with a client, from synchronous code."""

    async def run() -> T:
        async with connect(nodes, timeout_s=timeout_s, notice=notice) as client:
            return await work(client)

    return asyncio.run(run())


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


def _status_from(answer: Answer, transaction_id: str) -> Outcome | Failure:
    """The outcome in an answer about a transaction; a 404 has it in the problem's body."""
    if answer.status < 400:
        return parse_outcome(answer.json(), transaction_id)
    problem = parse_problem(answer.status, _json_or_none(answer))
    if problem.code != "transaction_unknown":
        raise _refused(problem, answer.node)
    head = problem.body.get("head")
    return Outcome(transaction_id, State.UNKNOWN, head=parse_head(head) if head is not None else None)


def _json_or_none(answer: Answer) -> Json:
    try:
        return answer.json()
    except MalformedError:
        return None  # an error page of a proxy, say: its status is all there is to report


def _height(outcome: Outcome) -> int:
    return outcome.head.height if outcome.head is not None else -1


def _retry_after_s(header: str | None) -> float:
    """Seconds from a Retry-After header (the form that nodes use), within bounds."""
    if header is None or not header.isascii() or not header.isdigit():
        return 1.0
    return min(float(header), RETRY_AFTER_S_MAX)


def _refused(problem: Problem, node: str, *, unanswered: Sequence[Failure] = ()) -> WalletError:
    """A node's refusal; when others before it did not answer a submission, they may yet have accepted it."""
    open_end = f" ({', '.join(f.node for f in unanswered)} may have accepted it: see tx status.)" if unanswered else ""
    exit_code = ExitCode.NOT_FOUND if problem.status == 404 else ExitCode.REJECTED
    return WalletError(
        exit_code,
        problem.code,
        f"{node} refused: {problem.detail}{open_end}",
        remedy=problem.remedy,
        details={"node": node, "status": problem.status},
    )


def _unreachable(failures: list[Failure], transaction_id: str | None = None) -> WalletError:
    reasons = "; ".join(f"{failure.node}: {failure.reason}" for failure in failures)
    codes = {failure.code for failure in failures}
    return WalletError(
        ExitCode.NODE_UNREACHABLE,
        codes.pop() if len(codes) == 1 else "node_unreachable",
        f"No node gave a usable answer ({reasons}).",
        remedy="Check the URLs (quorum-wallet config get nodes) and the network, or give other nodes with --node.",
        details={"id": transaction_id} if transaction_id else None,
    )
