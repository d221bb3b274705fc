"""Drives a replica: one bounded queue, one consumer, and the hands that carry out what the replica asks for.

    links, HTTP, timer  ->  Inbox  ->  Replica.step(inputs, now)  ->  actions, in order  ->  links, HTTP, timer, log

The replica is synchronous and does everything on the event loop, so a step must be short: the inbox hands out at most
so many envelopes at once, and between two steps the loop gets to its sockets. Nothing here is done per transaction: a
submission of a thousand has one future, a block wakes only those who wait for something in it.

What the replica announces is durable (design section 2), so the order of its actions is kept and nothing is held back.
When it halts, or an exception shows a bug of ours, `run` raises and the process ends: better no vote than a wrong one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from ledger.consensus.inputs import Now, PeerId
from ledger.evidence import Evidence
from ledger.limits import HTTP_WAITERS_MAX, LOOP_TURNS_PER_STEP, READING_MS
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from node.inbox import Inbox
from node.log import EventLog
from node.replica.actions import (
    Action,
    Answer,
    BlockAppended,
    Halted,
    Logged,
    Outcome,
    PeerMisbehaved,
    SendTo,
    SendToAll,
    WakeAt,
)
from node.replica.cosigned import Published
from node.replica.inputs import Elapsed, ReplicaInput
from node.replica.status import ReplicaStatus
from node.storage.errors import DamagedError, StorageError
from node.storage.queries import Queries
from node.verification.status import NO_WORKERS, WorkersStatus
from node.wire import Haste, PeerMessage, Transactions

_WATCH_SECONDS = 1.0


class HaltedError(Exception):
    """The replica stopped for good, because its storage failed. The process must end with an error, or, with `rebuild`,
    make its damaged database anew (`node.storage.rebuild`)."""

    def __init__(self, reason: str, *, rebuild: bool = False) -> None:
        super().__init__(reason)
        self.rebuild = rebuild


class Stepper(Protocol):
    """What of a `Replica` the runtime uses."""

    def step(self, inputs: Sequence[ReplicaInput], now: Now, *, backlog: bool = False) -> tuple[Action, ...]:
        """See `Replica.step`."""
        ...

    def status(self) -> ReplicaStatus:
        """See `Replica.status`."""
        ...

    def pending(self, transaction_id: Digest) -> bool:
        """See `Replica.pending`."""
        ...

    def expired(self, transaction_id: Digest) -> bool:
        """See `Replica.expired`."""
        ...

    def evidence(self) -> tuple[Evidence, ...]:
        """See `Replica.evidence`."""
        ...

    def checkpoint(self) -> Published | None:
        """See `Replica.checkpoint`."""
        ...


class Sender(Protocol):
    """What of the links the runtime uses."""

    def send_to(self, peer: PeerId, message: PeerMessage) -> None:
        """See `Peers.send_to`."""
        ...

    def send_to_all(self, message: PeerMessage, *, validators_only: bool) -> None:
        """See `Peers.send_to_all`."""
        ...

    def misbehaved(self, peer: PeerId, reason: str) -> None:
        """See `Peers.misbehaved`."""
        ...

    def dial_faults(self) -> Mapping[PeerId, str]:
        """See `Peers.dial_faults`."""
        ...


async def _give_way(turns: int) -> None:
    """Let the loop have so many turns: for sockets and handlers that are ready."""
    for _ in range(turns):
        await asyncio.sleep(0)


def read_clocks() -> Now:
    """The time of now, from the clocks of this machine."""
    return Now(monotonic_ms=time.monotonic_ns() // 1_000_000, wall_ms=time.time_ns() // 1_000_000)


@dataclass(slots=True)
class _Submission:
    """A submission that is being answered, slice by slice."""

    expected: int
    done: asyncio.Future[tuple[Outcome, ...]]
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody who waits until none of `left` is undecided."""

    left: set[Digest]
    done: asyncio.Future[None]


class Runtime:
    """Runs one replica until cancelled. Also what the HTTP API submits to and waits on."""

    def __init__(
        self,
        *,
        replica: Stepper,
        inbox: Inbox,
        sender: Sender,
        queries: Queries,
        appended: Callable[[BlockAppended], None],
        watched: Callable[[], None],
        disk_is_low: Callable[[], bool],
        log: EventLog,
        clocks: Callable[[], Now] = read_clocks,
        workers: Callable[[], WorkersStatus] = lambda: NO_WORKERS,
    ) -> None:
        """`queries` reads the chain that `replica` writes; `appended` hears of each block before anybody who waits, and
        `watched` is called once a second, block or not. Both may read it, too: a `StorageError` that they raise ends
        the run."""
        self._replica = replica
        self._inbox = inbox
        self._sender = sender
        self._queries = queries
        self._height = queries.chain.tip.header.height
        self._appended = appended
        self._watched = watched
        self._disk_is_low = disk_is_low
        self._storage_low = disk_is_low()
        self._log = log
        self._clocks = clocks
        self._workers = workers
        self._turns_asked = 0  # of the loop, before the next step
        self._read_at_ms = -READING_MS  # when somebody last came to read
        self._submissions: dict[int, _Submission] = {}
        self._tickets = 0
        self._waiters: dict[Digest, list[_Waiter]] = {}
        self._next_block = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None  # when it will be, until it has been
        self._ended = False

    async def run(self) -> None:
        """Step the replica until cancelled. Raises `HaltedError`, or what the replica or the disk check raised."""
        tasks = [asyncio.create_task(self._consume()), asyncio.create_task(self._watch())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # none ends but by an exception
        finally:
            for task in tasks:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._release_all()

    # ---- for the HTTP API (see `node.http.face.NodeFace`)

    @property
    def queries(self) -> Queries:
        """Reads of the committed chain; what it answers is durable."""
        return self._queries

    async def submit(self, envelopes: Sequence[bytes]) -> tuple[Outcome, ...]:
        """Hand envelopes in, together. Returns one outcome for each, in the same order; never waits for a block."""
        if not envelopes:
            return ()
        if self._ended:
            return (Refusal(Code.NOT_READY, "the node is stopping"),) * len(envelopes)
        if self._storage_low:
            return (Refusal(Code.STORAGE_LOW, "the node's disk is nearly full"),) * len(envelopes)
        self._tickets += 1
        ticket = self._tickets
        if not self._inbox.submit(ticket, tuple(envelopes)):
            refusal = Refusal(Code.MEMPOOL_FULL, "too many submissions are waiting to be looked at")
            return (refusal,) * len(envelopes)
        done: asyncio.Future[tuple[Outcome, ...]] = asyncio.get_running_loop().create_future()
        self._submissions[ticket] = _Submission(len(envelopes), done)
        return await done

    async def wait(self, transaction_ids: Sequence[Digest]) -> None:
        """Return when every one of the transactions is committed or expired.

        Returns at once when more than `HTTP_WAITERS_MAX` transactions would be waited for.
        """
        committed = self._queries.chain.transaction_committed
        left = {name for name in transaction_ids if not (committed(name) or self._replica.expired(name))}
        if not left or len(self._waiters) + len(left) > HTTP_WAITERS_MAX:
            return
        waiter = _Waiter(left, asyncio.get_running_loop().create_future())
        for name in left:
            self._waiters.setdefault(name, []).append(waiter)
        try:
            await waiter.done
        finally:
            for name in waiter.left:
                self._forget(name, waiter)

    async def block_after(self, height: int) -> None:
        """Return when the chain has a block above `height`: at once if it already does."""
        while self._height <= height:
            await self._next_block.wait()

    def request_came(self) -> None:
        """See `NodeFace`: the loop has its turns before the next step, too."""
        self._turns_asked = LOOP_TURNS_PER_STEP

    def reader_came(self) -> None:
        """See `NodeFace`: steps are short for READING_MS, because who reads once does so again."""
        self._read_at_ms = self._clocks().monotonic_ms

    def pending(self, transaction_id: Digest) -> bool:
        """Whether the transaction is in this node's mempool."""
        return self._replica.pending(transaction_id)

    def expired(self, transaction_id: Digest) -> bool:
        """Whether the transaction was dropped here because its `valid_until` has passed."""
        return self._replica.expired(transaction_id)

    def evidence(self) -> tuple[Evidence, ...]:
        """What this node keeps against validators that signed two contradictory statements."""
        return self._replica.evidence()

    def checkpoint(self) -> Published | None:
        """The newest checkpoint of the log with a quorum of cosignatures, or None before there is one."""
        return self._replica.checkpoint()

    @property
    def storage_low(self) -> bool:
        """Whether the disk is nearly full, as of a second ago at most."""
        return self._storage_low

    def status(self) -> ReplicaStatus:
        """What the replica is doing now."""
        return self._replica.status()

    def dial_faults(self) -> Mapping[PeerId, str]:
        """Why peers that are not linked could not be dialed, by node key in hex."""
        return self._sender.dial_faults()

    def workers(self) -> WorkersStatus:
        """How the processes are that verify signatures ahead."""
        return self._workers()

    # ---- the consumer

    async def _consume(self) -> None:
        self._step([Elapsed()])
        while True:
            await self._inbox.wait()
            turns, self._turns_asked = self._turns_asked, 0
            await _give_way(turns)
            self._step(self._inbox.take(short=self._clocks().monotonic_ms < self._read_at_ms + READING_MS))
            await _give_way(LOOP_TURNS_PER_STEP if self._inbox.backlog else 1)

    def _step(self, inputs: list[ReplicaInput]) -> None:
        now = self._clocks()
        for action in self._replica.step(inputs, now, backlog=self._inbox.backlog):
            self._carry_out(action, now)

    def _carry_out(self, action: Action, now: Now) -> None:
        match action:
            case SendTo(peer, Transactions(envelopes)):  # what one peer alone is sent it has asked for, or just linked
                self._sender.send_to(peer, Transactions(envelopes, Haste.REQUESTED))
            case SendTo(peer, message):
                self._sender.send_to(peer, message)
            case SendToAll(message, validators_only):
                self._sender.send_to_all(message, validators_only=validators_only)
            case Answer(ticket, outcomes):
                self._answer(ticket, outcomes)
            case BlockAppended():
                self._append(action)
            case PeerMisbehaved(peer, reason):
                self._sender.misbehaved(peer, reason)
            case WakeAt(monotonic_ms):
                self._wake_at(monotonic_ms, now)
            case Logged(event, fields):
                self._log.record(event, fields)
            case Halted(reason, rebuild):
                self._log.error("halted", reason=reason)
                raise HaltedError(reason, rebuild=rebuild)
            case _:
                assert_never(action)

    def _answer(self, ticket: int, outcomes: tuple[Outcome, ...]) -> None:
        submission = self._submissions[ticket]
        submission.outcomes.extend(outcomes)
        assert len(submission.outcomes) <= submission.expected
        if len(submission.outcomes) == submission.expected:
            del self._submissions[ticket]
            if not submission.done.done():  # its submitter may have gone
                submission.done.set_result(tuple(submission.outcomes))

    def _append(self, block: BlockAppended) -> None:
        self._height = block.height
        try:
            self._appended(block)
        except StorageError as error:
            raise HaltedError(str(error), rebuild=isinstance(error, DamagedError)) from error
        if self._waiters:
            for name in block.transaction_ids:
                self._decided(name)
        self._next_block.set()
        self._next_block = asyncio.Event()

    def _wake_at(self, monotonic_ms: int, now: Now) -> None:
        if monotonic_ms == self._timer_ms:
            return  # most steps wish what the one before them did
        if self._timer is not None:
            self._timer.cancel()
        delay_seconds = max(0, monotonic_ms - now.monotonic_ms) / 1000
        self._timer, self._timer_ms = asyncio.get_running_loop().call_later(delay_seconds, self._elapsed), monotonic_ms

    def _elapsed(self) -> None:
        self._timer_ms = None
        self._inbox.elapsed()

    # ---- those who wait

    def _decided(self, name: Digest) -> None:
        for waiter in self._waiters.pop(name, ()):
            waiter.left.discard(name)
            if not waiter.left and not waiter.done.done():
                waiter.done.set_result(None)

    def _forget(self, name: Digest, waiter: _Waiter) -> None:
        waiters = self._waiters[name]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[name]

    async def _watch(self) -> None:
        """Once a second: is the disk nearly full, and has anything expired that somebody waits for? `watched`, too."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self._storage_low = self._disk_is_low()
            try:
                self._watched()
            except StorageError as error:
                raise HaltedError(str(error), rebuild=isinstance(error, DamagedError)) from error
            for name in [name for name in self._waiters if self._replica.expired(name)]:
                self._decided(name)

    def _release_all(self) -> None:
        """Nobody waits for a runtime that has ended."""
        self._ended = True
        refusal = Refusal(Code.NOT_READY, "the node is stopping")
        for submission in self._submissions.values():
            if not submission.done.done():
                missing = submission.expected - len(submission.outcomes)
                submission.done.set_result((*submission.outcomes, *(refusal,) * missing))
        self._submissions.clear()
        for name in list(self._waiters):
            self._decided(name)
