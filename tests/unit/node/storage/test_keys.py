"""The layout of the database: changing a key is a change of format, and must be an explicit act here."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ledger.consensus.statements import StatementType
from ledger.primitives import Digest, successor
from node.storage import keys
from node.storage.keys import PromiseKind, Subject

HASH = Digest(bytes(range(32)))
HASH_HEX = HASH.hex()

GOLDEN: list[tuple[bytes, str]] = [
    (keys.FORMAT, b"mformat".hex()),
    (keys.GENESIS, b"mgenesis".hex()),
    (keys.TIP, b"mtip".hex()),
    (keys.header(258), "68" + "0000000000000102"),
    (keys.record(258), "63" + "0000000000000102"),
    (keys.body_chunk(1, HASH, 3), "62" + "0000000000000001" + HASH_HEX + "0003"),
    (keys.outcomes(1, 3), "6f" + "0000000000000001" + "0003"),
    (keys.block_hash(HASH), "6e" + HASH_HEX),
    (keys.transaction(HASH), "78" + HASH_HEX),
    (keys.tile(2, 7), "6c" + "02" + "0000000000000007"),
    (keys.first_leaf(9), "66" + "0000000000000009"),
    (keys.state(b"a/b"), "76" + "612f62"),
    (keys.replaced_state(b"a/b", 1), "77" + "0003" + "612f62" + "fffffffffffffffe"),
    (keys.trie_node(1, b"\x0a\x0b"), "74" + "0000000000000001" + "0a0b"),
    (keys.trie_version(1), "67" + "0000000000000001"),
    (keys.stale_nodes(1), "75" + "0000000000000001"),
    (keys.subject(Subject.ACCOUNT, "acme"), "69" + "01" + b"acme".hex() + "00"),
    (keys.subject(Subject.STREAM, "acme"), "69" + "02" + b"acme".hex() + "00"),
    (keys.subject(Subject.OPERATION, "acme"), "69" + "03" + b"acme".hex() + "00"),
    (keys.subject(Subject.ASSET, "acme"), "69" + "04" + b"acme".hex() + "00"),
    (keys.holders("euro"), "61" + b"euro".hex() + "00"),
    (keys.records("acme"), "72" + b"acme".hex() + "00"),
    (
        keys.entity("acme", "abc"),
        "6b" + b"acme".hex() + "00" + "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (keys.evidence(HASH), "64" + HASH_HEX),
    (keys.signer("v0"), "73" + b"v0".hex()),
    (keys.own_message(1, 2, StatementType.COMMIT), "70" + "0000000000000001" + "01" + "00000002" + "03"),
    (keys.certificate(1, PromiseKind.TIMEOUT_CERTIFICATE, 2), "70" + "0000000000000001" + "02" + "00000002"),
    (keys.certificate(1, PromiseKind.PREPARE_CERTIFICATE, 2), "70" + "0000000000000001" + "03" + "00000002"),
    (keys.candidate(1, HASH), "70" + "0000000000000001" + "04" + HASH_HEX),
]


@pytest.mark.parametrize(("key", "expected"), GOLDEN)
def test_every_key_has_its_one_form(key: bytes, expected: str) -> None:
    assert key.hex() == expected


def test_the_table_of_the_module_names_every_first_byte() -> None:
    table = keys.__doc__ or ""
    for first in {key[:1].decode() for key, _ in GOLDEN}:
        assert f"\n    {first} | " in table, first


def test_keys_sort_by_number() -> None:
    for make in (keys.header, keys.first_leaf, keys.stale_nodes, keys.promises):
        assert all(make(low) < make(high) for low, high in pairwise((0, 1, 255, 256, 2**32, keys.HEIGHT_MAX)))
    newest_first = [keys.replaced_state(b"a", height) for height in (keys.HEIGHT_MAX, 256, 255, 1, 0)]
    assert newest_first == sorted(newest_first)


def test_a_promise_is_taken_apart_as_it_was_put_together() -> None:
    assert keys.parse_promise(keys.candidate(5, HASH)) == (5, PromiseKind.CANDIDATE, HASH)
    message = keys.own_message(5, 6, StatementType.TIMEOUT)
    assert keys.parse_promise(message) == (5, PromiseKind.MESSAGE, b"\0\0\0\x06\x04")


def test_the_successor_of_a_prefix_ends_its_range() -> None:
    assert successor(b"account/") == b"account0"
    assert successor(b"account/") > b"account/" + b"\xff" * 9
