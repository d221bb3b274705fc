"""Making and opening a chain: never over something, never from nothing, never the wrong one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ledger.consensus.statements import StatementType
from ledger.encoding import decode, encode
from ledger.limits import GENESIS_BYTES_MAX
from ledger.primitives import PublicKey
from node.storage import keys
from node.storage.errors import DamagedError, StoreExistsError, StoreMismatchError, StoreMissingError
from node.storage.guard import FileGuard, create_guard, promise
from node.storage.leveldb import create_database, open_database
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.storage.promises import OwnMessage, Promises
from tests.unit.ledger.founders import genesis_of
from tests.unit.node.storage.chains import commit, digest_of, genesis, grow, new_chain

KEY = PublicKey(b"\1" * 32)


def test_an_empty_store_is_no_chain() -> None:
    with pytest.raises(StoreMissingError):
        open_chain(MemoryStore())


def test_a_database_that_lost_its_log_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    directory = tmp_path / "database"
    store = create_database(directory)
    grow(new_chain(store), [1, 1])
    store.close()
    for log in directory.glob("*.log"):
        log.unlink()
    with pytest.raises(DamagedError, match="lacks its log"):
        open_database(directory)


def test_a_database_that_lost_its_newest_votes_is_behind_its_guard(tmp_path: Path) -> None:
    """What start-up compares (node.replica.opening): the guard names a promise that the database does not hold."""
    directory = tmp_path / "database"
    store, guard = create_database(directory), create_guard(tmp_path / "guard", KEY)
    chain = new_chain(store)
    commit(chain)
    (log,) = directory.glob("*.log")
    before = log.stat().st_size
    chain.promise(Promises(2, (OwnMessage(0, StatementType.PREPARE, b"vote"),)))
    guard.write(promise(2, 0, StatementType.PREPARE, b"vote"))
    store.close()

    def newest_messages() -> tuple[OwnMessage, ...]:
        store = open_database(directory)
        try:
            return open_chain(store).promises(2).messages
        finally:
            store.close()

    os.truncate(log, before)
    assert newest_messages() == ()
    record = FileGuard(tmp_path / "guard", KEY).read()
    assert record == promise(2, 0, StatementType.PREPARE, b"vote"), "so the loss is noticed"


def test_a_chain_is_never_made_over_something() -> None:
    store = MemoryStore()
    new_chain(store)
    with pytest.raises(StoreExistsError):
        new_chain(store)
    other = MemoryStore()
    other.write({b"z": b""}, sync=True)
    with pytest.raises(StoreExistsError):
        new_chain(other)


@pytest.mark.parametrize("survives", [True, False])
def test_a_creation_that_was_cut_short_leaves_a_chain_or_nothing(survives: bool) -> None:
    store = MemoryStore()
    store.fail_write(1, survives=survives)
    with pytest.raises(Exception, match="injected"):
        new_chain(store)
    after = MemoryStore(store.crash())
    if survives:
        assert open_chain(after).tip.header.height == 0
    else:
        with pytest.raises(StoreMissingError):
            open_chain(after)
        assert new_chain(after).tip.header.height == 0


def test_another_chain_is_refused() -> None:
    store = MemoryStore()
    new_chain(store)
    assert open_chain(store, expected=genesis().chain).chain == genesis().chain
    with pytest.raises(StoreMismatchError, match="not of"):
        open_chain(store, expected=digest_of("another"))


def test_a_database_whose_outcomes_have_no_envelope_hashes_is_refused_and_not_misread() -> None:
    """Format 1: half of a row of outcomes, taken for all of its ids, would deny that the other half is committed."""
    store = MemoryStore()
    (block,) = grow(new_chain(store), [4])
    ids = b"".join(item.id for item in block.transactions)
    store.write({keys.outcomes(1, 0): ids + b"ok ok ok ok"}, sync=True)
    store.write({keys.FORMAT: encode({"chain": genesis().chain.hex(), "format": 1})}, sync=True)
    with pytest.raises(StoreMismatchError, match="format 1"):
        open_chain(store)


@pytest.mark.parametrize("version", [0, 1, 2, 3, 5, 99])
def test_another_format_is_refused(version: int) -> None:
    store = MemoryStore()
    new_chain(store)
    store.write({keys.FORMAT: encode({"chain": genesis().chain.hex(), "format": version})}, sync=True)
    with pytest.raises(StoreMismatchError, match=f"format {version}"):
        open_chain(store)


@pytest.mark.parametrize("key", [keys.FORMAT, keys.GENESIS, keys.TIP, keys.header(0), keys.trie_version(0)])
def test_damage_to_what_opening_reads_is_noticed(key: bytes) -> None:
    store = MemoryStore()
    new_chain(store)
    missing = MemoryStore(store.image())
    store.damage(key, bit=9)
    with pytest.raises(DamagedError):
        open_chain(store)
    if key != keys.FORMAT:
        missing.write({}, frozenset({key}), sync=True)
        with pytest.raises(DamagedError):
            open_chain(missing)


def test_a_genesis_whose_proofs_do_not_verify_is_damage() -> None:
    store = MemoryStore()
    create_chain(store, genesis())
    document: Any = decode(genesis().document, bytes_max=GENESIS_BYTES_MAX)
    proofs = document["cards"][0]["proofs"]
    proofs["node"] = proofs["consensus"]
    store.write({keys.GENESIS: encode(document)}, sync=True)
    with pytest.raises(DamagedError, match="does not verify"):
        open_chain(store)


def test_the_genesis_of_another_chain_in_the_database_is_damage() -> None:
    store = MemoryStore()
    create_chain(store, genesis())
    store.write({keys.GENESIS: genesis_of(1).document}, sync=True)
    with pytest.raises(DamagedError, match="does not hash"):
        open_chain(store)
