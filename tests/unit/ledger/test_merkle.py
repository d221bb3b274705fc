"""The log against the recursive definitions of RFC 6962, word for word, and proofs against an attacker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import (
    EMPTY_FRONTIER,
    EMPTY_ROOT,
    Frontier,
    HashReader,
    check_consistency,
    check_inclusion,
    frontier_at,
    leaf_hash,
    leaf_hashes,
    node_hash,
    node_hashes,
    perfect_subtrees,
    prove_consistency,
    prove_inclusion,
    root_at,
)
from ledger.primitives import Digest

SIZE = 40
ENTRIES = [b"entry %d" % number for number in range(SIZE)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(count: int) -> int:
    """k of RFC 6962 section 2.1: the largest power of two smaller than n."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def mth(entries: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1."""
    if not entries:
        return sha256(b"")
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0])
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:]))


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def reader_of(leaves: Sequence[Digest]) -> HashReader:
    """What storage keeps: every perfect subtree, as it became full."""
    kept = {(level, index): item for level, index, item in perfect_subtrees(EMPTY_FRONTIER, leaves)}
    return lambda level, index: kept[level, index]


READER = reader_of(LEAVES)
ROOTS = [Digest(mth(ENTRIES[:size])) for size in range(SIZE + 1)]

sizes = st.integers(0, SIZE)


@pytest.mark.parametrize("pairs", [0, 1, 2, 20])
def test_the_hashes_one_level_up_are_those_of_each_pair(pairs: int) -> None:
    row = LEAVES[: 2 * pairs]
    one_by_one = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    assert node_hashes(b"".join(row)) == b"".join(one_by_one)


def test_domain_separation() -> None:
    assert leaf_hash(b"x") == sha256(b"\x00x")
    assert leaf_hashes([b"x", b""]) == [leaf_hash(b"x"), leaf_hash(b"")]
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert node_hash(left, right) == sha256(b"\x01" + left + right)
    assert leaf_hash(left + right) != node_hash(left, right), "a node is not the leaf of its children's hashes"
    assert Digest(sha256(b"")) == EMPTY_ROOT == EMPTY_FRONTIER.root()


def test_the_test_vectors_of_certificate_transparency() -> None:
    """The eight entries and roots that implementations of RFC 6962 share (google/certificate-transparency)."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in entries]
    assert EMPTY_FRONTIER.append(leaves[:1]).root().hex().startswith("6e340b9cffb37a98")
    assert (
        EMPTY_FRONTIER.append(leaves).root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    )


@given(sizes, sizes)
def test_appending_in_any_pieces_gives_the_root_of_the_definition(first: int, second: int) -> None:
    start, end = sorted((first, second))
    frontier = EMPTY_FRONTIER.append(LEAVES[:start]).append(LEAVES[start:end])
    assert frontier == EMPTY_FRONTIER.append(LEAVES[:end]) == frontier_at(end, READER)
    assert frontier.size == end
    assert len(frontier.hashes) == end.bit_count()
    assert frontier.root() == root_at(end, READER) == ROOTS[end]


@given(sizes, sizes)
def test_each_perfect_subtree_is_reported_once_when_it_fills(first: int, second: int) -> None:
    start, end = sorted((first, second))
    subtrees = perfect_subtrees(EMPTY_FRONTIER.append(LEAVES[:start]), LEAVES[start:end])
    expected = {
        (level, index): mth(ENTRIES[index << level : (index + 1) << level])
        for level in range(SIZE.bit_length())
        for index in range(start >> level, end >> level)
    }
    assert {(level, index): item for level, index, item in subtrees} == expected
    assert len(subtrees) == len(expected)


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_inclusion_path_is_the_one_of_the_definition_and_verifies(size: int) -> None:
    for index in range(size):
        proof = prove_inclusion(index, size, READER)
        assert list(proof) == path(index, ENTRIES[:size])
        assert check_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("new", range(SIZE + 1))
def test_every_consistency_proof_is_the_one_of_the_definition_and_verifies(new: int) -> None:
    for old in range(new + 1):
        proof = prove_consistency(old, new, READER)
        assert list(proof) == (subproof(old, ENTRIES[:new], True) if 0 < old < new else [])
        assert check_consistency(old, new, ROOTS[old], ROOTS[new], proof)


# ---- the attacker


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 16, 29])
def test_an_inclusion_path_proves_one_leaf_at_one_index_of_one_tree(size: int) -> None:
    for index in range(size):
        proof = prove_inclusion(index, size, READER)
        for other in range(size):
            if other != index:
                assert not check_inclusion(LEAVES[index], other, size, proof, ROOTS[size])
                assert not check_inclusion(LEAVES[other], index, size, proof, ROOTS[size])
        assert not check_inclusion(LEAVES[index], index, size, proof, ROOTS[size + 1])
        for out_of_range in (-1, size, size + 1, 2**64):
            assert not check_inclusion(LEAVES[index], out_of_range, size, proof, ROOTS[size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 16, 29])
def test_no_altered_inclusion_path_is_accepted(size: int) -> None:
    for index in range(size):
        proof = prove_inclusion(index, size, READER)
        altered = [proof[:count] for count in range(len(proof))]
        altered += [(*proof, LEAVES[0]), (LEAVES[0], *proof), (*proof, Digest(b""))]
        if proof[::-1] != proof:
            altered.append(proof[::-1])
        for position in range(len(proof)):
            altered.append((*proof[:position], Digest(bytes(32)), *proof[position + 1 :]))
        for candidate in altered:
            assert not check_inclusion(LEAVES[index], index, size, candidate, ROOTS[size])


def test_an_inner_node_is_not_accepted_as_a_leaf_of_a_smaller_tree() -> None:
    """Whoever claims another tree size may make the path of an inner node fit; headers bind size and root together."""
    inner = node_hash(LEAVES[0], LEAVES[1])
    assert not check_inclusion(inner, 0, 4, (node_hash(LEAVES[2], LEAVES[3]),), ROOTS[4])
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != inner


def test_a_path_that_fits_the_root_but_not_the_size_is_refused() -> None:
    """A verifier that only recomputed the root would accept these."""
    assert not check_inclusion(LEAVES[1], 0, 1, (LEAVES[0],), ROOTS[2])
    assert not check_inclusion(LEAVES[0], 0, 1, prove_inclusion(0, 2, READER), ROOTS[2])
    assert not check_inclusion(LEAVES[0], 0, 8, prove_inclusion(0, 4, READER), ROOTS[4])
    assert not check_consistency(2, 8, ROOTS[2], ROOTS[4], prove_consistency(2, 4, READER))
    longer = (LEAVES[1], node_hash(LEAVES[2], LEAVES[3]))
    assert check_consistency(1, 4, ROOTS[1], ROOTS[4], longer)
    assert not check_consistency(1, 2, ROOTS[1], ROOTS[4], longer)


@pytest.mark.parametrize("new", [2, 3, 7, 8, 11, 16, 29])
def test_no_altered_consistency_proof_is_accepted(new: int) -> None:
    for old in range(1, new):
        proof = prove_consistency(old, new, READER)
        good = (old, new, ROOTS[old], ROOTS[new])
        altered = [proof[:count] for count in range(len(proof))]
        altered += [(*proof, LEAVES[0]), (LEAVES[0], *proof)]
        for position in range(len(proof)):
            altered.append((*proof[:position], Digest(bytes(32)), *proof[position + 1 :]))
        for candidate in altered:
            assert not check_consistency(*good, candidate)
        assert not check_consistency(old, new, ROOTS[old + 1], ROOTS[new], proof)
        assert not check_consistency(old, new, ROOTS[old], ROOTS[new + 1], proof)
        assert not check_consistency(new, old, ROOTS[new], ROOTS[old], proof)


def test_consistency_of_empty_and_equal_trees_needs_an_empty_path() -> None:
    assert check_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    assert check_consistency(0, 5, EMPTY_ROOT, ROOTS[5], ())
    assert not check_consistency(0, 5, ROOTS[1], ROOTS[5], ())
    assert not check_consistency(0, 5, EMPTY_ROOT, ROOTS[5], (LEAVES[0],))
    assert check_consistency(5, 5, ROOTS[5], ROOTS[5], ())
    assert not check_consistency(5, 5, ROOTS[5], ROOTS[6], ())
    assert not check_consistency(5, 5, ROOTS[5], ROOTS[5], (LEAVES[0],))
    assert not check_consistency(-1, 5, EMPTY_ROOT, ROOTS[5], ())


@given(
    st.integers(-3, 2**70),
    st.integers(-3, 2**70),
    st.lists(st.binary(max_size=33).map(Digest), max_size=80),
)
def test_checking_never_raises_and_never_believes_noise(first: int, second: int, proof: list[Digest]) -> None:
    nothing = Digest(bytes(32))
    assert not check_inclusion(LEAVES[0], first, second, proof, nothing)
    if first != second:
        assert not check_consistency(first, second, LEAVES[0], nothing, proof)


def test_a_frontier_knows_its_size_from_the_bits() -> None:
    frontier = EMPTY_FRONTIER.append(LEAVES[:13])
    assert frontier == Frontier(13, (Digest(mth(ENTRIES[:8])), Digest(mth(ENTRIES[8:12])), Digest(mth(ENTRIES[12:13]))))
