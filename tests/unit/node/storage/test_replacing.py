"""A damaged block is put back from what a peer gave only if it is the block that the chain commits to. [safety]"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ledger.chain import CandidateBlock
from ledger.crypto import verify
from ledger.errors import LedgerError
from ledger.rows.settings import VALIDATORS_KEY
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks, check_rows
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.replacing import replace_block
from tests.unit.ledger.founders import set_of
from tests.unit.node.storage.chains import (
    SIGNERS,
    append,
    candidate,
    change_set,
    commit,
    create_stream,
    grow,
    new_chain,
    record_of,
    transaction,
)

HEIGHT = 2


@pytest.fixture(scope="module")
def grown() -> tuple[dict[bytes, bytes], list[CandidateBlock]]:
    """Four blocks, the second with a transaction that failed; block 3 decides a validator set."""
    store = MemoryStore()
    chain = new_chain(store)
    blocks = grow(chain, [1])
    failed = transaction(create_stream(), nonce=77)  # it is there already
    done = [transaction(append(f"b/{number}"), nonce=100 + number) for number in range(70)]
    second = candidate(chain, [*done, failed])
    assert len(set(second.results)) == 2
    chain.commit(second, record_of(second), SIGNERS)
    third = change_set(chain, set_of(0, 1, 2, 3, 4))
    blocks += [second, third, commit(chain)]
    return store.image(), blocks


def envelopes_of(block: CandidateBlock) -> list[bytes]:
    return [item.envelope for item in block.transactions]


ROWS: dict[str, tuple[int, Callable[[CandidateBlock], bytes]]] = {
    "header": (2, lambda block: keys.header(2)),
    "block hash": (2, lambda block: keys.block_hash(block.block_hash)),
    "record": (2, lambda block: keys.record(2)),
    "body": (2, lambda block: keys.body_chunk(2, block.block_hash, 1)),
    "outcomes": (2, lambda block: keys.outcomes(2, 1)),
    "place": (2, lambda block: keys.transaction(block.transactions[3].id)),
    "set change": (3, lambda block: keys.set_change(3)),
    "header of the tip": (4, lambda block: keys.header(4)),
    "record of the tip": (4, lambda block: keys.record(4)),
}


@pytest.mark.parametrize("lost", [False, True], ids=["flipped", "lost"])
@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_a_block_is_put_back_byte_for_byte(
    grown: tuple[dict[bytes, bytes], list[CandidateBlock]], name: str, lost: bool
) -> None:
    image, blocks = grown
    height, key_of = ROWS[name]
    block, store = blocks[height - 1], MemoryStore(image)
    chain, whole = open_chain(store), open_chain(MemoryStore(image))
    key = key_of(block)
    if lost:
        store.write({}, frozenset({key}), sync=True)
    else:
        store.damage(key, bit=3)
    assert next(check_blocks(chain, from_height=height)).damage
    replace_block(chain, height, whole.record(height), envelopes_of(block), verify)
    assert store.image() == image
    assert not any(found.damage for found in check_blocks(chain))
    assert chain.damaged.blocks == ()


def all_rows_damaged(image: dict[bytes, bytes], block: CandidateBlock) -> MemoryStore:
    store = MemoryStore(image)
    for _, (height, key_of) in ROWS.items():
        if height == HEIGHT:
            store.damage(key_of(block))
    return store


def test_a_block_of_which_nothing_is_left_is_put_back(
    grown: tuple[dict[bytes, bytes], list[CandidateBlock]],
) -> None:
    image, blocks = grown
    store = all_rows_damaged(image, blocks[1])
    chain = open_chain(store)
    replace_block(chain, HEIGHT, record_of(blocks[1]), envelopes_of(blocks[1]), verify)
    assert store.image() == image
    assert check_rows(chain) is None


def another_block(image: dict[bytes, bytes]) -> CandidateBlock:
    """A block of height 2 that is valid there, with a valid certificate, and is not the one that was committed."""
    store = MemoryStore()
    chain = new_chain(store)
    grow(chain, [1])
    return candidate(chain, [transaction(append("another"), nonce=500)])


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def swapped(items: Sequence[bytes]) -> list[bytes]:
    return [items[1], items[0], *items[2:]]


def resigned(block: CandidateBlock) -> bytes:
    """The record with a signature by nobody."""
    record = record_of(block)
    start = record.index(b'"signature":"') + len(b'"signature":"')
    return record[:start] + b"00" * 64 + record[start + 128 :]


LIES: dict[str, Callable[[CandidateBlock, CandidateBlock, CandidateBlock], tuple[bytes, list[bytes]]]] = {
    "another certified block": lambda block, other, _: (record_of(other), envelopes_of(other)),
    "the block below": lambda block, other, below: (record_of(below), envelopes_of(below)),
    "the body of another": lambda block, other, _: (record_of(block), envelopes_of(other)),
    "a transaction too few": lambda block, other, _: (record_of(block), envelopes_of(block)[:-1]),
    "a transaction too many": lambda block, other, _: (
        record_of(block),
        [*envelopes_of(block), envelopes_of(other)[0]],
    ),
    "two transactions swapped": lambda block, other, _: (record_of(block), swapped(envelopes_of(block))),
    "one transaction twice": lambda block, other, _: (
        record_of(block),
        [*envelopes_of(block)[:-1], envelopes_of(block)[0]],
    ),
    "another transaction at the end": lambda block, other, _: (
        record_of(block),
        [*envelopes_of(block)[:-1], envelopes_of(other)[0]],
    ),
    "a signature swapped in an envelope": lambda block, other, _: (
        record_of(block),
        [flipped(envelopes_of(block)[0], envelopes_of(block)[0].rindex(b'"') - 1), *envelopes_of(block)[1:]],
    ),
    "garbage for a transaction": lambda block, other, _: (record_of(block), [b"{}", *envelopes_of(block)[1:]]),
    "garbage for a record": lambda block, other, _: (b"{}", envelopes_of(block)),
    "a certificate by nobody": lambda block, other, _: (resigned(block), envelopes_of(block)),
}


@pytest.mark.parametrize("lie", LIES)
def test_nothing_else_is_taken_and_nothing_is_written(
    grown: tuple[dict[bytes, bytes], list[CandidateBlock]], lie: str
) -> None:
    image, blocks = grown
    store = all_rows_damaged(image, blocks[1])
    chain = open_chain(store)
    before = store.image()
    record, envelopes = LIES[lie](blocks[1], another_block(image), blocks[0])
    with pytest.raises(LedgerError):
        replace_block(chain, HEIGHT, record, envelopes, verify)
    assert store.image() == before
    assert chain.damaged.replaced == 0


def test_what_would_show_which_block_it_is_may_be_damaged_too(
    grown: tuple[dict[bytes, bytes], list[CandidateBlock]],
) -> None:
    """The block above, a tile of the log, the validators of the state: then nothing is put back."""
    image, blocks = grown
    for key in (keys.header(3), keys.tile(0, 0), keys.state(VALIDATORS_KEY)):
        store = all_rows_damaged(image, blocks[1])
        chain = open_chain(store)
        assert key in image
        store.damage(key)
        before = store.image()
        with pytest.raises(DamagedError):
            replace_block(chain, HEIGHT, record_of(blocks[1]), envelopes_of(blocks[1]), verify)
        assert store.image() == before


def test_a_false_tile_is_not_the_fault_of_the_peer(grown: tuple[dict[bytes, bytes], list[CandidateBlock]]) -> None:
    image, blocks = grown
    store = all_rows_damaged(image, blocks[1])
    chain: ChainStore = open_chain(store)
    tile = store.get(keys.tile(0, 0))
    assert tile is not None
    store.write({keys.tile(0, 0): flipped(tile, 40)}, sync=True)  # whole, with its checksum, and wrong
    with pytest.raises(DamagedError, match="not the one that the newest block commits to"):
        replace_block(chain, HEIGHT, record_of(blocks[1]), envelopes_of(blocks[1]), verify)
