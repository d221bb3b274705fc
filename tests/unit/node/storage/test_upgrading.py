"""A database of an older format becomes one of this format: all that it has stays, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
import zstandard

from ledger.consensus.statements import StatementType
from ledger.encoding import encode
from ledger.trie import count_keys
from node.storage import keys, upgrading
from node.storage.check import check_blocks, check_rows, check_state
from node.storage.errors import DamagedError, StorageFailedError, StoreMismatchError, StoreMissingError
from node.storage.leveldb import create_database, open_database
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.storage.promises import OwnMessage, Promises
from node.storage.rebuild import SetAside, set_aside
from node.storage.state_rows import CurrentState
from node.storage.upgrading import upgrade
from tests.unit.node.storage.chains import (
    SIGNERS,
    append,
    candidate,
    digest_of,
    genesis,
    grow,
    new_chain,
    record_of,
    stored_candidate,
    transaction,
)
from tests.unit.node.storage.old_formats import make_format_2, make_format_3

SIZES = [2, 30, 1, 0, 4]
VOTE = OwnMessage(0, StatementType.TIMEOUT, b"a vote")

MAKE = {2: make_format_2, 3: make_format_3}
each_old_format = pytest.mark.parametrize("version", MAKE)


def old_database(version: int = 2) -> MemoryStore:
    """Five blocks and a vote at the height after them, in an older format."""
    store = MemoryStore()
    chain = new_chain(store)
    grow(chain, SIZES)
    chain.promise(Promises(6, (VOTE,)))
    MAKE[version](store)
    return store


def kept(store: MemoryStore) -> dict[bytes, bytes]:
    """All rows but the format and those about the trie."""
    return {
        key: row for key, row in store.range(b"", b"\xff") if key[:1] not in (b"g", b"t", b"u") and key != keys.FORMAT
    }


def assert_whole(store: MemoryStore) -> None:
    """All is as the chain committed it, and the next block is the one that a database of this format would have."""
    chain, other = open_chain(store, expected=genesis().chain), new_chain(MemoryStore())
    assert not any(found.damage for found in check_blocks(chain))
    assert check_state(chain) == ()
    assert check_rows(chain) is None
    assert chain.promises(6).messages == (VOTE,)
    grow(other, SIZES)
    assert [block.block_hash for block in grow(chain, [3, 1])] == [block.block_hash for block in grow(other, [3, 1])]
    assert check_state(chain) == ()


def test_everything_but_the_trie_stays_byte_for_byte_and_the_chain_goes_on() -> None:
    store = old_database()
    before = kept(store)
    assert upgrade(store, genesis().chain)
    assert kept(store) == before
    assert zstandard.FRAME_HEADER not in {row[:4] for row in before.values()}, "it has bodies of the old format"
    reached = {b"t" + keys.pack_height(5) + path for path in _paths(store)}
    assert {key for key, _ in store.range(b"t", b"u")} == reached, "no row of the old trie is left"
    assert not upgrade(store, genesis().chain), "once is enough"
    assert_whole(store)


def test_of_the_format_before_this_one_nothing_but_the_format_is_written() -> None:
    store = old_database(3)
    before = dict(store.range(b"", b"\xff"))
    assert upgrade(store, genesis().chain)
    after = dict(store.range(b"", b"\xff"))
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == {keys.FORMAT}
    assert not upgrade(store, genesis().chain), "once is enough"
    assert_whole(store)


@each_old_format
def test_it_is_said_before_anything_is_written(version: int) -> None:
    """From format 2 it takes minutes: who waits must know for what."""
    store, begun = old_database(version), []
    before = store.writes
    assert upgrade(store, genesis().chain, lambda: begun.append(store.writes))
    assert begun == [before]
    assert not upgrade(store, genesis().chain, lambda: begun.append(store.writes))
    assert begun == [before], "an upgraded one says nothing"


@each_old_format
def test_a_block_that_was_promised_in_an_old_format_is_read_and_committed_as_it_stands(version: int) -> None:
    store = MemoryStore()
    chain = new_chain(store)
    grow(chain, SIZES)
    block = candidate(chain, [transaction(append(f"{number}"), nonce=number) for number in range(130)])
    other = candidate(chain, [transaction(append("other"), nonce=1_000)])
    promised = tuple(map(stored_candidate, sorted((block, other), key=lambda item: item.block_hash)))
    chain.promise(Promises(6, (VOTE,), candidates=promised))
    MAKE[version](store)
    before = dict(store.range(b"b", b"c"))
    assert upgrade(store, genesis().chain)
    chain = open_chain(store)
    assert chain.promises(6).candidates == promised
    block = candidate(chain, block.transactions)  # as it is checked again at a start
    chain.commit(block, record_of(block), SIGNERS)
    assert chain.envelopes(6) == tuple(item.envelope for item in block.transactions)
    left = {key: row for key, row in before.items() if other.block_hash not in key}
    assert dict(store.range(b"b", b"c")) == left, "stored once, and of the other nothing stays"
    assert not any(found.damage for found in check_blocks(chain))


def _paths(store: MemoryStore) -> set[bytes]:
    chain, paths = open_chain(store), set()

    def read(version: int, path: bytes) -> bytes:
        paths.add(path)
        return chain.trie_node(version, path)

    count_keys(chain.tip.trie_root, read)
    return paths


def test_a_power_cut_anywhere_is_made_good_by_the_next_start() -> None:
    image = old_database().image()
    with patch.object(upgrading, "UPGRADE_ROWS_PER_BATCH", 4):
        whole = MemoryStore(image)
        upgrade(whole, genesis().chain)
        assert whole.writes > 10
        for number in range(1, whole.writes + 1):
            for survived in {0, number // 2, number}:
                store = MemoryStore(image)
                store.fail_write(number, survives=True)
                with pytest.raises(StorageFailedError):
                    upgrade(store, genesis().chain)
                after = MemoryStore(store.crash(unsynced_survive=min(survived, store.unsynced_writes)))
                assert upgrade(after, genesis().chain) == (number < whole.writes)
                assert after.image() == whole.image()
    assert_whole(whole)


@each_old_format
def test_the_genesis_alone_is_upgraded(version: int) -> None:
    store = MemoryStore()
    new_chain(store)
    MAKE[version](store)
    assert upgrade(store, genesis().chain)
    assert check_state(open_chain(store)) == ()


def test_a_state_that_is_not_the_one_of_the_newest_header_is_not_upgraded() -> None:
    """Each value, and each key that is missing, is held against the root: what is damaged does not become the truth."""
    for change in ({keys.state(b"validators"): b"\0" * 8 + b"\1other"}, {}):
        store = old_database()
        store.write(change, frozenset() if change else frozenset({keys.state(b"validators")}), sync=True)
        with pytest.raises(DamagedError, match="another root"):
            upgrade(store, genesis().chain)
        with pytest.raises(StoreMismatchError, match="format 2"):
            open_chain(store)


def test_nothing_is_deleted_before_the_state_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A validator alone has no peers to fetch its chain from: what it has must not be made less."""
    store = old_database()
    before = list(store.range(b"", b"\xff"))

    def damaged(*_: object) -> Iterator[tuple[bytes, bytes]]:
        raise DamagedError("the row does not have the checksum that it was written with")

    monkeypatch.setattr(CurrentState, "range", damaged)
    with pytest.raises(DamagedError, match="checksum"):
        upgrade(store, genesis().chain)
    assert list(store.range(b"", b"\xff")) == before


@each_old_format
def test_a_damaged_database_of_an_old_format_is_made_anew_with_its_votes(version: int, tmp_path: Path) -> None:
    database = tmp_path / "database"
    with closing(create_database(database)) as store:
        chain = create_chain(store, genesis())
        grow(chain, SIZES)
        expected = [(chain.record(height), chain.envelopes(height)) for height in range(1, 6)]
        chain.promise(Promises(6, (VOTE,)))
        MAKE[version](store)
        store.write({}, frozenset({keys.state(b"validators")}), sync=True)
        if version == 2:
            with pytest.raises(DamagedError):
                upgrade(store, genesis().chain)
    set_aside(database, genesis(), "a test")
    with closing(open_database(database)) as store, closing(SetAside(database)) as aside:
        assert not upgrade(store, genesis().chain)
        chain = open_chain(store)
        assert chain.promises(6) == Promises(6, (VOTE,))
        assert chain.height_before_rebuild() == 5
        assert aside.archive is not None
        assert [aside.archive.block(height) for height in range(1, 6)] == expected


def test_what_is_no_database_of_the_old_format_is_not_touched() -> None:
    with pytest.raises(StoreMissingError):
        upgrade(MemoryStore(), genesis().chain)
    with pytest.raises(StoreMismatchError, match="not of"):
        upgrade(old_database(), digest_of("another"))
    store = old_database()
    for version, remedy in ((1, "fetched again from peers"), (5, "the version that wrote it")):
        store.write({keys.FORMAT: encode({"chain": genesis().chain.hex(), "format": version})}, sync=True)
        image = store.image()
        with pytest.raises(StoreMismatchError, match=remedy):
            upgrade(store, genesis().chain)
        assert store.image() == image
    with pytest.raises(StoreMismatchError, match="quorum-node start"):
        open_chain(old_database())
    with pytest.raises(StoreMismatchError, match="quorum-node start"):
        open_chain(old_database(3))
