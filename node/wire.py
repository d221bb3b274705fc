"""What nodes say to each other: peer messages as values, and as the bytes of one WebSocket frame. Pure.

A frame is one type byte and a body; integers are big endian, and the last field takes the rest of the frame:

    1  consensus            height u64 | payload
    2  status               height u64 | round u32
    3  transactions         framed envelopes: gossip                     (1..1000)
    4  fetch transactions   envelope hashes, 32 bytes each               (1..1000)
    5  fetch block          height u64 | block hash (32)
    6  block                height u64 | header length u32 | header | envelope hashes, 32 bytes each  (0..1000)
    7  fetch justification  height u64 | justification digest (32)
    8  justification        height u64 | payload
    9  fetch records        first height u64 | count u8                  (1..64)
    10 records              framed: record, framed envelopes, record, framed envelopes, …  (0..64 pairs)
    11 transactions         framed envelopes: what was asked for         (1..1000)
    12 transactions         framed envelopes: prompt gossip              (1..1000)
    13 cosignature          height u64 | size u64 | root (32) | time u64 | key (32) | note signature (64) |
                            cosignature (64)
    14 checkpoint           height u64 | signed note

"Framed" is `ledger.framing`. Payloads of consensus and justification are the canonical JSON of
`ledger.consensus.codec`; they are judged by the replica when it decides their height, and only their size is looked
at here. The decoder is strict and bounded: it gives a value within the bounds of `ledger.limits`, whose encoding is
the very frame, or raises `MalformedError`; the link closes (design section 8, rule "verified at the door").
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import Enum, unique
from itertools import chain
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import astuple

from ledger.errors import MalformedError
from ledger.framing import FRAMING_BYTES, pack, unpack
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    CERTIFIED_BLOCKS_PER_REPLY_MAX,
    ENVELOPE_BYTES_MAX,
    FRAME_BYTES_MAX,
    GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_TRANSACTIONS_PER_FRAME_MAX,
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    NOTE_BYTES_MAX,
    RECORD_BYTES_MAX,
)
from ledger.log.signed_note import TIMESTAMP_MAX
from ledger.primitives import DIGEST_BYTES, Digest, PublicKey, Signature

ROUND_MAX = 2**32 - 1
"""The highest round that fits a frame and a signed statement."""


class Consensus(Struct, frozen=True):
    """A consensus message of `height`; `payload` is its canonical JSON, unverified."""

    height: int
    payload: bytes


class Status(Struct, frozen=True):
    """ "I am deciding this height, in this round" (its tip is height - 1)."""

    height: int
    round: int


@unique
class Haste(Enum):
    """Why envelopes are sent, and so what they may overtake on the way, and whether they may be dropped there."""

    BULK = "bulk"
    """Gossip of new ones; may be dropped."""
    PROMPT = "prompt"
    """Gossip of new ones, by senders of whom few wait: it overtakes the bulk, so that nobody waits behind another's
    backlog. May be dropped."""
    REQUESTED = "requested"
    """The answer to `FetchTransactions`: a proposal waits for it."""


class Transactions(Struct, frozen=True):
    """Envelopes, exact bytes."""

    envelopes: tuple[bytes, ...]
    haste: Haste = Haste.BULK


class FetchTransactions(Struct, frozen=True):
    """ "Send me the envelopes with these envelope hashes." """

    hashes: tuple[Digest, ...]


class FetchBlock(Struct, frozen=True):
    """ "Send me the header and the envelope hashes of this proposed block." """

    height: int
    block_hash: Digest


class Block(Struct, frozen=True):
    """The answer to `FetchBlock`: a header's canonical bytes and the envelope hashes of its body, in order."""

    height: int
    header: bytes
    envelope_hashes: tuple[Digest, ...]


class FetchJustification(Struct, frozen=True):
    """ "Send me the timeout certificate that hashes to this justification digest." """

    height: int
    digest: Digest


class Justification(Struct, frozen=True):
    """The answer to `FetchJustification`; `payload` is the canonical JSON of a timeout certificate, unverified."""

    height: int
    payload: bytes


class FetchRecords(Struct, frozen=True):
    """ "Send me certified blocks from this height on, at most so many." """

    from_height: int
    count_max: int


class CertifiedBlock(Struct, frozen=True):
    """A commit record's canonical bytes and the envelopes of its block, in order; unverified."""

    record: bytes
    envelopes: tuple[bytes, ...]


class Records(Struct, frozen=True):
    """The answer to `FetchRecords`: consecutive certified blocks; fewer than asked for when a frame is full."""

    items: tuple[CertifiedBlock, ...]


class Cosignature(Struct, frozen=True):
    """What the validator with this cosigning key signed of the log after block `height`: its checkpoint as a note, and
    the checkpoint at `time_s` (POSIX seconds), both as `ledger.log.checkpoint` has it. Unverified."""

    height: int
    size: int
    root: Digest
    time_s: int
    key: PublicKey
    note_signature: Signature
    cosignature: Signature


class Checkpoint(Struct, frozen=True):
    """The checkpoint of the log after block `height` with a quorum of cosignatures, as a signed note. Unverified."""

    height: int
    note: bytes


PeerMessage: TypeAlias = (
    Consensus
    | Status
    | Transactions
    | FetchTransactions
    | FetchBlock
    | Block
    | FetchJustification
    | Justification
    | FetchRecords
    | Records
    | Cosignature
    | Checkpoint
)

_CONSENSUS, _STATUS, _TRANSACTIONS, _FETCH_TRANSACTIONS, _FETCH_BLOCK = 1, 2, 3, 4, 5
_BLOCK, _FETCH_JUSTIFICATION, _JUSTIFICATION, _FETCH_RECORDS, _RECORDS = 6, 7, 8, 9, 10
_COSIGNATURE, _CHECKPOINT = 13, 14
_TRANSACTIONS_TYPE = {Haste.BULK: _TRANSACTIONS, Haste.REQUESTED: 11, Haste.PROMPT: 12}

_HEIGHT = struct.Struct(">BQ")
_STATUS_FRAME = struct.Struct(">BQI")
_DIGEST_FRAME = struct.Struct(">BQ32s")
_BLOCK_HEAD = struct.Struct(">BQI")
_RECORDS_REQUEST = struct.Struct(">BQB")
_COSIGNATURE_FRAME = struct.Struct(">BQQ32sQ32s64s64s")


def encode(message: PeerMessage) -> bytes:
    """The frame of `message`, which is ours and within the bounds (that is asserted, as far as it is cheap)."""
    match message:
        case Consensus(height, payload):
            frame = _HEIGHT.pack(_CONSENSUS, height) + payload
        case Status(height, round_):
            frame = _STATUS_FRAME.pack(_STATUS, height, round_)
        case Transactions(envelopes, haste):
            assert 1 <= len(envelopes) <= GOSSIP_TRANSACTIONS_PER_FRAME_MAX
            frame = bytes((_TRANSACTIONS_TYPE[haste],)) + pack(envelopes)
        case FetchTransactions(hashes):
            assert 1 <= len(hashes) <= BLOCK_TRANSACTIONS_MAX
            frame = bytes((_FETCH_TRANSACTIONS,)) + b"".join(hashes)
        case FetchBlock(height, block_hash):
            frame = _DIGEST_FRAME.pack(_FETCH_BLOCK, height, block_hash)
        case Block(height, header, envelope_hashes):
            frame = b"".join((_BLOCK_HEAD.pack(_BLOCK, height, len(header)), header, *envelope_hashes))
        case FetchJustification(height, digest):
            frame = _DIGEST_FRAME.pack(_FETCH_JUSTIFICATION, height, digest)
        case Justification(height, payload):
            frame = _HEIGHT.pack(_JUSTIFICATION, height) + payload
        case FetchRecords(from_height, count_max):
            frame = _RECORDS_REQUEST.pack(_FETCH_RECORDS, from_height, count_max)
        case Records(items):
            assert len(items) <= CERTIFIED_BLOCKS_PER_REPLY_MAX
            pairs = chain.from_iterable((item.record, pack(item.envelopes)) for item in items)
            frame = bytes((_RECORDS,)) + pack(tuple(pairs))
        case Cosignature():
            frame = _COSIGNATURE_FRAME.pack(_COSIGNATURE, *astuple(message))
        case Checkpoint(height, note):
            frame = _HEIGHT.pack(_CHECKPOINT, height) + note
        case _:
            assert_never(message)
    assert len(frame) <= FRAME_BYTES_MAX, f"a {type(message).__name__} of {len(frame)} bytes does not fit a frame"
    return frame


def decode(frame: bytes) -> PeerMessage:
    """The message that stands in `frame`. Raises `MalformedError` for anything `encode` would not write."""
    if not 1 <= len(frame) <= FRAME_BYTES_MAX:
        raise MalformedError(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, not {len(frame)}")
    match frame[0]:
        case 1:
            return Consensus(*_height_and_payload(frame, "consensus"))
        case 2:
            _, height, round_ = _STATUS_FRAME.unpack(_exactly(frame, _STATUS_FRAME, "status"))
            return Status(_height(height), round_)
        case 3:
            return Transactions(_gossip_envelopes(frame))
        case 4:
            hashes = _digests(frame, start=1)
            if not hashes:
                raise MalformedError("a request for transactions names none")
            return FetchTransactions(hashes)
        case 5:
            _, height, block_hash = _DIGEST_FRAME.unpack(_exactly(frame, _DIGEST_FRAME, "fetch block"))
            return FetchBlock(_height(height), Digest(block_hash))
        case 6:
            return _decode_block(frame)
        case 7:
            _, height, digest = _DIGEST_FRAME.unpack(_exactly(frame, _DIGEST_FRAME, "fetch justification"))
            return FetchJustification(_height(height), Digest(digest))
        case 8:
            return Justification(*_height_and_payload(frame, "justification"))
        case 9:
            _, height, count_max = _RECORDS_REQUEST.unpack(_exactly(frame, _RECORDS_REQUEST, "fetch records"))
            if not 1 <= count_max <= CERTIFIED_BLOCKS_PER_REPLY_MAX:
                raise MalformedError(f"a request for records asks for 1 to {CERTIFIED_BLOCKS_PER_REPLY_MAX}")
            return FetchRecords(_height(height), count_max)
        case 10:
            return _decode_records(frame)
        case 11:
            return Transactions(_gossip_envelopes(frame), Haste.REQUESTED)
        case 12:
            return Transactions(_gossip_envelopes(frame), Haste.PROMPT)
        case 13:
            return _decode_cosignature(frame)
        case 14:
            height, note = _height_and_payload(frame, "checkpoint")
            if len(note) > NOTE_BYTES_MAX:
                raise MalformedError(f"a checkpoint has at most {NOTE_BYTES_MAX} bytes, not {len(note)}")
            return Checkpoint(height, note)
        case unknown:
            raise MalformedError(f"unknown type of frame {unknown}")


def merge_gossip(frames: Sequence[bytes]) -> bytes:
    """One gossip frame with the envelopes of several, in order (framed sequences can simply be joined).

    The caller sees to it that they are together within the number and size of a frame.
    """
    if len(frames) == 1:
        return frames[0]
    assert len({frame[0] for frame in frames}) == 1, "of one haste"
    return frames[0] + b"".join([frame[1:] for frame in frames[1:]])


def split_transactions(envelopes: Iterable[bytes], haste: Haste = Haste.BULK) -> list[Transactions]:
    """`envelopes` in order, in as few messages as stay below the size and number of a gossip frame."""
    messages: list[Transactions] = []
    batch: list[bytes] = []
    room = GOSSIP_FRAME_BYTES_MAX
    for envelope in envelopes:
        size = len(envelope) + FRAMING_BYTES
        if batch and (size > room or len(batch) == GOSSIP_TRANSACTIONS_PER_FRAME_MAX):
            messages.append(Transactions(tuple(batch), haste))
            batch = []
            room = GOSSIP_FRAME_BYTES_MAX
        batch.append(envelope)
        room -= size
    if batch:
        messages.append(Transactions(tuple(batch), haste))
    return messages


def fill_records(blocks: Iterable[CertifiedBlock]) -> Records:
    """The answer that takes as many of `blocks`, from the first on, as fit one frame; reads no further than that."""
    items: list[CertifiedBlock] = []
    room = FRAME_BYTES_MAX - 1 - FRAMING_BYTES
    for block in blocks:
        room -= _certified_block_bytes(block.record, block.envelopes)
        if room < 0 or len(items) == CERTIFIED_BLOCKS_PER_REPLY_MAX:
            break
        items.append(block)
    return Records(tuple(items))


def _certified_block_bytes(record: bytes, envelopes: Sequence[bytes]) -> int:
    """An upper bound of what a certified block takes of a frame."""
    return len(record) + sum(map(len, envelopes)) + FRAMING_BYTES * (len(envelopes) + 3)


def _exactly(frame: bytes, layout: struct.Struct, what: str) -> bytes:
    if len(frame) != layout.size:
        raise MalformedError(f"a {what} frame has {layout.size} bytes, not {len(frame)}")
    return frame


def _height(value: int) -> int:
    if value > INTEGER_MAX:
        raise MalformedError(f"height {value} is beyond {INTEGER_MAX}")
    return value


def _height_and_payload(frame: bytes, what: str) -> tuple[int, bytes]:
    if len(frame) <= _HEIGHT.size:
        raise MalformedError(f"a {what} frame has no payload")
    _, height = _HEIGHT.unpack_from(frame)
    return _height(height), frame[_HEIGHT.size :]


def _digests(frame: bytes, *, start: int) -> tuple[Digest, ...]:
    count, rest = divmod(len(frame) - start, DIGEST_BYTES)
    if rest or count > BLOCK_TRANSACTIONS_MAX:
        raise MalformedError(f"a frame lists at most {BLOCK_TRANSACTIONS_MAX} hashes of {DIGEST_BYTES} bytes")
    return tuple(Digest(frame[at : at + DIGEST_BYTES]) for at in range(start, len(frame), DIGEST_BYTES))


def _envelopes(data: bytes, *, start: int, items_min: int, items_max: int) -> tuple[bytes, ...]:
    envelopes = unpack(data, items_max=items_max, item_bytes_max=ENVELOPE_BYTES_MAX, start=start)
    if len(envelopes) < items_min or b"" in envelopes:
        raise MalformedError("a frame has no envelope, or an empty one")
    return envelopes


def _gossip_envelopes(frame: bytes) -> tuple[bytes, ...]:
    return _envelopes(frame, start=1, items_min=1, items_max=GOSSIP_TRANSACTIONS_PER_FRAME_MAX)


def _decode_block(frame: bytes) -> Block:
    if len(frame) < _BLOCK_HEAD.size:
        raise MalformedError("a block frame is cut short")
    _, height, header_bytes = _BLOCK_HEAD.unpack_from(frame)
    end = _BLOCK_HEAD.size + header_bytes
    if not 1 <= header_bytes <= HEADER_BYTES_MAX or end > len(frame):
        raise MalformedError(f"a block frame has a header of 1 to {HEADER_BYTES_MAX} bytes, not {header_bytes}")
    return Block(_height(height), frame[_BLOCK_HEAD.size : end], _digests(frame, start=end))


def _decode_cosignature(frame: bytes) -> Cosignature:
    fields = _COSIGNATURE_FRAME.unpack(_exactly(frame, _COSIGNATURE_FRAME, "cosignature"))
    _, height, size, root, time_s, key, note_signature, cosignature = fields
    if size > INTEGER_MAX or time_s > TIMESTAMP_MAX:
        raise MalformedError(f"a cosignature of size {size} or time {time_s} is beyond what there can be")
    signatures = Signature(note_signature), Signature(cosignature)
    return Cosignature(_height(height), size, Digest(root), time_s, PublicKey(key), *signatures)


def _decode_records(frame: bytes) -> Records:
    items_max = 2 * CERTIFIED_BLOCKS_PER_REPLY_MAX
    parts = unpack(frame, items_max=items_max, item_bytes_max=FRAME_BYTES_MAX, start=1)
    if len(parts) % 2:
        raise MalformedError("a records frame has a record without its envelopes")
    items = []
    for record, framed in zip(parts[::2], parts[1::2], strict=True):
        if not 1 <= len(record) <= RECORD_BYTES_MAX:
            raise MalformedError(f"a commit record has 1 to {RECORD_BYTES_MAX} bytes, not {len(record)}")
        envelopes = _envelopes(framed, start=0, items_min=0, items_max=BLOCK_TRANSACTIONS_MAX)
        items.append(CertifiedBlock(record, envelopes))
    return Records(tuple(items))
