"""What waits for a peer: in which order it leaves, and what goes when there is no room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import GOSSIP_TRANSACTIONS_PER_FRAME_MAX
from ledger.primitives import Digest
from node import wire
from node.net import outbox as outbox_module
from node.net.outbox import Lane, Outbox, Outgoing, outgoing

VOTE = wire.Consensus(1, b"vote")
RECORDS = wire.Records(())


def gossip(*envelopes: bytes) -> wire.Transactions:
    return wire.Transactions(envelopes)


def drain(outbox: Outbox) -> list[wire.PeerMessage]:
    frames = iter(outbox.pop, None)
    return [wire.decode(frame) for frame in frames]


LANES = {
    Lane.CONSENSUS: [
        VOTE,
        wire.Status(1, 0),
        wire.FetchTransactions((Digest(bytes(32)),)),
        wire.FetchBlock(1, Digest(bytes(32))),
        wire.Block(1, b"h", ()),
        wire.FetchJustification(1, Digest(bytes(32))),
        wire.Justification(1, b"j"),
        wire.FetchRecords(1, 1),
    ],
    Lane.ANSWER: [RECORDS, wire.Transactions((b"x",), wire.Haste.REQUESTED)],
    Lane.PROMPT: [wire.Transactions((b"x",), wire.Haste.PROMPT)],
    Lane.GOSSIP: [gossip(b"x")],
}


@pytest.mark.parametrize(("lane", "message"), [(lane, m) for lane, ms in LANES.items() for m in ms])
def test_every_message_has_its_lane(lane: Lane, message: wire.PeerMessage) -> None:
    assert outgoing(message).lane is lane


def test_votes_leave_first_then_answers_then_prompt_gossip_then_the_bulk_each_in_order() -> None:
    outbox = Outbox()
    answer = wire.Transactions((b"asked",), wire.Haste.REQUESTED)
    prompt = wire.Transactions((b"few",), wire.Haste.PROMPT)
    for message in (gossip(b"a"), prompt, answer, VOTE, RECORDS, wire.Status(1, 1)):
        assert outbox.push(outgoing(message))
    assert drain(outbox) == [VOTE, wire.Status(1, 1), answer, RECORDS, prompt, gossip(b"a")]
    assert (outbox.waiting_frames, outbox.waiting_bytes) == (0, 0)


def test_gossip_that_waited_leaves_as_one_frame_within_the_bounds() -> None:
    outbox = Outbox()
    per_frame = GOSSIP_TRANSACTIONS_PER_FRAME_MAX * 2 // 5
    batches = [tuple(b"%d-%d" % (n, i) for i in range(per_frame)) for n in range(5)]
    for batch in batches:
        outbox.push(outgoing(gossip(*batch)))
    sent = drain(outbox)
    assert sent == [gossip(*batches[0], *batches[1]), gossip(*batches[2], *batches[3]), gossip(*batches[4])]


def test_the_bulk_is_dropped_before_prompt_gossip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "PEER_OUTBOX_FRAMES_MAX", 2)
    outbox = Outbox()
    prompt = wire.Transactions((b"few",), wire.Haste.PROMPT)
    for message in (prompt, gossip(b"a"), gossip(b"b"), wire.Status(1, 0)):
        assert outbox.push(outgoing(message))
    assert drain(outbox) == [wire.Status(1, 0), prompt]
    for message in (prompt, wire.Status(1, 0), wire.Status(2, 0)):
        assert outbox.push(outgoing(message)), "prompt gossip gives way to votes, too"
    assert drain(outbox) == [wire.Status(1, 0), wire.Status(2, 0)]


def test_a_full_outbox_drops_the_oldest_gossip_then_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "PEER_OUTBOX_FRAMES_MAX", 3)
    outbox = Outbox()
    for name in (b"a", b"b", b"c", b"d"):
        assert outbox.push(outgoing(gossip(name)))
    assert outbox.dropped == 1
    for height in range(3):
        assert outbox.push(outgoing(wire.Status(height, 0)))
    assert outbox.dropped == 4
    assert outbox.push(outgoing(gossip(b"late"))), "gossip never closes a link"
    assert outbox.dropped == 5
    assert not outbox.push(outgoing(wire.Status(3, 0)))
    assert drain(outbox) == [wire.Status(height, 0) for height in range(3)]


@given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(1, 400)) | st.none(), max_size=60))
def test_the_bounds_hold_and_nothing_but_gossip_is_lost(steps: list[tuple[Lane, int] | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_module, "PEER_OUTBOX_FRAMES_MAX", 8)
        patch.setattr(outbox_module, "PEER_OUTBOX_BYTES_MAX", 1_000)
        outbox = Outbox()
        gossip_types = {Lane.GOSSIP: 3, Lane.PROMPT: 12}
        gossiped = set(gossip_types.values())
        expected: list[bytes] = []
        sent: list[bytes] = []
        for step in steps:
            if step is None:
                frame = outbox.pop()
                if frame is not None and frame[0] not in gossiped:
                    sent.append(frame)
                continue
            lane, size = step
            frame = bytes((gossip_types.get(lane, 1), lane)) + bytes(size)
            if outbox.push(Outgoing(frame, lane, 1)) and lane not in gossip_types:
                expected.append(frame)
            assert outbox.waiting_frames <= 8
            assert outbox.waiting_bytes <= 1_000
        sent += [frame for frame in iter(outbox.pop, None) if frame[0] not in gossiped]
        for lane in (Lane.CONSENSUS, Lane.ANSWER):
            assert [f for f in sent if f[1] == lane] == [f for f in expected if f[1] == lane]
