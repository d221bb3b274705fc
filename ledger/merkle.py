"""The log: one append-only Merkle tree over all transactions since genesis (RFC 6962 section 2.1).

A leaf is hashed as SHA-256(0x00 | entry), an inner node as SHA-256(0x01 | left | right); the two prefixes keep an
inner node from being passed off as an entry. This is the one place whose hashes carry no tag of ours: any
transparency-log tool must be able to recompute them. Everything here works on leaf *hashes*.

The tree over n leaves is a row of perfect subtrees, one per set bit of n, largest first, joined from the right:

    n = 6 = 0b110        root
                        /    \\
            (2,0) 4 leaves    (1,2) 2 leaves

A perfect subtree, named by (level, index) for leaves index*2^level .. (index+1)*2^level - 1, never changes once
it is full: storage keeps those, `Frontier` is the row of the present size, and every proof is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

from ledger.crypto import sha256
from ledger.primitives import DIGEST_BYTES, Digest

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves: SHA-256 of the empty string (RFC 6962 section 2.1)."""

HashReader: TypeAlias = Callable[[int, int], Digest]
"""(level, index) -> hash of that full perfect subtree; level 0 is the leaf hashes themselves."""

PerfectSubtree: TypeAlias = tuple[int, int, Digest]
"""(level, index, hash)."""


def leaf_hash(entry: bytes) -> Digest:
    """The hash of a log entry: SHA-256(0x00 | entry) (RFC 6962 section 2.1)."""
    return sha256(_LEAF_PREFIX + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[Digest]:
    """`leaf_hash` of each entry, with one call for all."""
    return [sha256(_LEAF_PREFIX + entry).digest() for entry in entries]


def node_hash(left: Digest, right: Digest) -> Digest:
    """The hash of an inner node: SHA-256(0x01 | left | right) (RFC 6962 section 2.1)."""
    return sha256(_NODE_PREFIX + left + right).digest()


def node_hashes(row: bytes) -> bytes:
    """The hashes one level up of an even number of neighbours, both concatenated."""
    size = 2 * DIGEST_BYTES
    # As many as a tile has hashes, for each step of a proof: this is `node_hash`, without a call for each.
    return b"".join([sha256(_NODE_PREFIX + row[pair : pair + size]).digest() for pair in range(0, len(row), size)])


class FilledLevel(Struct, frozen=True):
    """The perfect subtrees of one level that became full: their hashes in order, the first with index `start`."""

    level: int
    start: int
    hashes: tuple[Digest, ...]


class LogChange(Struct, frozen=True):
    """What appending did: the new frontier, and the subtrees that became full, from level 0 (the leaves) up."""

    frontier: Frontier
    levels: tuple[FilledLevel, ...]


class Frontier(Struct, frozen=True):
    """The tree of `size` leaves as the roots of its perfect subtrees, largest (leftmost) first.

    It is all that is needed to append and to know the root: one hash per set bit of `size`.
    """

    size: int
    hashes: tuple[Digest, ...]

    def extend(self, leaf_hashes: Sequence[Digest]) -> LogChange:
        """Append `leaf_hashes`; one pass per level, one hash per subtree that becomes full."""
        waiting = list(self.hashes)  # roots at the right edge, the smallest last
        levels: list[FilledLevel] = []
        edge: list[Digest] = []  # the new right edge, smallest first
        start, level, row = self.size, 0, list(leaf_hashes)
        end = self.size + len(row)
        while end:
            levels.append(FilledLevel(level, start, tuple(row)))
            if start & 1:
                row.insert(0, waiting.pop())
                start -= 1
            if end & 1:
                edge.append(row.pop())
            pairs = iter(row)
            # As many hashes as transactions: this is `node_hash`, without a call for each.
            joined = zip(pairs, pairs, strict=True)
            row = [sha256(_NODE_PREFIX + left + right).digest() for left, right in joined]
            start, end, level = start >> 1, end >> 1, level + 1
        return LogChange(Frontier(self.size + len(leaf_hashes), tuple(reversed(edge))), tuple(levels))

    def append(self, leaf_hashes: Sequence[Digest]) -> Frontier:
        """The frontier after `leaf_hashes` are appended."""
        return self.extend(leaf_hashes).frontier

    def root(self) -> Digest:
        """The Merkle tree hash (RFC 6962 section 2.1)."""
        return _join(self.hashes)


EMPTY_FRONTIER = Frontier(0, ())
"""The log before the first transaction."""


def perfect_subtrees(frontier: Frontier, leaf_hashes: Sequence[Digest]) -> tuple[PerfectSubtree, ...]:
    """The perfect subtrees, leaves included, that become full when `leaf_hashes` are appended to `frontier`."""
    return tuple(
        (filled.level, filled.start + offset, item)
        for filled in frontier.extend(leaf_hashes).levels
        for offset, item in enumerate(filled.hashes)
    )


def frontier_at(size: int, reader: HashReader) -> Frontier:
    """The frontier of the first `size` leaves."""
    return Frontier(size, tuple(reader(level, index) for level, index in _cover(0, size)))


def root_at(size: int, reader: HashReader) -> Digest:
    """The root over the first `size` leaves."""
    return frontier_at(size, reader).root()


def prove_inclusion(index: int, size: int, reader: HashReader) -> tuple[Digest, ...]:
    """The audit path of leaf `index` in the tree of `size` leaves, lowest sibling first (RFC 6962 section 2.1.1)."""
    assert 0 <= index < size
    path: list[Digest] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, reader))
            end = middle
        else:
            path.append(_range_root(start, middle, reader))
            start = middle
    return tuple(reversed(path))


def check_inclusion(leaf: Digest, index: int, size: int, path: Sequence[Digest], root: Digest) -> bool:
    """Whether `path` proves that `leaf` (a leaf hash) is number `index` of the `size` leaves under `root`.

    The algorithm of RFC 9162 section 2.1.3.2. Never raises for values of any size.
    """
    if not 0 <= index < size:
        return False
    position, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and current == root


def prove_consistency(old_size: int, new_size: int, reader: HashReader) -> tuple[Digest, ...]:
    """The proof that the first `old_size` leaves of the tree of `new_size` are the tree of `old_size`.

    RFC 6962 section 2.1.2; empty when the sizes are equal or the old tree is empty.
    """
    assert 0 <= old_size <= new_size
    if old_size in (0, new_size):
        return ()
    path: list[Digest] = []
    start, end = 0, new_size
    whole = True  # b of SUBPROOF: the old tree is the whole subtree, so its root is known to the verifier
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_range_root(middle, end, reader))
            end = middle
        else:
            path.append(_range_root(start, middle, reader))
            start = middle
            whole = False
    if not whole:
        path.append(_range_root(start, end, reader))
    return tuple(reversed(path))


def check_consistency(old_size: int, new_size: int, old_root: Digest, new_root: Digest, path: Sequence[Digest]) -> bool:
    """Whether `path` proves that the tree under `new_root` starts with all leaves of the one under `old_root`.

    The algorithm of RFC 9162 section 2.1.4.2, which is defined for 0 < old < new; equal sizes need equal roots, and
    the empty tree is a prefix of every tree, both with an empty path.
    """
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    hashes = list(path)
    if old_size & (old_size - 1) == 0:  # a power of two: the old root is itself the first node of the path
        hashes.insert(0, old_root)
    if not hashes:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_current = new_current = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_current = node_hash(sibling, old_current)
            new_current = node_hash(sibling, new_current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_current = node_hash(new_current, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old_current == old_root and new_current == new_root


def _split(count: int) -> int:
    """The largest power of two below `count` (> 1): k of RFC 6962 section 2.1."""
    return 1 << (count - 1).bit_length() - 1


def _cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees, left to right, whose leaves are start..end - 1; start is a multiple of the first one."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _join(hashes: Sequence[Digest]) -> Digest:
    """The root over perfect subtrees that stand side by side, joined from the right."""
    if not hashes:
        return EMPTY_ROOT
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current


def _range_root(start: int, end: int, reader: HashReader) -> Digest:
    """The root over leaves start..end - 1, a range that the recursion of RFC 6962 section 2.1 visits."""
    return _join([reader(level, index) for level, index in _cover(start, end)])
