"""The state trie against a naive reference, and its proofs against an attacker who may send any bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.crypto import digest, tag
from ledger.errors import MalformedError, VerificationError
from ledger.primitives import Digest
from ledger.trie import EMPTY, StateProof, TrieChange, TrieRoot, check_proof, parse_proof, prove, update
from tests.unit.ledger.stored_trie import StoredTrie


def naive_root(state: Mapping[bytes, bytes]) -> bytes:
    """The definition of the docstring, once more and without thought for speed."""

    def hashed(what: str, data: bytes) -> bytes:
        return hashlib.sha256(b"quorum-ledger/v1/" + what.encode() + b"\0" + data).digest()

    leaves = [(hashed("state-key", key), hashed("state-value", value)) for key, value in state.items()]

    def node(below: list[tuple[bytes, bytes]], depth: int) -> bytes:
        occupied = leaf_map = 0
        entries = b""
        for nibble in range(16):
            group = [leaf for leaf in below if int(leaf[0].hex()[depth], 16) == nibble]
            if not group:
                continue
            occupied |= 1 << nibble
            if len(group) == 1:
                leaf_map |= 1 << nibble
                entries += group[0][0] + group[0][1]
            else:
                entries += node(group, depth + 1)
        return hashed("state-node", struct.pack(">HH", occupied, leaf_map) + entries)

    return node(leaves, 0)


# ---- keys whose hashes share their first nibbles, found once, so that small tests reach deep nodes


def _nibbles(key: bytes) -> str:
    return digest(tag("state-key"), key).hex()


def _keys_below(prefix: str, count: int) -> list[bytes]:
    found = []
    number = 0
    while len(found) < count:
        key = b"key/%d" % number
        if _nibbles(key).startswith(prefix):
            found.append(key)
        number += 1
    return found


CROWDED = _keys_below("a0", 12)  # twelve keys below one node of depth two
DEEP = _keys_below("7c3", 4)
KEYS = [*CROWDED, *DEEP, *(b"account/%d" % number for number in range(24))]

states = st.dictionaries(st.sampled_from(KEYS), st.binary(max_size=3), max_size=len(KEYS))
changes = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=2), max_size=len(KEYS))


def test_the_empty_trie_is_the_node_without_children() -> None:
    assert TrieRoot(0, digest(tag("state-node"), bytes(4))) == EMPTY
    assert naive_root({}) == EMPTY.hash
    assert update(EMPTY, {}, 1, StoredTrie().read) == TrieChange(EMPTY, (), ())
    assert update(EMPTY, {b"nothing": None}, 1, StoredTrie().read) == TrieChange(EMPTY, (), ())


@given(states)
def test_a_root_equals_the_naive_definition(state: dict[bytes, bytes]) -> None:
    rows = StoredTrie()
    rows.write(state)
    assert rows.root.hash == naive_root(state)


@settings(max_examples=200)
@given(st.lists(changes, max_size=8))
def test_updates_equal_the_naive_definition_and_leave_exactly_the_rows_of_a_fresh_build(
    blocks: list[dict[bytes, bytes | None]],
) -> None:
    rows = StoredTrie()
    state: dict[bytes, bytes] = {}
    for block in blocks:
        rows.write(block)
        for key, value in block.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        assert rows.root.hash == naive_root(state)
        fresh = StoredTrie()
        fresh.write(state)
        assert sorted(path for _, path in rows.rows) == sorted(path for _, path in fresh.rows)
        for key in KEYS:
            assert check_proof(rows.root.hash, key, state.get(key), rows.prove(key))


@given(states, st.randoms(use_true_random=False))
def test_a_root_does_not_depend_on_the_order_of_writes(state: dict[bytes, bytes], random: object) -> None:
    keys = list(state)
    random.shuffle(keys)  # type: ignore[attr-defined]
    one_by_one = StoredTrie()
    for key in keys:
        one_by_one.write({key: state[key]})
    assert one_by_one.root.hash == naive_root(state)


def test_deleting_all_keys_leaves_the_empty_trie_and_no_rows() -> None:
    rows = StoredTrie()
    rows.write(dict.fromkeys(KEYS, b"value"))
    rows.write(dict.fromkeys(KEYS))
    assert rows.root == EMPTY
    assert rows.rows == {}


def test_a_node_left_with_one_leaf_collapses_however_deep_it_was() -> None:
    rows = StoredTrie()
    rows.write(dict.fromkeys(DEEP[:2], b"value"))
    assert len(rows.prove(DEEP[0]).nodes) >= 4
    change = rows.write({DEEP[1]: None})
    assert [path for path, _ in change.new_nodes] == [b""]
    assert list(rows.rows) == [(2, b"")]
    assert rows.root.hash == naive_root({DEEP[0]: b"value"})


def test_writing_what_is_there_already_writes_nothing() -> None:
    rows = StoredTrie()
    rows.write(dict.fromkeys(KEYS, b"value"))
    before = rows.root
    change = rows.write({**dict.fromkeys(KEYS, b"value"), b"absent": None})
    assert change == TrieChange(before, (), ())


def test_only_nodes_on_the_written_path_are_written_and_the_rest_keep_their_version() -> None:
    rows = StoredTrie()
    rows.write(dict.fromkeys(KEYS, b"value"))
    change = rows.write({CROWDED[0]: b"other"})
    assert {version for version, _ in change.stale} == {1}
    written = {path for path, _ in change.new_nodes}
    assert written == {path for _, path in change.stale}
    nibbles = bytes(int(digit, 16) for digit in _nibbles(CROWDED[0]))
    assert all(nibbles.startswith(path) for path in written)


def test_older_roots_stay_readable_while_their_stale_rows_are_kept() -> None:
    rows: dict[tuple[int, bytes], bytes] = {}

    def read(version: int, path: bytes) -> bytes | None:
        return rows.get((version, path))

    roots = [EMPTY]
    for version in range(1, 6):
        change = update(roots[-1], dict.fromkeys(KEYS[version::2], b"%d" % version), version, read)
        rows.update({(version, path): row for path, row in change.new_nodes})
        roots.append(change.root)
    for version, root in enumerate(roots):
        newest = max((v for v in range(1, version + 1) if KEYS[9] in KEYS[v::2]), default=None)
        value = None if newest is None else b"%d" % newest
        assert check_proof(root.hash, KEYS[9], value, prove(root, KEYS[9], read))


def test_a_missing_row_is_an_error_that_says_where() -> None:
    rows = StoredTrie()
    rows.write(dict.fromkeys(KEYS, b"value"))
    del rows.rows[1, b"\x0a"]
    with pytest.raises(VerificationError, match="'a'"):
        rows.prove(CROWDED[0])
    with pytest.raises(VerificationError, match="'a'"):
        rows.write({CROWDED[0]: b"other"})
    with pytest.raises(VerificationError, match="'a'"):
        rows.write({CROWDED[0]: b"other", CROWDED[1]: b"other"})


# ---- the attacker: may send any proof for any key


@pytest.fixture(scope="module")
def ledger() -> StoredTrie:
    rows = StoredTrie()
    rows.write({key: b"value of " + key for key in KEYS})
    return rows


ABSENT = _keys_below("a0f", 13)[-1]  # absent, and below the crowded node


def test_the_value_is_proved_and_no_other(ledger: StoredTrie) -> None:
    key = CROWDED[3]
    proof = ledger.prove(key)
    root = ledger.root.hash
    assert check_proof(root, key, b"value of " + key, proof)
    assert not check_proof(root, key, b"another value", proof)
    assert not check_proof(root, key, b"", proof)
    assert not check_proof(root, key, None, proof), "a present key cannot be shown absent"
    assert not check_proof(Digest(bytes(32)), key, b"value of " + key, proof)


def test_absence_is_proved_and_no_value(ledger: StoredTrie) -> None:
    proof = ledger.prove(ABSENT)
    assert check_proof(ledger.root.hash, ABSENT, None, proof)
    assert not check_proof(ledger.root.hash, ABSENT, b"", proof)
    assert not check_proof(ledger.root.hash, ABSENT, b"value of " + ABSENT, proof)


def test_a_proof_for_another_key_proves_nothing_about_this_one(ledger: StoredTrie) -> None:
    """No proof of one key shows another one absent or with the first one's value."""
    for key in KEYS:
        for other in KEYS:
            if other == key:
                continue
            proof = ledger.prove(other)
            assert not check_proof(ledger.root.hash, key, None, proof)
            assert not check_proof(ledger.root.hash, key, b"value of " + other, proof)


def test_no_truncated_or_extended_path_is_accepted(ledger: StoredTrie) -> None:
    for key, value in ((CROWDED[0], b"value of " + CROWDED[0]), (ABSENT, None)):
        nodes = ledger.prove(key).nodes
        assert len(nodes) >= 3
        changed = [nodes[:count] for count in range(len(nodes))]
        changed += [nodes[1:], nodes[::-1], (*nodes, nodes[-1]), (*nodes, bytes(4)), (nodes[0], *nodes)]
        for candidate in changed:
            for claim in (value, None, b"value of " + key):
                assert not check_proof(ledger.root.hash, key, claim, StateProof(candidate))


def test_no_flipped_bit_is_accepted(ledger: StoredTrie) -> None:
    """Bitmaps, sibling hashes and leaves all stand below the root's hash."""
    for key, value in ((CROWDED[0], b"value of " + CROWDED[0]), (ABSENT, None)):
        nodes = ledger.prove(key).nodes
        for index, node in enumerate(nodes):
            for position in range(len(node)):
                flipped = node[:position] + bytes([node[position] ^ 1]) + node[position + 1 :]
                candidate = StateProof((*nodes[:index], flipped, *nodes[index + 1 :]))
                assert not check_proof(ledger.root.hash, key, value, candidate)
                assert not check_proof(ledger.root.hash, key, None, candidate)


# A node whose hash somebody could get into a root is beyond an attacker, but the rules must not rest on that alone: the
# following roots are hashes of crafted nodes, as if q validators had signed them.


def _root_of(preimage: bytes) -> Digest:
    return digest(tag("state-node"), preimage)


def test_bitmaps_that_do_not_fit_the_entries_are_refused_even_below_a_matching_root() -> None:
    key = KEYS[0]
    nibble = int(_nibbles(key)[0], 16)
    bit = 1 << nibble
    leaf = digest(tag("state-key"), key) + digest(tag("state-value"), b"v")
    good = struct.pack(">HH", bit, bit) + leaf
    assert check_proof(_root_of(good), key, b"v", StateProof((good,)))
    crafted = {
        "a leaf bit without its occupied bit": struct.pack(">HH", 0, bit) + leaf,
        "a leaf bit without its occupied bit, one hash long": struct.pack(">HH", 0, bit) + leaf[:32],
        "surplus bytes": good + b"\0",
        "a missing byte": good[:-1],
        "no entry": good[:4],
        "half the maps": good[:2],
        "nothing": b"",
        "two leaves claimed, one there": struct.pack(">HH", 0xFFFF, bit) + leaf,
    }
    for what, preimage in crafted.items():
        for claim in (b"v", None):
            assert not check_proof(_root_of(preimage), key, claim, StateProof((preimage,))), what


def test_a_leaf_read_as_a_node_or_a_node_as_a_leaf_is_refused() -> None:
    key = KEYS[0]
    bit = 1 << int(_nibbles(key)[0], 16)
    leaf = digest(tag("state-key"), key) + digest(tag("state-value"), b"v")
    as_node = struct.pack(">HH", bit, 0) + leaf[:32]
    assert not check_proof(_root_of(as_node), key, b"v", StateProof((as_node,)))
    assert not check_proof(_root_of(as_node), key, None, StateProof((as_node,)))
    below = struct.pack(">HH", 0, 0)
    two = struct.pack(">HH", bit, bit) + leaf[:32] + _root_of(below)
    for claim in (b"v", None):
        assert not check_proof(_root_of(two), key, claim, StateProof((two, below)))


def test_a_leaf_at_a_place_where_its_key_cannot_be_shows_no_absence() -> None:
    """Another key's leaf in this key's slot counts only when that key really shares the path."""
    key = CROWDED[0]
    bit = 1 << int(_nibbles(key)[0], 16)
    for other, accepted in ((CROWDED[1], True), (DEEP[0], False)):
        leaf = digest(tag("state-key"), other) + digest(tag("state-value"), b"v")
        node = struct.pack(">HH", bit, bit) + leaf
        assert check_proof(_root_of(node), key, None, StateProof((node,))) is accepted


def test_a_leaf_bit_alone_is_no_child_node() -> None:
    key = KEYS[0]
    first, second = (1 << int(digit, 16) for digit in _nibbles(key)[:2])
    leaf = digest(tag("state-key"), key) + digest(tag("state-value"), b"v")
    below = struct.pack(">HH", second, second) + leaf
    for maps, accepted in (((first, 0), True), ((0, first), False)):
        above = struct.pack(">HH", *maps) + _root_of(below)
        assert check_proof(_root_of(above), key, b"v", StateProof((above, below))) is accepted


def test_a_path_is_at_most_as_long_as_a_key_hash() -> None:
    key = KEYS[0]
    nodes = [bytes(4)]  # an empty slot below the last nibble but one
    for digit in reversed(_nibbles(key)[:63]):
        nodes.insert(0, struct.pack(">HH", 1 << int(digit, 16), 0) + _root_of(nodes[0]))
    root = _root_of(nodes[0])
    assert len(nodes) == 64
    assert check_proof(root, key, None, StateProof(tuple(nodes)))
    assert not check_proof(root, key, None, StateProof((*nodes, bytes(4))))
    nodes.insert(0, struct.pack(">HH", 1 << int(_nibbles(key)[0], 16), 0) + root)
    assert not check_proof(_root_of(nodes[0]), key, None, StateProof(tuple(nodes)))
    assert not check_proof(EMPTY.hash, key, None, StateProof(()))


@given(st.binary(max_size=200), st.lists(st.binary(max_size=80), max_size=4), st.none() | st.binary(max_size=4))
def test_checking_never_raises(key: bytes, nodes: list[bytes], value: bytes | None) -> None:
    assert not check_proof(Digest(bytes(32)), key, value, StateProof(tuple(nodes)))


@given(states, st.sampled_from([*KEYS, b"absent"]))
def test_proofs_survive_their_json_form(state: dict[bytes, bytes], key: bytes) -> None:
    rows = StoredTrie()
    rows.write(state)
    proof = rows.prove(key)
    assert parse_proof(proof.to_json()) == proof
    assert check_proof(rows.root.hash, key, state.get(key), proof)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"nodes": []},
        {"nodes": "00"},
        {"nodes": [0]},
        {"nodes": ["0"]},
        {"nodes": ["AA"]},
        {"nodes": ["00"] * 65},
        {"nodes": ["00" * 1029]},
        {"nodes": ["00"], "root": "00"},
    ],
)
def test_malformed_proofs_are_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_proof(value)  # type: ignore[arg-type]
