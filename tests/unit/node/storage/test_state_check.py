"""The state after the tip is held against the state root: no value is another, no key is missing, no trie row wrong."""

from __future__ import annotations

import pytest

from ledger.trie import EMPTY, update
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.check import check_state
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from tests.unit.node.storage.chains import commit, new_chain


@pytest.fixture
def store() -> MemoryStore:
    """A state of a few hundred keys: its root is a branch."""
    store = MemoryStore()
    commit(new_chain(store), writes={b"some/%d" % number: b"value" for number in range(300)})
    assert check_state(open_chain(store)) == ()
    return store


def root_row(chain: ChainStore) -> tuple[bytes, bytes]:
    """The key and the row of the trie's root."""
    version = chain.tip.trie_root.version
    return keys.trie_node(version, b""), chain.trie_node(version, b"")


def test_a_value_that_is_missing_is_found(store: MemoryStore) -> None:
    store.write({}, frozenset({keys.state(b"some/7")}), sync=True)
    (sentence,) = check_state(open_chain(store))
    assert "keys" in sentence
    assert "commits to" in sentence


def test_a_value_that_is_another_is_found(store: MemoryStore) -> None:
    store.write({keys.state(b"some/7"): keys.pack_height(1) + b"\x01other"}, sync=True)
    (sentence,) = check_state(open_chain(store))
    assert "some/7" in sentence


def test_what_no_hash_covers_is_held_against_the_rows(store: MemoryStore) -> None:
    """How many leaves a child has, as its parent says: a deletion months later would believe it."""
    place, row = root_row(open_chain(store))
    at = len(row) - 10  # of the last child: its last byte and its version, and then the last byte of the row
    assert 0 < row[at] < 32
    store.write({place: row[:at] + bytes((row[at] + 1,)) + row[at + 1 :]}, sync=True)
    (sentence,) = check_state(open_chain(store))
    assert "cannot be read" in sentence


def test_a_state_without_keys_has_none() -> None:
    assert update(EMPTY, {b"a": None}, 1, lambda version, path: None).root == EMPTY
