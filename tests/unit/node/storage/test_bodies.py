"""Bodies are compressed in the database, come back byte for byte, and are damage when they do not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ledger import framing
from ledger.limits import BLOCK_BYTES_MAX, BODY_CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX, KIB, MIB
from ledger.primitives import Digest
from node.storage import keys
from node.storage.batch import Batch
from node.storage.bodies import (
    body_keys,
    pack_chunk,
    read_candidate_body,
    read_chunk,
    read_framed_chunk,
    read_stored_body,
    write_body,
)
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.promises import Promises
from tests.unit.node.storage.chains import candidate, create_stream, new_chain, stored_candidate, transaction

BLOCK = Digest(bytes(range(32)))

Envelopes = list[bytes]


def stored(envelopes: Envelopes) -> MemoryStore:
    batch, store = Batch(), MemoryStore()
    write_body(batch, 7, BLOCK, envelopes)
    store.write(batch.puts, sync=True)
    return store


def with_row(row: bytes) -> MemoryStore:
    store = MemoryStore()
    store.write({keys.body_chunk(7, BLOCK, 0): row}, sync=True)
    return store


@given(st.lists(st.binary(max_size=200), max_size=3 * keys.CHUNK_TRANSACTIONS))
def test_every_body_comes_back_by_each_way_of_reading(envelopes: Envelopes) -> None:
    store, chunks = stored(envelopes), range(0, len(envelopes), keys.CHUNK_TRANSACTIONS)
    assert read_stored_body(store, 7, BLOCK, len(envelopes)) == tuple(envelopes)
    assert read_candidate_body(store, 7, BLOCK, len(envelopes)) == tuple(envelopes)
    assert body_keys(store, 7, BLOCK) == tuple(keys.body_chunk(7, BLOCK, chunk) for chunk in range(len(chunks)))
    for chunk, start in enumerate(chunks):
        expected = envelopes[start : start + keys.CHUNK_TRANSACTIONS]
        assert read_chunk(store, 7, BLOCK, chunk) == tuple(expected)
        framed = read_framed_chunk(store, 7, BLOCK, chunk)
        assert [framed[index] for index in range(len(expected))] == expected


def test_a_body_of_real_transactions_takes_a_third_of_its_bytes_at_most() -> None:
    chain = new_chain(MemoryStore())
    block = candidate(chain, [transaction(create_stream(f"s{number}"), nonce=number) for number in range(130)])
    envelopes = [item.envelope for item in block.transactions]
    batch = Batch()
    write_body(batch, 1, block.block_hash, envelopes)
    assert len(batch.puts) == 3
    assert 3 * sum(map(len, batch.puts.values())) < sum(map(len, envelopes))


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=keys.CHUNK_TRANSACTIONS))
def test_a_row_that_a_format_before_this_one_wrote_is_read_as_it_is(envelopes: Envelopes) -> None:
    store = with_row(framing.pack(envelopes))
    assert read_chunk(store, 7, BLOCK, 0) == tuple(envelopes)
    assert read_framed_chunk(store, 7, BLOCK, 0)[0] == envelopes[0]


def test_no_row_of_an_older_format_can_be_taken_for_a_compressed_one() -> None:
    """Such a row begins with the length of an envelope."""
    assert int.from_bytes(zstandard.FRAME_HEADER, "big") > ENVELOPE_BYTES_MAX


def test_the_largest_chunk_of_a_block_is_stored_and_read() -> None:
    size = BLOCK_BYTES_MAX // 32
    envelopes = [bytes([number]) * size for number in range(32)]
    assert size == ENVELOPE_BYTES_MAX
    assert sum(map(len, envelopes)) == BLOCK_BYTES_MAX
    assert read_stored_body(stored(envelopes), 7, BLOCK, 32) == tuple(envelopes)
    assert len(framing.pack([b""] * keys.CHUNK_TRANSACTIONS)) <= BODY_CHUNK_BYTES_MAX - BLOCK_BYTES_MAX


ROW = pack_chunk([b"one", b"another", b"a third one"])
NO_SIZE = zstandard.ZstdCompressor(write_content_size=False).compress(framing.pack([b"one"]))
DAMAGE: dict[str, tuple[bytes, str]] = {
    "cut off": (ROW[:-1], "malformed"),
    "the first bytes alone": (ROW[:4], "malformed"),
    "more than a frame": (ROW + b"\0", "malformed"),
    "two frames": (ROW + ROW, "malformed"),
    "a byte of it": (ROW[:6] + bytes([ROW[6] ^ 255]) + ROW[7:], "malformed"),
    "without its size": (NO_SIZE, "larger than any"),
    "what it has is not framed": (zstandard.compress(b"\0\0\0\x05abc"), "malformed"),
    "too many envelopes": (pack_chunk([b"one"] * (keys.CHUNK_TRANSACTIONS + 1)), "malformed"),
    "too long an envelope": (pack_chunk([bytes(ENVELOPE_BYTES_MAX + 1)]), "malformed"),
    "an older row that is cut off": (framing.pack([b"one"])[:-1], "malformed"),
}
READ: list[Callable[[MemoryStore], object]] = [
    lambda store: read_chunk(store, 7, BLOCK, 0),
    lambda store: read_candidate_body(store, 7, BLOCK, 3),
    lambda store: read_stored_body(store, 7, BLOCK, 3),
]


@pytest.mark.parametrize("name", DAMAGE)
def test_a_row_that_is_no_chunk_is_damage(name: str) -> None:
    row, found = DAMAGE[name]
    for read in READ:
        with pytest.raises(DamagedError, match=f"body of block 7 is .*{found}|body of block 7 is {found}"):
            read(with_row(row))


def test_a_row_that_says_it_is_huge_makes_no_room_for_it() -> None:
    """A frame of some kilobytes can say, and have, that it is of gigabytes."""
    bomb = zstandard.compress(bytes(64 * MIB))
    assert len(bomb) < 10_000
    store = with_row(bomb)
    tracemalloc.start()
    try:
        for read in (*READ, lambda store: read_framed_chunk(store, 7, BLOCK, 0)):
            with pytest.raises(DamagedError, match="larger than any"):
                read(store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB


def test_the_bound_of_a_row_is_the_largest_chunk_that_there_is() -> None:
    """What cannot be of one block is not decompressed."""
    row = zstandard.compress(bytes(BLOCK_BYTES_MAX + 2 * KIB))
    for read in (*READ, lambda store: read_framed_chunk(store, 7, BLOCK, 0)):
        with pytest.raises(DamagedError, match="larger than any"):
            read(with_row(row))


def test_a_chunk_that_is_not_there_is_damage() -> None:
    with pytest.raises(DamagedError, match="a part of the body of block 7 is missing"):
        read_stored_body(stored([b"one"] * 64), 7, BLOCK, 65)
    with pytest.raises(DamagedError, match="missing"):
        read_framed_chunk(MemoryStore(), 7, BLOCK, 0)


def test_a_candidate_of_few_transactions_makes_no_room_for_more_rows_than_it_has() -> None:
    """Each row of some hundred bytes can have, by its own bound, two megabytes; and there can be 65,536 of them."""
    store = MemoryStore()
    chain = new_chain(store)
    block = candidate(chain, [transaction(create_stream())])
    chain.promise(Promises(1, candidates=(stored_candidate(block),)))
    row = pack_chunk([bytes(ENVELOPE_BYTES_MAX)] * 31)
    assert len(row) < 1_000
    store.write({keys.body_chunk(1, block.block_hash, chunk): row for chunk in range(1, 20)}, sync=True)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="body of a candidate at height 1"):
            chain.promises(1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB
