"""Peer frames: what we write we read, what we would not write we refuse, and nothing else ever happens."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.framing import pack
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    CERTIFIED_BLOCKS_PER_REPLY_MAX,
    ENVELOPE_BYTES_MAX,
    FRAME_BYTES_MAX,
    GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_TRANSACTIONS_PER_FRAME_MAX,
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    KIB,
    RECORD_BYTES_MAX,
)
from ledger.primitives import Digest, PublicKey, Signature
from node import wire

heights = st.integers(0, INTEGER_MAX)
rounds = st.integers(0, wire.ROUND_MAX)
digests = st.binary(min_size=32, max_size=32).map(Digest)
payloads = st.binary(min_size=1, max_size=200)
envelopes = st.lists(payloads, min_size=1, max_size=8).map(tuple)
signatures = st.binary(min_size=64, max_size=64).map(Signature)
digest_lists = st.lists(digests, min_size=1, max_size=8).map(tuple)
certified = st.builds(wire.CertifiedBlock, payloads, st.lists(payloads, max_size=4).map(tuple))

messages: st.SearchStrategy[wire.PeerMessage] = st.one_of(
    st.builds(wire.Consensus, heights, payloads),
    st.builds(wire.Status, heights, rounds),
    st.builds(wire.Transactions, envelopes, st.sampled_from(wire.Haste)),
    st.builds(wire.FetchTransactions, digest_lists),
    st.builds(wire.FetchBlock, heights, digests),
    st.builds(wire.Block, heights, payloads, st.lists(digests, max_size=8).map(tuple)),
    st.builds(wire.FetchJustification, heights, digests),
    st.builds(wire.Justification, heights, payloads),
    st.builds(wire.FetchRecords, heights, st.integers(1, CERTIFIED_BLOCKS_PER_REPLY_MAX)),
    st.builds(wire.Records, st.lists(certified, max_size=4).map(tuple)),
    st.builds(
        wire.Cosignature,
        heights,
        heights,
        digests,
        st.integers(0, 2**63 - 1),
        st.binary(min_size=32, max_size=32).map(PublicKey),
        signatures,
        signatures,
    ),
    st.builds(wire.Checkpoint, heights, payloads),
)

D1, D2 = Digest(b"\x11" * 32), Digest(b"\x22" * 32)

# A frame of each type, byte by byte: a change here is a new version of the peer protocol.
GOLDEN: dict[str, tuple[wire.PeerMessage, str]] = {
    "consensus": (wire.Consensus(7, b"{}"), "01 0000000000000007 7b7d"),
    "status": (wire.Status(258, 3), "02 0000000000000102 00000003"),
    "fetch transactions": (wire.FetchTransactions((D1, D2)), "04" + "11" * 32 + "22" * 32),
    "fetch block": (wire.FetchBlock(9, D1), "05 0000000000000009" + "11" * 32),
    "block": (wire.Block(9, b"head", (D2,)), "06 0000000000000009 00000004 68656164" + "22" * 32),
    "fetch justification": (wire.FetchJustification(9, D2), "07 0000000000000009" + "22" * 32),
    "justification": (wire.Justification(9, b"tc"), "08 0000000000000009 7463"),
    "cosignature": (
        wire.Cosignature(9, 3, D1, 1_800_000_000, PublicKey(D2), Signature(b"\x33" * 64), Signature(b"\x44" * 64)),
        "0d 0000000000000009 0000000000000003" + "11" * 32 + "000000006b49d200" + "22" * 32 + "33" * 64 + "44" * 64,
    ),
    "checkpoint": (wire.Checkpoint(9, b"note"), "0e 0000000000000009 6e6f7465"),
    "fetch records": (wire.FetchRecords(1, 64), "09 0000000000000001 40"),
}


@pytest.mark.parametrize(("message", "frame"), GOLDEN.values(), ids=GOLDEN.keys())
def test_frames_are_pinned(message: wire.PeerMessage, frame: str) -> None:
    assert wire.encode(message).hex() == frame.replace(" ", "")
    assert wire.decode(bytes.fromhex(frame)) == message


def test_framed_frames_are_pinned() -> None:
    assert wire.encode(wire.Transactions((b"a", b"bc"))) == b"\x03" + pack((b"a", b"bc"))
    assert wire.encode(wire.Transactions((b"a",), wire.Haste.REQUESTED)) == b"\x0b" + pack((b"a",))
    record = wire.CertifiedBlock(b"record", (b"a", b"bc"))
    assert wire.encode(wire.Records((record,))) == b"\x0a" + pack((b"record", pack((b"a", b"bc"))))


@given(messages)
def test_what_we_write_we_read(message: wire.PeerMessage) -> None:
    assert wire.decode(wire.encode(message)) == message


@given(st.binary(max_size=300))
@example(b"")
def test_arbitrary_bytes_are_a_canonical_frame_or_malformed(frame: bytes) -> None:
    refused_or_canonical(frame)


@settings(max_examples=400)
@given(messages, st.data())
def test_damaged_frames_are_a_canonical_frame_or_malformed(message: wire.PeerMessage, data: st.DataObject) -> None:
    frame = bytearray(wire.encode(message))
    match data.draw(st.sampled_from(["flip", "cut", "extend", "insert"])):
        case "flip":
            frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del frame[data.draw(st.integers(0, len(frame) - 1)) :]
        case "extend":
            frame += data.draw(st.binary(min_size=1, max_size=40))
        case _:
            at = data.draw(st.integers(0, len(frame)))
            frame[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    refused_or_canonical(bytes(frame))


def refused_or_canonical(frame: bytes) -> None:
    try:
        message = wire.decode(frame)
    except MalformedError:
        return
    assert wire.encode(message) == frame


HEIGHT = bytes(7) + b"\x01"

MALFORMED: dict[str, bytes] = {
    "empty frame": b"",
    "type zero": b"\x00",
    "unknown type": b"\x0c" + HEIGHT,
    "frame beyond the limit": b"\x01" + bytes(FRAME_BYTES_MAX),
    "consensus without payload": b"\x01" + HEIGHT,
    "height beyond 2^53 - 1": b"\x01" + (INTEGER_MAX + 1).to_bytes(8, "big") + b"x",
    "status cut short": b"\x02" + HEIGHT + b"\0\0\0",
    "status with a surplus byte": b"\x02" + HEIGHT + bytes(5),
    "gossip of nothing": b"\x03" + pack(()),
    "gossip of an empty envelope": b"\x03" + pack((b"a", b"")),
    "gossip of too many": b"\x03" + pack((b"a",) * (GOSSIP_TRANSACTIONS_PER_FRAME_MAX + 1)),
    "gossip of a too large one": b"\x03" + pack((bytes(ENVELOPE_BYTES_MAX + 1),)),
    "fetch of nothing": b"\x04",
    "fetch with half a hash": b"\x04" + bytes(40),
    "fetch of too many": b"\x04" + bytes(32 * (BLOCK_TRANSACTIONS_MAX + 1)),
    "block cut within its head": b"\x06" + HEIGHT + b"\0\0",
    "block without header": b"\x06" + HEIGHT + bytes(4),
    "block with a header beyond the frame": b"\x06" + HEIGHT + b"\0\0\0\x09" + bytes(8),
    "block with a too large header": b"\x06" + HEIGHT + (HEADER_BYTES_MAX + 1).to_bytes(4, "big") + bytes(8 * KIB),
    "block with too many hashes": b"\x06" + HEIGHT + b"\0\0\0\x01h" + bytes(32 * (BLOCK_TRANSACTIONS_MAX + 1)),
    "justification without payload": b"\x08" + HEIGHT,
    "fetch of no records": b"\x09" + HEIGHT + b"\0",
    "fetch of too many records": b"\x09" + HEIGHT + bytes((CERTIFIED_BLOCKS_PER_REPLY_MAX + 1,)),
    "records with an odd part": b"\x0a" + pack((b"record",)),
    "records with an empty record": b"\x0a" + pack((b"", pack(()))),
    "records with broken envelopes": b"\x0a" + pack((b"record", b"\xff\xff\xff\xff")),
    "records with an empty envelope": b"\x0a" + pack((b"record", pack((b"",)))),
    "too many records": b"\x0a" + pack((b"record", pack(())) * (CERTIFIED_BLOCKS_PER_REPLY_MAX + 1)),
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(MalformedError):
        wire.decode(frame)


def test_the_largest_values_fit() -> None:
    many = wire.Transactions((b"x",) * GOSSIP_TRANSACTIONS_PER_FRAME_MAX)
    large = wire.Transactions((bytes(ENVELOPE_BYTES_MAX),))
    block = wire.Block(INTEGER_MAX, bytes(HEADER_BYTES_MAX), (D1,) * BLOCK_TRANSACTIONS_MAX)
    record = wire.Records((wire.CertifiedBlock(bytes(RECORD_BYTES_MAX // 4), (b"x" * 2 * KIB,) * 1000),))
    for message in (many, large, block, record):
        assert wire.decode(wire.encode(message)) == message


@given(st.lists(st.integers(1, ENVELOPE_BYTES_MAX).map(bytes), max_size=60))
def test_split_gossip_keeps_the_order_and_the_bounds(batch: list[bytes]) -> None:
    split = wire.split_transactions(batch)
    assert [envelope for message in split for envelope in message.envelopes] == batch
    for message in split:
        assert len(wire.encode(message)) <= GOSSIP_FRAME_BYTES_MAX + KIB
    for left, right in pairwise(split):  # no more messages than needed
        assert sum(map(len, left.envelopes)) + len(right.envelopes[0]) + 8 * 64 > GOSSIP_FRAME_BYTES_MAX


def test_split_gossip_counts() -> None:
    assert [len(m.envelopes) for m in wire.split_transactions([b"x"] * 2500)] == [1000, 1000, 500]
    assert wire.split_transactions([]) == []


@given(st.lists(envelopes, min_size=1, max_size=5))
def test_merged_gossip_is_the_gossip_of_all(batches: list[tuple[bytes, ...]]) -> None:
    merged = wire.merge_gossip([wire.encode(wire.Transactions(batch)) for batch in batches])
    assert wire.decode(merged) == wire.Transactions(sum(batches, ()))


def test_an_answer_takes_what_fits_and_reads_no_further() -> None:
    taken = 0

    def blocks() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield wire.CertifiedBlock(b"r" * KIB, (bytes(60 * KIB),) * 16)

    answer = wire.fill_records(blocks())  # type: ignore[arg-type]
    assert len(answer.items) == 4
    assert taken == 5
    assert wire.decode(wire.encode(answer)) == answer
    small = wire.CertifiedBlock(b"r", ())
    assert len(wire.fill_records([small] * 100).items) == CERTIFIED_BLOCKS_PER_REPLY_MAX
