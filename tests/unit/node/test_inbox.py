"""The queue in front of the replica: what comes first, who gets a turn, and when there is no room."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.consensus.inputs import PeerId
from ledger.limits import (
    ENVELOPE_BYTES_MAX,
    PROMPT_TRANSACTIONS_MAX,
    SHORT_STEP_ENVELOPES_MAX,
    STEP_ENVELOPE_BYTES_MAX,
    STEP_ENVELOPES_MAX,
    STEP_MESSAGES_MAX,
)
from ledger.primitives import Digest
from node import inbox as inbox_module
from node.inbox import Inbox
from node.replica.inputs import (
    Elapsed,
    PeerConnected,
    PeerDisconnected,
    PeerMessageReceived,
    ReplicaInput,
    Submitted,
)
from node.wire import (
    Consensus,
    FetchRecords,
    FetchTransactions,
    Haste,
    PeerMessage,
    Records,
    Status,
    Transactions,
)

A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


def envelopes(count: int, name: str = "e") -> tuple[bytes, ...]:
    return tuple(f"{name}{number}".encode() for number in range(count))


def received(inputs: list[ReplicaInput]) -> list[tuple[PeerId, PeerMessage]]:
    return [(item.peer, item.message) for item in inputs if isinstance(item, PeerMessageReceived)]


def count_envelopes(inputs: list[ReplicaInput]) -> int:
    total = 0
    for item in inputs:
        match item:
            case Submitted(_, taken) | PeerMessageReceived(_, Transactions(taken, _)):
                total += len(taken)
            case _:
                continue
    return total


async def test_links_first_then_what_a_decision_waits_for_then_the_rest() -> None:
    inbox, own = Inbox(), (b"own",) * (PROMPT_TRANSACTIONS_MAX + 1)
    await inbox.put(A, Transactions((b"gossip",)), 10)
    inbox.submit(1, own)
    await inbox.put(A, FetchRecords(1, 1), 10)
    await inbox.put(A, Transactions((b"asked",), Haste.REQUESTED), 10)
    await inbox.put(A, Consensus(1, b"vote"), 10)
    inbox.connected(B)
    inbox.disconnected(A)
    inbox.elapsed()
    inputs = inbox.take()
    assert set(map(repr, inputs[:3])) == set(map(repr, (PeerConnected(B), PeerDisconnected(A), Elapsed())))
    assert inputs.index(PeerConnected(B)) < inputs.index(PeerDisconnected(A))
    assert received(inputs) == [(A, Transactions((b"asked",), Haste.REQUESTED)), (A, Consensus(1, b"vote"))]
    rest = inbox.take()
    assert received(rest) == [(A, Transactions((b"gossip",))), (A, FetchRecords(1, 1))]
    assert Submitted(1, own) in rest
    assert inbox.take() == []


async def test_many_envelopes_are_cut_into_slices_and_votes_come_between() -> None:
    inbox = Inbox()
    many = envelopes(3 * STEP_ENVELOPES_MAX + 10)
    await inbox.put(A, Transactions(many), 1_000)
    seen: list[bytes] = []
    for number in range(3):
        await inbox.put(B, Consensus(number, b"vote"), 10)
        assert received(inbox.take()) == [(B, Consensus(number, b"vote"))]
        ((_, message),) = received(inbox.take())
        assert isinstance(message, Transactions)
        assert len(message.envelopes) == STEP_ENVELOPES_MAX
        seen += message.envelopes
    while inputs := inbox.take():
        seen += [name for _, m in received(inputs) if isinstance(m, Transactions) for name in m.envelopes]
    assert tuple(seen) == many


async def test_slices_of_large_envelopes_are_cut_by_their_bytes() -> None:
    """Reading one of 64 kilobytes costs milliseconds, whoever sent it, and nobody need have asked for it."""
    inbox = Inbox()
    each = STEP_ENVELOPE_BYTES_MAX // ENVELOPE_BYTES_MAX
    large = tuple(bytes([number]) * ENVELOPE_BYTES_MAX for number in range(3 * each))
    await inbox.put(A, Transactions(large, Haste.REQUESTED), len(large) * ENVELOPE_BYTES_MAX)
    await inbox.put(C, Transactions((b"c", *large[:1]), Haste.REQUESTED), ENVELOPE_BYTES_MAX)
    await inbox.put(B, Consensus(1, b"vote"), 10)
    steps = []
    while inputs := inbox.take():
        steps.append(received(inputs))
        assert count_envelopes(inputs) > 0
    assert [peer for step in steps[:2] for peer, _ in step][:3] == [A, C, B], "in two steps, everybody has had a turn"
    taken: dict[PeerId, list[bytes]] = {A: [], C: []}
    for step in steps:
        messages = [(peer, message) for peer, message in step if isinstance(message, Transactions)]
        assert sum(len(item) for _, message in messages for item in message.envelopes) <= STEP_ENVELOPE_BYTES_MAX
        for peer, message in messages:
            assert message.haste is Haste.REQUESTED
            taken[peer] += message.envelopes
    assert len(steps[0][0][1].envelopes) == each  # type: ignore[union-attr]  # transactions
    assert (tuple(taken[A]), tuple(taken[C])) == (large, (b"c", large[0]))


async def test_a_backlog_is_of_transactions_that_no_step_has_taken() -> None:
    inbox = Inbox()
    await inbox.put(A, FetchRecords(1, 64), 10)
    await inbox.put(B, Consensus(1, b"vote"), 10)
    await inbox.put(B, Records(()), 10)
    assert not inbox.backlog
    await inbox.put(A, Transactions(envelopes(STEP_ENVELOPES_MAX + 1), Haste.PROMPT), 10)
    inbox.submit(1, envelopes(STEP_ENVELOPES_MAX))
    left = 2 * STEP_ENVELOPES_MAX + 1
    while left:
        assert inbox.backlog
        left -= count_envelopes(inbox.take())
    assert not inbox.backlog


async def test_answers_are_sliced_too_and_stay_answers() -> None:
    inbox = Inbox()
    many = envelopes(STEP_ENVELOPES_MAX + 36)
    await inbox.put(A, Transactions(many, Haste.REQUESTED), 1_000)
    await inbox.put(B, Consensus(1, b"vote"), 10)
    first, second = received(inbox.take()), received(inbox.take())
    assert first == [(A, Transactions(many[:STEP_ENVELOPES_MAX], Haste.REQUESTED))]
    assert second == [
        (B, Consensus(1, b"vote")),
        (A, Transactions(many[STEP_ENVELOPES_MAX:], Haste.REQUESTED)),
    ]


async def test_a_short_step_takes_fewer_envelopes_and_bytes_and_only_of_those() -> None:
    inbox = Inbox()
    many, large = envelopes(100), tuple(bytes([number]) * (ENVELOPE_BYTES_MAX // 2 + 1) for number in range(3))
    await inbox.put(A, Transactions(many), 1_000)
    for number in range(STEP_MESSAGES_MAX):
        await inbox.put(B, Consensus(number, b"vote"), 10)
    assert len(inbox.take(short=True)) == STEP_MESSAGES_MAX
    assert received(inbox.take(short=True)) == [(A, Transactions(many[:SHORT_STEP_ENVELOPES_MAX]))]
    assert received(inbox.take()) == [(A, Transactions(many[SHORT_STEP_ENVELOPES_MAX:]))]
    await inbox.put(A, Transactions(large), 1_000)
    assert [count_envelopes(inbox.take(short=True)) for _ in range(4)] == [1, 1, 1, 0]


async def test_certified_blocks_are_served_and_taken_in_one_message_per_step() -> None:
    """Each may cost megabytes of reading and verifying: a peer that asks without end must not hold the loop up."""
    inbox, own = Inbox(), (b"own",) * (PROMPT_TRANSACTIONS_MAX + 1)
    for height in range(3):
        await inbox.put(A, FetchRecords(height, 64), 20)
    await inbox.put(B, Records(()), 10)
    inbox.submit(1, own)
    assert received(inbox.take()) == [(A, FetchRecords(0, 64))]
    await inbox.put(B, Consensus(1, b"vote"), 10)
    assert received(inbox.take()) == [(B, Consensus(1, b"vote"))], "a vote does not wait for the rest"
    assert received(inbox.take()) == [(B, Records(()))]
    inputs = inbox.take()
    assert inputs == [Submitted(1, own), PeerMessageReceived(A, FetchRecords(1, 64))]
    assert received(inbox.take()) == [(A, FetchRecords(2, 64))]
    assert inbox.take() == []


async def test_requests_for_bodies_are_served_one_per_step_and_votes_come_between() -> None:
    """Each may cost megabytes of copying, and it takes few bytes to ask."""
    inbox = Inbox()
    asked = FetchTransactions((Digest(bytes(32)),))
    for _ in range(STEP_MESSAGES_MAX):
        await inbox.put(A, asked, 33)
    assert received(inbox.take()) == [(A, asked)]
    for number in range(3):
        await inbox.put(B, Consensus(number, b"vote"), 10)
        assert received(inbox.take()) == [(A, asked)]
        assert received(inbox.take()) == [(B, Consensus(number, b"vote")), (A, asked)]


async def test_endless_urgent_work_does_not_starve_the_rest() -> None:
    inbox = Inbox()
    inbox.submit(1, (b"own",))
    steps: list[list[ReplicaInput]] = []
    while len(steps) < 20:
        for number in range(STEP_MESSAGES_MAX):
            await inbox.put(A, Status(number, 0), 10)
        steps.append(inbox.take())
    turns = [number for number, inputs in enumerate(steps) if Submitted(1, (b"own",)) in inputs]
    assert turns == [inbox_module._STEPS_IN_A_ROW_MAX]


async def test_prompt_gossip_overtakes_the_bulk_and_starves_nothing() -> None:
    inbox = Inbox()
    await inbox.put(A, Transactions(envelopes(1_000)), 1_000)
    await inbox.put(A, Transactions((b"prompt",), Haste.PROMPT), 10)
    await inbox.put(A, Consensus(1, b"vote"), 10)
    assert received(inbox.take()) == [(A, Consensus(1, b"vote"))]
    assert received(inbox.take()) == [(A, Transactions((b"prompt",), Haste.PROMPT))]
    assert received(inbox.take()) == [(A, Transactions(envelopes(1_000)[:STEP_ENVELOPES_MAX]))]
    lanes: list[str] = []
    while len(lanes) < 40:
        for number in range(STEP_MESSAGES_MAX):
            await inbox.put(B, Status(number, 0), 1)
        await inbox.put(B, Transactions(envelopes(STEP_ENVELOPES_MAX), Haste.PROMPT), 1)
        ((_, first), *_) = received(inbox.take())
        lanes.append(first.haste.value if isinstance(first, Transactions) else "urgent")
    row = inbox_module._STEPS_IN_A_ROW_MAX
    assert lanes[: row + 1] == ["urgent"] * row + ["prompt"], "votes are endless, and prompt gossip gets through"
    assert lanes.count("prompt") >= 3


def signed_by(sender: str, number: int = 0) -> bytes:
    """As much of an envelope as the queue looks at."""
    return b'{"body":{"nonce":"%d","sender":"%b","valid_until":1,"version":1},"signatures":[]}' % (
        number,
        sender.encode(),
    )


async def test_nobody_waits_behind_the_backlog_of_another_sender() -> None:
    inbox = Inbox()
    for ticket in range(5):
        assert inbox.submit(ticket, tuple(signed_by("flood", number) for number in range(1_000)))
    assert inbox.submit(9, (signed_by("other"),))
    first, second = inbox.take(), inbox.take()
    assert Submitted(9, (signed_by("other"),)) in [*first, *second]
    tickets = [item.ticket for inputs in iter(inbox.take, []) for item in inputs if isinstance(item, Submitted)]
    assert tickets == sorted(tickets), "one sender's stay in order"


async def test_what_a_sender_submits_of_whom_few_wait_overtakes_the_bulk_and_not_what_is_urgent() -> None:
    inbox = Inbox()
    few = PROMPT_TRANSACTIONS_MAX
    await inbox.put(A, Transactions(envelopes(1_000)), 1_000)
    assert inbox.submit(1, tuple(signed_by("many", number) for number in range(few + 1)))
    assert inbox.submit(2, tuple(signed_by("few", number) for number in range(few)))
    await inbox.put(A, Consensus(1, b"vote"), 10)
    assert inbox.take() == [PeerMessageReceived(A, Consensus(1, b"vote"))]
    (prompt,) = inbox.take()
    assert isinstance(prompt, Submitted)
    assert prompt.ticket == 2
    assert inbox.submit(3, tuple(signed_by("few", number) for number in range(few))), "nothing of it waits any more"
    assert [item.ticket for item in inbox.take() if isinstance(item, Submitted)] == [3]


async def test_what_one_sender_submits_stays_in_order_also_when_little_of_it_is_left() -> None:
    inbox, tickets = Inbox(), list[int]()

    def take(*, short: bool = False) -> bool:
        inputs = inbox.take(short=short)
        tickets.extend(item.ticket for item in inputs if isinstance(item, Submitted))
        return bool(inputs)

    for ticket, count in enumerate((1, SHORT_STEP_ENVELOPES_MAX + 5, 1)):
        assert inbox.submit(ticket, tuple(signed_by("one", number) for number in range(count)))
    take(short=True)
    take(short=True)
    assert inbox.submit(3, (signed_by("one"),)), "six wait before it"
    while take():
        continue
    assert tickets == sorted(tickets)
    assert set(tickets) == {0, 1, 2, 3}
    assert not inbox._bulk_senders


async def test_no_sender_can_take_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_SENDER_SUBMISSIONS_MAX", 10)
    monkeypatch.setattr(inbox_module, "INBOX_SENDER_SUBMISSION_BYTES_MAX", 10_000)
    inbox = Inbox()
    assert inbox.submit(1, (signed_by("flood"),) * 10)
    assert not inbox.submit(2, (signed_by("flood"),))
    assert inbox.submit(3, (signed_by("other"),))
    large = signed_by("large").replace(b'"nonce":"0"', b'"nonce":"%b"' % (b"0" * 6_000))
    assert inbox.submit(4, (large,))
    assert not inbox.submit(5, (large,)), "bytes count too"
    while inbox.take():
        continue
    assert not inbox._sender_envelopes, "who has nothing waiting is not remembered"
    assert not inbox._sender_bytes
    assert inbox.submit(6, (signed_by("flood"),) * 10)


async def test_every_source_gets_its_turn() -> None:
    """A peer with a thousand envelopes waiting does not keep others, or this node's own submitters, waiting for it."""
    inbox, own = Inbox(), (b"own",) * (PROMPT_TRANSACTIONS_MAX + 1)
    await inbox.put(A, Transactions(envelopes(1_000)), 1_000)
    await inbox.put(A, Transactions(envelopes(1_000)), 1_000)
    await inbox.put(B, Transactions((b"b",)), 10)
    inbox.submit(7, own)
    first, second = inbox.take(), inbox.take()
    assert count_envelopes(first) == STEP_ENVELOPES_MAX
    assert Submitted(7, own) in second
    assert (B, Transactions((b"b",))) in received(second)


async def test_a_long_submission_is_answered_in_slices_under_one_ticket() -> None:
    inbox = Inbox()
    many = envelopes(2 * STEP_ENVELOPES_MAX + 22)
    assert inbox.submit(3, many)
    slices: list[Submitted] = []
    while inputs := inbox.take():
        slices += [item for item in inputs if isinstance(item, Submitted)]
    assert [item.ticket for item in slices] == [3, 3, 3]
    assert sum((item.envelopes for item in slices), ()) == many


async def test_small_submissions_share_a_step() -> None:
    inbox = Inbox()
    for ticket in range(STEP_MESSAGES_MAX + 10):
        inbox.submit(ticket, (signed_by(f"sender{ticket}"),))
    assert [item.ticket for item in inbox.take() if isinstance(item, Submitted)] == list(range(STEP_MESSAGES_MAX))
    assert len(inbox.take()) == 10


async def test_a_peer_waits_while_its_share_is_full_and_only_that_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_BYTES_MAX", 100)
    inbox = Inbox()
    await inbox.put(A, Status(1, 0), 60)
    waiting = asyncio.create_task(inbox.put(A, Status(1, 0), 60))
    await inbox.put(B, Status(1, 0), 60)
    await asyncio.sleep(0)
    assert not waiting.done(), "taken in, but the peer is not read on"
    assert received(inbox.take()) == [(A, Status(1, 0)), (B, Status(1, 0)), (A, Status(1, 0))]
    await waiting


async def test_a_peer_waits_while_it_has_too_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_FRAMES_MAX", 2)
    inbox = Inbox()
    await inbox.put(A, Status(1, 0), 10)
    waiting = asyncio.create_task(inbox.put(A, Status(2, 0), 10))
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.take()
    await waiting


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_nothing_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_FRAMES_MAX", 1)
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.put(A, Status(1, 0), 10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert received(inbox.take()) == [(A, Status(1, 0))]
    again = asyncio.create_task(inbox.put(A, Status(2, 0), 10))
    await asyncio.sleep(0)
    inbox.take()
    await again


async def test_submissions_beyond_the_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_SUBMISSIONS_MAX", 100)
    monkeypatch.setattr(inbox_module, "INBOX_SUBMISSION_BYTES_MAX", 1_000)
    inbox = Inbox()
    assert inbox.submit(1, envelopes(90))
    assert not inbox.submit(2, envelopes(11))
    assert inbox.submit(3, envelopes(10))
    inbox.take(short=True)
    assert inbox.submit(4, envelopes(SHORT_STEP_ENVELOPES_MAX))
    while inbox.take():
        continue
    assert not inbox.submit(5, (bytes(1_001),))
    assert inbox.submit(6, (bytes(1_000),))


async def test_waiting_ends_when_there_is_something() -> None:
    inbox = Inbox()
    for fill in (inbox.elapsed, lambda: inbox.connected(A), lambda: inbox.submit(1, (b"x",))):
        waiting = asyncio.create_task(inbox.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        fill()
        await waiting
        assert inbox.take()


messages = st.one_of(
    st.builds(lambda height: Consensus(height, b"vote"), st.integers(1, 99)),
    st.builds(
        lambda count, haste: Transactions(envelopes(count), haste),
        st.integers(1, 3 * STEP_ENVELOPES_MAX),
        st.sampled_from(Haste),
    ),
    st.just(Records(())),
)


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), messages) | st.none(), max_size=40))
def test_nothing_is_lost_reordered_or_oversized(steps: list[tuple[PeerId, PeerMessage] | None]) -> None:
    """Within one peer and lane order is kept, and every step is bounded, however the queue is filled and emptied."""

    async def run() -> None:
        inbox = Inbox()
        put: list[tuple[PeerId, PeerMessage]] = []
        taken: list[tuple[PeerId, PeerMessage]] = []

        def take() -> bool:
            inputs = inbox.take()
            assert len(inputs) <= STEP_MESSAGES_MAX
            assert count_envelopes(inputs) <= STEP_ENVELOPES_MAX
            taken.extend(received(inputs))
            return bool(inputs)

        for step in steps:
            if step is None:
                take()
            else:
                await inbox.put(*step, 100)
                put.append(step)
        while take():
            continue
        assert sorted(map(repr, flat(put))) == sorted(map(repr, flat(taken)))
        for peer in (A, B, C):
            for haste in Haste:
                of_lane = [
                    [m for p, m in flat(side) if p == peer and isinstance(m, tuple) and m[1] is haste]
                    for side in (put, taken)
                ]
                assert of_lane[0] == of_lane[1]

    asyncio.run(run())


def flat(items: list[tuple[PeerId, PeerMessage]]) -> list[tuple[PeerId, object]]:
    """Messages with every envelope on its own."""
    result: list[tuple[PeerId, object]] = []
    for peer, message in items:
        if isinstance(message, Transactions):
            result += [(peer, (envelope, message.haste)) for envelope in message.envelopes]
        else:
            result.append((peer, message))
    return result
