"""The runtime with a replica that is a script: every action is carried out, in order, and everybody is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from ledger.consensus.inputs import Now, PeerId
from ledger.limits import LOOP_TURNS_PER_STEP, READING_MS, SHORT_STEP_ENVELOPES_MAX, STEP_ENVELOPES_MAX
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from node import inbox as inbox_module
from node import runtime as runtime_module
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
    Pending,
    SendTo,
    SendToAll,
    WakeAt,
)
from node.replica.inputs import Elapsed, PeerConnected, PeerMessageReceived, ReplicaInput, Submitted
from node.replica.status import ReplicaStatus
from node.runtime import HaltedError, Runtime
from node.storage.errors import StorageFailedError
from node.storage.queries import Queries
from node.wire import Haste, PeerMessage, Status, Transactions

PEER = PeerId("ab" * 32)


def digest(number: int) -> Digest:
    return Digest(number.to_bytes(32, "big"))


@dataclass
class ScriptedReplica:
    """Answers every submission with `outcome`, and does what `reaction` says."""

    reaction: Callable[[Sequence[ReplicaInput]], Sequence[Action]] = lambda _: ()
    steps: list[tuple[list[ReplicaInput], Now]] = field(default_factory=list)
    expired_ids: set[Digest] = field(default_factory=set)
    backlogs: list[bool] = field(default_factory=list)

    def step(self, inputs: Sequence[ReplicaInput], now: Now, *, backlog: bool = False) -> tuple[Action, ...]:
        self.steps.append((list(inputs), now))
        self.backlogs.append(backlog)
        answers = [
            Answer(item.ticket, tuple(outcome(envelope) for envelope in item.envelopes))
            for item in inputs
            if isinstance(item, Submitted)
        ]
        return (*answers, *self.reaction(inputs))

    def status(self) -> ReplicaStatus:
        raise AssertionError("not asked here")

    def pending(self, transaction_id: Digest) -> bool:
        return transaction_id == digest(1)

    def expired(self, transaction_id: Digest) -> bool:
        return transaction_id in self.expired_ids

    def evidence(self) -> tuple[()]:
        return ()

    @property
    def inputs(self) -> list[ReplicaInput]:
        return [item for inputs, _ in self.steps for item in inputs]


def outcome(envelope: bytes) -> Outcome:
    return Refusal(Code.TRANSACTION_MALFORMED, "bad") if envelope == b"bad" else Pending(Digest(envelope.zfill(32)))


@dataclass
class Sender:
    """Writes down what is sent."""

    sent: list[tuple[object, ...]] = field(default_factory=list)

    def send_to(self, peer: PeerId, message: PeerMessage) -> None:
        self.sent.append(("to", peer, message))

    def send_to_all(self, message: PeerMessage, *, validators_only: bool) -> None:
        self.sent.append(("all", message, validators_only))

    def misbehaved(self, peer: PeerId, reason: str) -> None:
        self.sent.append(("misbehaved", peer, reason))

    def dial_faults(self) -> dict[PeerId, str]:
        return {PEER: "nobody listens"}


@dataclass
class World:
    replica: ScriptedReplica
    runtime: Runtime
    inbox: Inbox
    sender: Sender
    appended: list[BlockAppended]
    task: asyncio.Task[None]
    committed: set[Digest]
    disk_low: list[bool]
    watched: list[int]

    def wake(self) -> None:
        self.inbox.connected(PEER)


@asynccontextmanager
async def running(
    reaction: Callable[[Sequence[ReplicaInput]], Sequence[Action]] = lambda _: (),
    clocks: Callable[[], Now] = runtime_module.read_clocks,
) -> AsyncIterator[World]:
    replica, inbox, sender, appended, committed = ScriptedReplica(reaction), Inbox(), Sender(), [], set()
    disk_low, watched = [False], list[int]()
    chain = SimpleNamespace(
        tip=SimpleNamespace(header=SimpleNamespace(height=4)), transaction_committed=lambda name: name in committed
    )
    runtime = Runtime(
        replica=replica,
        inbox=inbox,
        sender=sender,
        queries=cast("Queries", SimpleNamespace(chain=chain)),
        appended=appended.append,
        watched=lambda: watched.append(len(appended)),
        disk_is_low=lambda: disk_low[0],
        log=EventLog("test"),
        clocks=clocks,
    )
    task = asyncio.create_task(runtime.run())
    try:
        yield World(replica, runtime, inbox, sender, appended, task, committed, disk_low, watched)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def when(kind: type, *actions: Action) -> Callable[[Sequence[ReplicaInput]], Sequence[Action]]:
    """A reaction to inputs of one kind."""
    return lambda inputs: actions if any(isinstance(item, kind) for item in inputs) else ()


async def test_the_first_input_starts_the_timers() -> None:
    async with running() as world:
        await until(lambda: world.replica.steps)
        assert world.replica.steps[0][0] == [Elapsed()]
        now = world.replica.steps[0][1]
        assert now.wall_ms > 1_700_000_000_000


async def test_actions_are_carried_out_in_order(caplog: pytest.LogCaptureFixture) -> None:
    everything = (
        SendToAll(Status(1, 0), validators_only=True),
        SendTo(PEER, Status(2, 0)),
        Logged("voting_stopped", {"reason": "the guard is missing"}),
        PeerMisbehaved(PEER, "a forged vote"),
        SendToAll(Transactions((b"x",)), validators_only=False),
        SendTo(PEER, Transactions((b"y",))),
    )
    async with running(when(PeerConnected, *everything)) as world:
        world.wake()
        await until(lambda: world.sender.sent)
        assert world.sender.sent == [
            ("all", Status(1, 0), True),
            ("to", PEER, Status(2, 0)),
            ("misbehaved", PEER, "a forged vote"),
            ("all", Transactions((b"x",)), False),
            ("to", PEER, Transactions((b"y",), Haste.REQUESTED)),
        ]
        assert [record.getMessage() for record in caplog.records] == ["voting_stopped"]


async def test_a_submission_is_answered_in_order_whatever_it_is_cut_into() -> None:
    async with running() as world:
        batch = [b"bad" if number % 7 == 0 else b"%d" % number for number in range(3 * STEP_ENVELOPES_MAX + 5)]
        small = [world.runtime.submit([b"%d" % number]) for number in range(100)]
        answers = await asyncio.gather(world.runtime.submit(batch), *small)
        assert answers[0] == tuple(map(outcome, batch))
        assert answers[1:] == [(outcome(b"%d" % number),) for number in range(100)]
        assert await world.runtime.submit([]) == ()
        assert world.runtime._submissions == {}


async def test_a_submitter_that_went_away_does_no_harm() -> None:
    async with running() as world:
        leaving = asyncio.create_task(world.runtime.submit([b"1"]))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await world.runtime.submit([b"2"]) == (outcome(b"2"),)
        assert Submitted(1, (b"1",)) in world.replica.inputs, "what it submitted stays submitted"
        assert world.runtime._submissions == {}


async def test_a_full_inbox_and_a_full_disk_refuse_submissions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_SUBMISSIONS_MAX", 1)
    monkeypatch.setattr(runtime_module, "_WATCH_SECONDS", 0.01)
    async with running() as world:
        refused = await world.runtime.submit([b"1", b"2"])
        assert [item.code for item in refused if isinstance(item, Refusal)] == [Code.MEMPOOL_FULL] * 2
        world.disk_low[0] = True
        await until(lambda: world.runtime._storage_low)
        (refusal,) = await world.runtime.submit([b"1"])
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.STORAGE_LOW
        world.disk_low[0] = False
        await until(lambda: not world.runtime._storage_low)
        assert await world.runtime.submit([b"1"]) == (outcome(b"1"),)


async def test_who_waits_for_transactions_is_woken_by_the_block_that_has_the_last() -> None:
    blocks = iter([BlockAppended(5, digest(0), (digest(1), digest(9))), BlockAppended(6, digest(0), (digest(2),))])

    def append(inputs: Sequence[ReplicaInput]) -> Sequence[Action]:
        return [next(blocks)] if PeerConnected(PEER) in inputs else ()

    async with running(append) as world:
        world.committed.add(digest(3))
        both = asyncio.create_task(world.runtime.wait([digest(1), digest(2), digest(3)]))
        one = asyncio.create_task(world.runtime.wait([digest(1)]))
        other = asyncio.create_task(world.runtime.wait([digest(77)]))
        await asyncio.sleep(0)
        world.wake()
        await one
        assert not both.done()
        world.wake()
        await both
        assert not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert world.runtime._waiters == {}
        assert [block.height for block in world.appended] == [5, 6]


async def test_waiting_ends_at_once_for_what_is_decided_and_leaves_no_trace_when_it_is_given_up() -> None:
    async with running() as world:
        world.committed.add(digest(3))
        world.replica.expired_ids.add(digest(4))
        await world.runtime.wait([digest(3), digest(4)])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.runtime.wait([digest(5)]), 0.01)
        assert world.runtime._waiters == {}


async def test_who_waits_learns_of_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_WATCH_SECONDS", 0.01)
    async with running() as world:
        waiting = asyncio.create_task(world.runtime.wait([digest(5)]))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        world.replica.expired_ids.add(digest(5))
        await waiting


async def test_waiters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "HTTP_WAITERS_MAX", 2)
    async with running() as world:
        waiting = asyncio.create_task(world.runtime.wait([digest(1), digest(2)]))
        await asyncio.sleep(0)
        await world.runtime.wait([digest(3)])  # no room: it returns at once
        assert not waiting.done()
        waiting.cancel()


async def test_readers_of_blocks_wait_for_the_next_one() -> None:
    async with running(when(PeerConnected, BlockAppended(5, digest(0), ()))) as world:
        await world.runtime.block_after(3)
        waiting = asyncio.create_task(world.runtime.block_after(4))
        await asyncio.sleep(0)
        assert not waiting.done()
        world.wake()
        await waiting


async def test_the_newest_wish_to_be_woken_counts() -> None:
    started = runtime_module.read_clocks().monotonic_ms

    def react(inputs: Sequence[ReplicaInput]) -> Sequence[Action]:
        if PeerConnected(PEER) in inputs:
            return [WakeAt(started + 3_600_000), WakeAt(started)]
        return [WakeAt(started + 3_600_000)]

    async with running(react) as world:
        await until(lambda: len(world.replica.steps) == 1)
        world.wake()
        await until(lambda: len(world.replica.steps) == 3)
        assert world.replica.steps[2][0] == [Elapsed()]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.replica.steps) == 3, "woken once"


async def test_the_same_wish_again_leaves_the_timer_as_it_is() -> None:
    due = runtime_module.read_clocks().monotonic_ms + 3_600_000
    async with running(lambda _: [WakeAt(due)]) as world:
        await until(lambda: len(world.replica.steps) == 1)
        timer = world.runtime._timer
        world.wake()
        await until(lambda: len(world.replica.steps) == 2)
        assert world.runtime._timer is timer
        assert timer is not None
        assert not timer.cancelled()


async def test_the_same_wish_after_it_was_fulfilled_is_another_one() -> None:
    """As of a replica that has more to do, while its clock stands still."""
    started = runtime_module.read_clocks().monotonic_ms
    async with running(lambda _: [WakeAt(started)]) as world:
        await until(lambda: len(world.replica.steps) == 4)
        assert [inputs for inputs, _ in world.replica.steps] == [[Elapsed()]] * 4


async def test_storage_that_fails_whoever_hears_of_a_block_ends_the_process_too() -> None:
    def fail(_: BlockAppended) -> None:
        raise StorageFailedError("the disk is gone")

    async with running(when(PeerConnected, BlockAppended(5, digest(9), ()))) as world:
        world.runtime._appended = fail
        world.wake()
        with pytest.raises(HaltedError, match="the disk is gone"):
            await world.task


async def test_a_halt_ends_the_process_and_nothing_after_it_is_done() -> None:
    halt = when(PeerConnected, Halted("the disk is gone"))
    async with running(halt) as world:
        left = asyncio.create_task(world.runtime.wait([digest(5)]))
        await asyncio.sleep(0)
        world.wake()
        with pytest.raises(HaltedError, match="the disk is gone"):
            await world.task
        await left
        steps = len(world.replica.steps)
        world.wake()
        await asyncio.sleep(0)
        assert len(world.replica.steps) == steps


async def test_a_bug_of_the_replica_ends_the_process() -> None:
    def fail(inputs: Sequence[ReplicaInput]) -> Sequence[Action]:
        assert PeerConnected(PEER) not in inputs, "a bug"
        return ()

    async with running(fail) as world:
        world.wake()
        with pytest.raises(AssertionError, match="a bug"):
            await world.task


async def test_a_disk_that_cannot_be_asked_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would notice otherwise: submissions would go on to be taken, and who waits would not hear of expiry."""
    monkeypatch.setattr(runtime_module, "_WATCH_SECONDS", 0.01)
    async with running() as world:
        world.disk_low.clear()  # asking fails
        async with asyncio.timeout(20):
            with pytest.raises(IndexError):
                await world.task
        assert await world.runtime.submit([b"late"]) == (Refusal(Code.NOT_READY, "the node is stopping"),)


async def test_who_follows_the_chain_is_asked_also_while_no_block_is_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_WATCH_SECONDS", 0.01)
    async with running() as world:
        await until(lambda: len(world.watched) >= 2)
        assert world.appended == []


async def test_storage_that_fails_whoever_is_asked_then_ends_the_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_WATCH_SECONDS", 0.01)

    def fail() -> None:
        raise StorageFailedError("the disk is gone")

    async with running() as world:
        world.runtime._watched = fail
        async with asyncio.timeout(20):
            with pytest.raises(HaltedError, match="the disk is gone"):
                await world.task


async def test_stopping_answers_those_who_wait_for_an_answer() -> None:
    async with running() as world:
        await until(lambda: world.replica.steps)
        submission = asyncio.create_task(world.runtime.submit([b"1"]))
        world.task.cancel()
        (refusal,) = await submission
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.NOT_READY
        assert await world.runtime.submit([b"2"]) == (refusal,)


async def test_the_replica_is_told_while_more_transactions_than_those_of_the_step_have_arrived() -> None:
    async with running() as world:
        await until(lambda: world.replica.steps)
        await world.inbox.put(PEER, Transactions(tuple(b"%d" % number for number in range(STEP_ENVELOPES_MAX + 1))), 1)
        await until(lambda: len(world.replica.steps) == 3)
        assert world.replica.backlogs == [False, True, False]


async def test_sockets_get_their_turns_between_steps() -> None:
    """However full the inbox is, whoever else runs on the event loop gets enough turns for a request at each step."""
    async with running() as world:
        await until(lambda: world.replica.steps)
        many = tuple(b"%d" % number for number in range(10 * STEP_ENVELOPES_MAX))
        await world.inbox.put(PEER, Transactions(many), 10_000)
        for _ in range(5 * LOOP_TURNS_PER_STEP):
            await asyncio.sleep(0)
        slices = [item for item in world.replica.inputs if isinstance(item, PeerMessageReceived)]
        assert 4 <= len(slices) <= 6


async def test_steps_are_short_while_somebody_reads() -> None:
    """Who reads waits for the end of a step, and mostly reads on; nobody else is to pay for that."""
    monotonic_ms = [0]
    many = tuple(b"%d" % number for number in range(2 * STEP_ENVELOPES_MAX))

    async def first_step(world: World) -> int:
        before = len(world.replica.steps)
        await world.inbox.put(PEER, Transactions(many), 10_000)
        await until(lambda: not world.inbox.backlog)
        (item,) = world.replica.steps[before][0]
        assert isinstance(item, PeerMessageReceived)
        assert isinstance(item.message, Transactions)
        return len(item.message.envelopes)

    async with running(clocks=lambda: Now(monotonic_ms[0], 0)) as world:
        await until(lambda: world.replica.steps)
        assert await first_step(world) == STEP_ENVELOPES_MAX, "nobody has read yet"
        for late_ms, expected in ((0, SHORT_STEP_ENVELOPES_MAX), (READING_MS - 1, SHORT_STEP_ENVELOPES_MAX)):
            world.runtime.reader_came()
            monotonic_ms[0] += late_ms
            assert await first_step(world) == expected
        monotonic_ms[0] += 1
        assert await first_step(world) == STEP_ENVELOPES_MAX
        world.runtime.request_came()
        assert await first_step(world) == STEP_ENVELOPES_MAX, "submissions are requests, too"


async def test_a_request_that_came_does_not_wait_for_one_more_step() -> None:
    """It is answered before what wakes the replica meanwhile; and requests that never end do not keep it from steps."""

    async def turns_until_step(world: World, *, requests: bool) -> int:
        before, turns = len(world.replica.steps), 0
        world.wake()
        while len(world.replica.steps) == before:
            if requests:
                world.runtime.request_came()
            await asyncio.sleep(0)
            turns += 1
        return turns

    async with running() as world:
        await until(lambda: world.replica.steps)
        alone = await turns_until_step(world, requests=False)
        world.runtime.request_came()
        assert await turns_until_step(world, requests=False) == alone + LOOP_TURNS_PER_STEP
        assert await turns_until_step(world, requests=False) == alone, "once for each request"
        for _ in range(3):
            assert await turns_until_step(world, requests=True) <= alone + LOOP_TURNS_PER_STEP
