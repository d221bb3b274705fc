"""From a signed transaction to a definite outcome, over nodes that fail, forget or lie.

A transaction's id is known before it is sent (SHA-256 of what is signed), and the same bytes never act twice. So
submission is repeated without fear: after a timeout, to another node, and when a node forgot a pending transaction.

What a node says of it is its word. A **judge** says what is made of that: one that holds an anchor proves every
committed outcome by its receipt, and ledger time by a certified header (`wallet.client.verified.Ledger`); the other
believes, for whoever has pinned nothing. That a transaction is unknown cannot be proved, so all nodes are asked, and
who said it is part of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ledger.errors import MalformedError
from ledger.limits import HTTP_WAIT_SECONDS_MAX
from wallet.answers import Head, Outcome, State, parse_head, parse_outcome, parse_problem, parse_signers
from wallet.client.conversation import Answer, Client, Failure, Request
from wallet.client.errors import (
    ForkedError,
    RefusedError,
    UnreachableError,
    UntrueAnswerError,
    refused,
    unreachable,
    worst,
)

if TYPE_CHECKING:
    from ledger.receipt import VerifiedReceipt
    from ledger.transaction import Transaction

POLL_INTERVAL_S_MIN = 0.2
POLL_INTERVAL_S_MAX = 2.0

_ENVELOPE = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a transaction stands, and what that rests on.

    Of a committed one, `verified` is what its `receipt` proves, or None when nothing was there to verify it against;
    `signers` are the validators that signed its block. Everything else is the word of nodes: `said` has that of each.
    """

    outcome: Outcome
    signers: tuple[str, ...] = ()
    receipt: bytes | None = None
    verified: VerifiedReceipt | None = None
    said: Mapping[str, State] = field(default_factory=dict)


class Judge(Protocol):
    """What is made of what a node says of a transaction."""

    async def settle(self, node: Client, outcome: Outcome) -> Settled:
        """What holds of a committed `outcome` that `node` stated. Raises `UntrueAnswerError` and what asking raises."""
        ...

    async def ledger_time_ms(self, stated: Head) -> int:
        """The ledger time that has been reached, when a node says that it is at `stated`: that of no later block."""
        ...


class Belief:
    """The judge of those who have nothing to verify with: what nodes state is what there is."""

    async def settle(self, node: Client, outcome: Outcome) -> Settled:
        """The outcome as it is stated, and who is said to have signed the block."""
        return Settled(outcome, await node.get(f"/v1/blocks/{outcome.height}", parse_signers))

    async def ledger_time_ms(self, stated: Head) -> int:
        """The time as it is stated."""
        return stated.time_ms


class Pursuit:
    """One transaction, until its outcome is known or `timeout_s` are over from the making of this.

    Of a transaction that nobody knows, `valid_until_ms` says from which ledger time on it never acts; one whose
    `envelope` is there is handed in again when nodes have lost it. Methods raise `UnreachableError`, `RefusedError`
    when every node that answered refused, and `UntrueAnswerError` when no node gave an answer that holds: `ForkedError`
    at once.
    """

    def __init__(
        self,
        client: Client,
        judge: Judge,
        transaction_id: str,
        *,
        valid_until_ms: int | None = None,
        envelope: bytes | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._client = client
        self._judge = judge
        self._id = transaction_id
        self._valid_until_ms = valid_until_ms
        self._envelope = envelope
        self._deadline_s = client.now_s() + (client.timeout_s if timeout_s is None else timeout_s)

    async def submit(self, *, wait: bool = True) -> Settled:
        """Hand it in, and with `wait` stay until the outcome is final or time is over."""
        settled = await self._hand_in(wait=wait)
        return await self.wait(settled) if wait and not settled.outcome.final else settled

    async def wait(self, last: Settled | None = None) -> Settled:
        """Ask until the outcome is final or time is over; then the last known state."""
        interval_s = POLL_INTERVAL_S_MIN
        state = State.PENDING if self._envelope is not None else State.UNKNOWN
        last = last or Settled(Outcome(self._id, state))
        while True:
            try:
                last = await self.status(wait=True)
            except UnreachableError as error:
                if self._left_s() <= interval_s:
                    raise
                self._client.notice(f"{error.sentence} Trying again.")
            if last.outcome.state is State.UNKNOWN and self._envelope is not None and self._left_s() > 0:
                last = await self._hand_in(wait=True)
            if last.outcome.final or self._left_s() <= 0:
                return last
            await self._client.sleep(min(interval_s, self._left_s()))
            interval_s = min(interval_s * 2, POLL_INTERVAL_S_MAX)

    async def status(self, *, wait: bool = False) -> Settled:
        """The best that the nodes know of it: all are asked until one shows it committed.

        One that no node knows, and whose deadline has been reached by ledger time, is expired: no later block may
        contain it. With `wait`, a node that has it may hold its answer until the outcome is known.
        """
        said: dict[str, Outcome] = {}
        failures: list[Failure] = []
        errors: list[RefusedError | UntrueAnswerError] = []
        for node in self._client.nodes:
            held = any(outcome.state is State.PENDING for outcome in said.values())
            try:
                outcome = await self._status_at(node, wait_s=self._wait_s() if wait and not held else 0)
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                    continue
                if outcome.state is not State.COMMITTED:
                    said[node] = outcome
                    continue
                settled = await self._judge.settle(self._client.only(node), outcome)
            except ForkedError:
                raise
            except UnreachableError as error:
                failures.append(Failure(node, error.sentence, error.code))
            except (RefusedError, UntrueAnswerError) as error:
                errors.append(error)
                if isinstance(error, UntrueAnswerError):
                    self._client.avoid(node)
            else:
                self._client.prefer(node)
                states = {name: item.state for name, item in said.items()}
                return replace(settled, said={**states, node: State.COMMITTED})
        if not said:
            raise worst(errors) if errors else unreachable(failures, self._id)
        return await self._open(said)

    async def _open(self, said: Mapping[str, Outcome]) -> Settled:
        """Where a transaction stands that no node shows to be committed."""
        states = {node: outcome.state for node, outcome in said.items()}
        for node, outcome in said.items():
            if outcome.state is State.PENDING:
                self._client.prefer(node)
                return Settled(outcome, said=states)
        best = max(said.values(), key=_height)
        if self._valid_until_ms is None:
            state = State.EXPIRED if State.EXPIRED in states.values() else State.UNKNOWN
        else:
            past = best.head is not None and await self._judge.ledger_time_ms(best.head) >= self._valid_until_ms
            state = State.EXPIRED if past else State.UNKNOWN
        return Settled(replace(best, state=state), said=states)

    async def _hand_in(self, *, wait: bool) -> Settled:
        """Hand the envelope in: what the first node that takes it answers, or all of them if that does not hold.

        With `wait` a node may hold its answer.
        """
        assert self._envelope is not None, "what is handed in is there"
        headers = dict(_ENVELOPE)
        wait_s = self._wait_s() if wait else 0
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        node, outcome = await self._client.ask(
            Request("POST", "/v1/transactions", headers, self._envelope, wait_s),
            lambda answer: (answer.node, parse_outcome(answer.json(), self._id)),
            deadline_s=self._deadline_s,
        )
        if outcome.state is State.EXPIRED:
            return await self.status()
        if outcome.state is not State.COMMITTED:
            return Settled(outcome, said={node: outcome.state})
        try:
            settled = await self._judge.settle(self._client.only(node), outcome)
        except UntrueAnswerError as error:
            if isinstance(error, ForkedError) or len(self._client.nodes) == 1:
                raise
            self._client.notice(error.sentence)
            self._client.avoid(node)
            return await self.status()
        return replace(settled, said={node: outcome.state})

    async def _status_at(self, node: str, *, wait_s: int) -> Outcome | Failure:
        """What one node says. Raises `RefusedError`."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        request = Request("GET", f"/v1/transactions/{self._id}", headers, wait_s=wait_s)
        result = await self._client.once(node, request)
        try:
            return result if isinstance(result, Failure) else _status_from(result, self._id)
        except MalformedError as error:
            return Failure(node, str(error), "node_answer_malformed")

    def _left_s(self) -> float:
        return self._deadline_s - self._client.now_s()

    def _wait_s(self) -> int:
        """Whole seconds that a node may hold an answer: within what is left, and what nodes allow."""
        return max(0, min(int(self._left_s()), HTTP_WAIT_SECONDS_MAX // 2))


def pursue(client: Client, judge: Judge, transaction: Transaction, *, timeout_s: float | None = None) -> Pursuit:
    """The pursuit of a signed transaction, known by its bytes."""
    return Pursuit(
        client,
        judge,
        transaction.id.hex(),
        valid_until_ms=transaction.body.valid_until_ms,
        envelope=transaction.envelope,
        timeout_s=timeout_s,
    )


def _status_from(answer: Answer, transaction_id: str) -> Outcome:
    """The outcome in an answer about a transaction; a 404 has it in the problem's body."""
    if answer.status < 400:
        return parse_outcome(answer.json(), transaction_id)
    problem = parse_problem(answer.status, answer.json_or_none())
    if problem.code != "transaction_unknown":
        raise refused(problem, answer.node)
    head = problem.body.get("head")
    return Outcome(transaction_id, State.UNKNOWN, head=parse_head(head) if head is not None else None)


def _height(outcome: Outcome) -> int:
    return outcome.head.height if outcome.head is not None else -1
