"""Looking for damage a little at a time: how little, that nothing is left out, and what may happen in between."""

from __future__ import annotations

import pytest

from ledger.crypto import verify
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.replacing import replace_block
from node.storage.scrubbing import Scrubber
from tests.unit.node.storage.chains import grow, new_chain, record_of
from tests.unit.node.storage.noting import NotingStore

CHUNK = keys.CHUNK_TRANSACTIONS


def looked_at(scrubber: Scrubber, store: NotingStore) -> list[bytes]:
    """What one look reads."""
    store.read = []
    scrubber.look()
    return store.read


def through_the_blocks(scrubber: Scrubber) -> int:
    """Looks until no block is left; returns how many it took."""
    looks = 0
    while scrubber._key is None:
        scrubber.look()
        looks += 1
    return looks - 1  # the last found that there is no block any more


def through(scrubber: Scrubber) -> None:
    """To the end of the pass, or to where it stops."""
    passes, looks = scrubber.passes, 0
    while scrubber.passes == passes and looks < 1_000:
        scrubber.look()
        looks += 1


@pytest.mark.parametrize(
    ("transactions", "looks"), [(0, 1), (1, 1), (CHUNK, 1), (CHUNK + 1, 2), (4 * CHUNK, 4), (4 * CHUNK + 1, 5)]
)
def test_a_look_takes_one_chunk_of_a_block(transactions: int, looks: int) -> None:
    store = NotingStore()
    (block,) = grow(new_chain(store), [transactions])
    scrubber = Scrubber(open_chain(store))
    scrubber.look()  # genesis
    for chunk in range(looks):
        read = looked_at(scrubber, store)
        expected = [keys.body_chunk(1, block.block_hash, chunk)] if transactions else []
        assert [key for key in read if key.startswith(b"b")] == expected
        assert [key for key in read if key.startswith(b"x")] == [
            keys.transaction(item.id) for item in block.transactions[chunk * CHUNK : (chunk + 1) * CHUNK]
        ]
    assert through_the_blocks(scrubber) == 0


@pytest.mark.parametrize("chunk", range(5))
@pytest.mark.parametrize("row", ["body", "outcomes", "place"])
def test_damage_is_found_in_every_part_of_a_block_and_the_pass_goes_on(row: str, chunk: int) -> None:
    store = MemoryStore()
    blocks = grow(new_chain(store), [1, 4 * CHUNK + 3, 2])
    damaged = blocks[1]
    chain = open_chain(store)
    match row:
        case "body":
            store.damage(keys.body_chunk(2, damaged.block_hash, chunk))
        case "outcomes":
            store.damage(keys.outcomes(2, chunk))
        case _:
            store.damage(keys.transaction(damaged.transactions[chunk * CHUNK + 1].id))
    store.damage(keys.record(3))
    through_the_blocks(Scrubber(chain))
    assert chain.damaged.blocks == (2, 3)


def test_blocks_that_are_appended_between_two_looks_are_part_of_the_pass() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    grow(chain, [3 * CHUNK])
    scrubber = Scrubber(chain)
    scrubber.look()
    scrubber.look()  # the first chunk of block 1
    grow(chain, [1, 2 * CHUNK])
    store.damage(keys.record(3))
    assert through_the_blocks(scrubber) == 2 + 1 + 2
    assert chain.damaged.blocks == (3,)


def test_a_block_that_is_put_back_between_two_looks_is_whole() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    (block,) = grow(chain, [3 * CHUNK])
    scrubber = Scrubber(chain)
    scrubber.look()
    store.damage(keys.body_chunk(1, block.block_hash, 2))
    scrubber.look()
    chain.damaged.note_block(1, "somebody read it")
    replace_block(chain, 1, record_of(block), [item.envelope for item in block.transactions], verify)
    assert through_the_blocks(scrubber) == 2
    assert chain.damaged.blocks == ()


def rows_read(chain: ChainStore, store: NotingStore) -> tuple[list[list[bytes]], Scrubber]:
    """What the looks of one pass read, after the blocks, up to the one that finds nothing new."""
    scrubber, looks = Scrubber(chain), []
    through_the_blocks(scrubber)
    while not scrubber.passes:
        looks.append(looked_at(scrubber, store))
    return looks, scrubber


def test_every_row_is_read_and_no_look_takes_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.storage.scrubbing.SCRUBBED_ROWS_PER_LOOK_MAX", 10)
    store = NotingStore()
    grow(new_chain(store), [1, 70, 3])
    looks, scrubber = rows_read(open_chain(store), store)
    assert max(map(len, looks)) == 10
    assert {key for look in looks for key in look} == set(store.image())
    before = len(looks)
    through(scrubber)
    assert scrubber.passes == 2
    assert before > len(store.image()) // 10


@pytest.mark.parametrize("bytes_max", [1, 500, 5_000])
def test_long_rows_make_a_look_end_earlier_and_none_is_left_out(
    monkeypatch: pytest.MonkeyPatch, bytes_max: int
) -> None:
    monkeypatch.setattr("node.storage.scrubbing.SCRUBBED_BYTES_PER_LOOK_MAX", bytes_max)
    store = NotingStore()
    grow(new_chain(store), [1, 70, 3])
    image = store.image()
    looks, _ = rows_read(open_chain(store), store)
    assert {key for look in looks for key in look} == set(image)
    for look in looks:
        # The first was the last of the look before; one more is read in any case, and nothing beyond the bound.
        assert sum(len(image[key]) - 4 for key in look[:-1]) <= bytes_max or len(look) <= 2


def test_a_row_of_no_block_that_is_damaged_is_found_and_the_pass_stays_there() -> None:
    store = MemoryStore()
    grow(new_chain(store), [1, 2])
    chain = open_chain(store)
    store.damage(next(key for key in store.image() if key.startswith(b"i")))
    scrubber = Scrubber(chain)
    through(scrubber)
    assert chain.damaged.elsewhere is not None
    assert scrubber.passes == 0
