"""One update of the state trie in the making: the rows that its writes touch, read once and written anew.

`ledger.trie_nodes` has the bytes. What is deleted is rare, so only what is put has a short way. Of a million keys, each
that is written touches two rows, and is five hashes of 1.5 kB together. These are a fifth of what it costs; most of the
rest is the number of steps that Python takes.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import sha256

from ledger.limits import PAGE_LEAVES_MAX, PAGE_SPLICES_MAX
from ledger.primitives import DIGEST_BYTES
from ledger.trie_nodes import (
    BELOW,
    CHILD_BYTES,
    ENTRY,
    FULL,
    FULL_NODES_AT,
    LEAF_AT,
    LEAF_BYTES,
    MAPS,
    NIBBLE,
    NO_ENTRY,
    NODE_AT,
    NODE_TAG,
    PLACE,
    Leaf,
    NodeReader,
    Subtree,
    by_slot,
    child_node_at,
    count_leaves,
    fits_a_page,
    leaf_at,
    leaf_of,
    leaves_of_page,
    make_tree,
    missing,
    node_map,
    preimage_bytes,
    put_into_page,
    skip_trees,
)

_AFTER = bytes((16,))  # behind a path, it makes what sorts after all that is below the path, and before all else


class Update:
    """It takes the sorted writes down from the root, each row that they touch once, and up again.

    This is the hot path of a block's state root, so rows are spliced as bytes and never taken apart into objects. The
    writes below a node stand together among the sorted ones, from `first` to before `last`; these share as many nibbles
    as the node is deep, and are not empty.

    Each method returns what the subtree now is, or None where nothing changed. The row in it is not among `new_nodes`
    yet: that is for the parent to say, which takes it into its own where it has become a page. It may be a page with
    more leaves than a page may have, which the parent splits.
    """

    __slots__ = ("_deletes", "_leaves", "_nibbles", "_read", "_version", "new_nodes", "stale")

    def __init__(self, version: int, read: NodeReader, writes: dict[bytes, bytes]) -> None:
        """`writes` (not empty) are leaves by their nibbles; `NO_ENTRY` deletes."""
        self._version = version
        self._read = read
        self._leaves = writes
        self._nibbles = sorted(writes)
        self._deletes = NO_ENTRY in writes.values()
        self.new_nodes: list[tuple[bytes, bytes]] = []
        self.stale: list[tuple[int, bytes]] = []

    def into_trie(self, version: int) -> Subtree | None:
        """Apply all writes to the trie whose root row is of this version."""
        row, last = self._read(version, b"") or missing(version, b""), len(self._nibbles)
        changed = self._into_page(row, 0, 0, last) if row[-1] else self._into_branch(row, 0, 0, last)
        if changed is None:
            return None
        self.stale.append((version, b""))
        entry, row = changed
        return entry, self._split(row, b"") if row[-1] > PAGE_LEAVES_MAX else row

    def into_nothing(self) -> Subtree | None:
        """Apply all writes to the empty trie."""
        return self._into_leaves([], 0, 0, len(self._nibbles))

    def _into_branch(self, branch: bytes, depth: int, first: int, last: int) -> Subtree | None:
        """Apply writes to the branch of a node at `depth`."""
        row, older, below = bytearray(branch), len(self.new_nodes), depth + 1
        (maps,) = MAPS.unpack_from(branch)
        while first < last:
            nibbles = self._nibbles[first]
            slot, path, stop = nibbles[depth], nibbles[:below], first + 1
            if stop < last:
                stop = bisect_left(self._nibbles, path + _AFTER, stop, last)
            place = FULL_NODES_AT[slot] if maps == FULL else child_node_at(maps, slot)
            if place is None:
                changed = self._into_leaves(leaf_at(row, maps, slot), below, first, stop)
            else:
                start, at = place
                _, version = PLACE.unpack_from(row, at)
                old = self._read(version, path) or missing(version, path)
                if not old[-1]:
                    changed = self._into_branch(old, below, first, stop)
                elif stop - first == 1 and (leaf := self._leaves[nibbles]):
                    changed = put_into_page(old, below, nibbles, leaf)
                else:
                    changed = self._into_page(old, below, first, stop)
                if changed is not None:
                    self.stale.append((version, path))
            first = stop
            if changed is None:
                continue
            entry, child = changed
            if child:
                kind = child[-1]
                if kind > PAGE_LEAVES_MAX:
                    kind, child = 0, self._split(child, path)
                self.new_nodes.append((path, child))
                if place is not None:
                    ENTRY.pack_into(row, start, entry)
                    PLACE.pack_into(row, at, kind, self._version)
                    continue
            maps = self._put_other_kind(row, maps, slot, entry, child)
        if row == branch:
            return None
        changed_row = bytes(row)
        if self._deletes and fits_a_page(changed_row):
            # Then its children are pages, and no rows but theirs have been made meanwhile.
            rows = dict(self.new_nodes[older:])
            del self.new_nodes[older:]
            return self._build(self._leaves_below(changed_row, nibbles[:depth], rows), depth)
        return sha256(NODE_TAG + changed_row[: 4 + 32 * maps.bit_count()]).digest(), changed_row

    def _put_other_kind(self, row: bytearray, maps: int, slot: int, entry: bytes, child: bytes) -> int:
        """Put what is at `slot` of a branch now, where it is no node that takes the place of one; the new maps."""
        present, below = maps & LEAF_AT[slot], BELOW[slot]
        start = MAPS.size + DIGEST_BYTES * (maps & below).bit_count()
        at = preimage_bytes(maps) + CHILD_BYTES * (node_map(maps) & below).bit_count()
        end = at + CHILD_BYTES if present == NODE_AT[slot] else at
        # from behind, so that the places before stay what they are
        row[at:end] = PLACE.pack(child[-1], self._version) if child else b""
        row[start : start + DIGEST_BYTES * present.bit_count()] = entry
        maps ^= present ^ ((NODE_AT[slot] if child else LEAF_AT[slot]) if entry else 0)
        MAPS.pack_into(row, 0, maps)
        return maps

    def _into_page(self, page: bytes, depth: int, first: int, last: int) -> Subtree | None:
        """Apply writes to the page of a node at `depth`."""
        places = self._nibbles[first:last]
        if last - first > PAGE_SPLICES_MAX or (self._deletes and not all(map(self._leaves.get, places))):
            return self._into_leaves(leaves_of_page(page), depth, first, last)
        changed = None
        for nibbles in places:
            page = changed[1] if changed else page
            changed = put_into_page(page, depth, nibbles, self._leaves[nibbles]) or changed
        return changed

    def _into_leaves(self, leaves: list[Leaf], depth: int, first: int, last: int) -> Subtree | None:
        """Apply writes where the subtree had so few `leaves`, none among them, that they are at hand."""
        merged = dict(leaves)
        for nibbles in self._nibbles[first:last]:
            if leaf := self._leaves[nibbles]:
                merged[nibbles] = leaf
            else:
                merged.pop(nibbles, None)
        changed = sorted(merged.items())
        return None if changed == leaves else self._build(changed, depth)

    def _split(self, page: bytes, path: bytes) -> bytes:
        """The branch that a page with too many leaves becomes, once each of its trees has a row."""
        (maps,) = MAPS.unpack_from(page)
        at = end = preimage_bytes(maps)
        children = [page[:end]]
        for slot in range(16):
            if node_map(maps) >> slot & 1:
                first, at = at, skip_trees(page, at, 1)
                child = page[first:at] + bytes((count_leaves(page, first, at),))
                if child[-1] > PAGE_LEAVES_MAX:
                    child = self._split(child, path + NIBBLE[slot])
                self.new_nodes.append((path + NIBBLE[slot], child))
                children.append(PLACE.pack(child[-1], self._version))
        return b"".join(children) + b"\0"

    def _leaves_below(self, row: bytes, path: bytes, rows: dict[bytes, bytes]) -> list[Leaf]:
        """The leaves below a branch that fits a page; `rows` has those of its pages that are new, the others go."""
        (maps,) = MAPS.unpack_from(row)
        leaves, start, at = [], MAPS.size, preimage_bytes(maps)
        for slot in range(16):
            present, below = maps & LEAF_AT[slot], path + NIBBLE[slot]
            if present == LEAF_AT[slot]:
                leaves.append(leaf_of(row[start : start + LEAF_BYTES]))
            elif present == NODE_AT[slot]:
                if below not in rows:
                    _, version = PLACE.unpack_from(row, at)
                    rows[below] = self._read(version, below) or missing(version, below)
                    self.stale.append((version, below))
                leaves += leaves_of_page(rows[below])
                at += CHILD_BYTES
            start += DIGEST_BYTES * present.bit_count()
        return leaves

    def _build(self, leaves: list[Leaf], depth: int) -> Subtree:
        """The subtree of `leaves` (sorted, sharing `depth` nibbles), which has no rows yet."""
        if len(leaves) <= 1 and depth:
            return leaves[0][1] if leaves else NO_ENTRY, b""
        if len(leaves) <= PAGE_LEAVES_MAX:
            entry, tree = make_tree(leaves, depth)
            return entry, tree + bytes((len(leaves),))
        maps, entries, children = 0, [b""], []
        for slot, group in by_slot(leaves, depth):
            entry, child = self._build(group, depth + 1)
            entries.append(entry)
            if child:
                self.new_nodes.append((group[0][0][: depth + 1], child))
                children.append(PLACE.pack(child[-1], self._version))
            maps |= NODE_AT[slot] if child else LEAF_AT[slot]
        entries[0] = MAPS.pack(maps)
        preimage = b"".join(entries)
        return sha256(NODE_TAG + preimage).digest(), preimage + b"".join(children) + b"\0"
