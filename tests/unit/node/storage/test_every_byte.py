"""Every byte of a stored block, changed by somebody who corrects the row's checksum: found, named, and never served."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import zstandard

from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from tests.unit.ledger.founders import set_of
from tests.unit.node.storage.chains import change_set, grow, new_chain

HEIGHT = 2
"""Of the block that is changed; block 3 decides a validator set."""

SILENT_MAX = 4
"""Of a compressed row, bytes in which a bit says nothing: one in the header of a frame, and padding (RFC 8878)."""

READS: tuple[Callable[[ChainStore], object], ...] = (
    lambda chain: chain.stored_header(HEIGHT),
    lambda chain: chain.record(HEIGHT),
    lambda chain: chain.envelopes(HEIGHT),
    lambda chain: chain.leaves(HEIGHT),
    lambda chain: tuple(chain.block(HEIGHT).leaves_in_hex()),
    lambda chain: chain.stored_header(HEIGHT + 1),
    lambda chain: chain.trail(HEIGHT + 2),
)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Four blocks; no test leaves anything changed."""
    made = MemoryStore()
    chain = new_chain(made)
    grow(chain, [1, 2])
    change_set(chain, set_of(0, 1, 2, 3, 4))
    grow(chain, [1])
    return made


@pytest.fixture(scope="module")
def chain(store: MemoryStore) -> ChainStore:
    from node.storage.opening import open_chain

    return open_chain(store)


ROWS: list[tuple[str, Callable[[ChainStore], bytes], int]] = [
    ("header", lambda chain: keys.header(HEIGHT), HEIGHT),
    ("record", lambda chain: keys.record(HEIGHT), HEIGHT),
    ("body", lambda chain: keys.body_chunk(HEIGHT, chain.block_hash(HEIGHT), 0), HEIGHT),
    ("outcomes", lambda chain: keys.outcomes(HEIGHT, 0), HEIGHT),
    ("block hash", lambda chain: keys.block_hash(chain.block_hash(HEIGHT)), HEIGHT),
    ("place", lambda chain: keys.transaction(chain.leaves(HEIGHT)[1].transaction_id), HEIGHT),
    ("set change", lambda chain: keys.set_change(HEIGHT + 1), HEIGHT + 1),
]


@pytest.mark.parametrize(("key_of", "height"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_changed_byte_is_found_at_its_height_and_never_served(
    store: MemoryStore, chain: ChainStore, key_of: Callable[[ChainStore], bytes], height: int
) -> None:
    key = key_of(chain)
    row = store.get(key)
    assert row
    true, silent = [read(chain) for read in READS], 0
    for position in range(len(row)):
        changed = row[:position] + bytes([row[position] ^ (1 << position % 8)]) + row[position + 1 :]
        store.write({key: changed}, sync=True)
        try:
            found = next(check_blocks(chain, from_height=height))
            assert found.height == height
            if not found.damage:
                assert _says_the_same(row, changed), f"byte {position} of {len(row)}"
                silent += 1
            for read, expected in zip(READS, true, strict=True):
                try:
                    assert read(chain) == expected, f"byte {position} of {len(row)}"
                except DamagedError:
                    continue
        finally:
            store.write({key: row}, sync=True)
    assert not next(check_blocks(chain, from_height=height)).damage
    assert silent <= SILENT_MAX


def _says_the_same(row: bytes, changed: bytes) -> bool:
    """Whether a compressed row has the same content."""
    if not row.startswith(zstandard.FRAME_HEADER):
        return False
    return zstandard.decompress(row) == zstandard.ZstdDecompressor().decompress(changed, allow_extra_data=False)
