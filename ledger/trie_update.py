"""One update of the state trie in the making: the rows that its writes touch, read once and written anew.

`ledger.trie_nodes` has the bytes. What is deleted is rare, so only what is put has a short way.
"""

from __future__ import annotations

from hashlib import sha256

from ledger.limits import PAGE_LEAVES_MAX, PAGE_SPLICES_MAX
from ledger.primitives import DIGEST_BYTES
from ledger.trie_nodes import (
    BELOW,
    CHILD_BYTES,
    LEAF_AT,
    LEAF_BYTES,
    MAPS,
    NIBBLE,
    NO_ENTRY,
    NODE_AT,
    NODE_TAG,
    VERSION,
    Leaf,
    NodeReader,
    Subtree,
    by_slot,
    count_leaves,
    fits_a_page,
    leaf_of,
    leaves_of_page,
    make_tree,
    node_map,
    preimage_bytes,
    put_into_page,
    read_row,
    skip_trees,
)


class Update:
    """It walks the sorted writes and the rows they touch once, from the root down.

    This is the hot path of a block's state root, so rows are spliced as bytes and never taken apart into objects.
    Near the root, where many writes share a branch, `_into_branch` deals them out to its children; once a write is
    alone below a branch, as nearly all are after a few levels, `_follow` takes it down and up again in two loops.

    Each method returns what the subtree now is, or None where nothing changed. The row in it is not among `new_nodes`
    yet: that is for the parent to say, which takes it into its own where it has become a page.
    """

    __slots__ = ("_packed_version", "_read", "new_nodes", "stale")

    def __init__(self, version: int, read: NodeReader) -> None:
        self._packed_version = VERSION.pack(version)
        self._read = read
        self.new_nodes: list[tuple[bytes, bytes]] = []
        self.stale: list[tuple[int, bytes]] = []

    def descend(self, version: int, depth: int, items: list[Leaf]) -> Subtree | None:
        """Apply `items` (not empty, sorted, sharing `depth` nibbles) to the node at (version, those nibbles)."""
        path = items[0][0][:depth]
        row = read_row(self._read, version, path)
        if row[-1]:
            changed = self._into_page(row, depth, items)
        elif len(items) == 1 and items[0][1]:
            return self._follow(row, version, path, items)
        else:
            changed = self._into_branch(row, depth, items)
        if changed is not None:
            self.stale.append((version, path))
        return changed

    def into_leaves(self, leaves: list[Leaf], depth: int, items: list[Leaf]) -> Subtree | None:
        """Apply `items` where the subtree had so few `leaves`, none among them, that they are at hand."""
        merged = dict(leaves)
        for nibbles, leaf in items:
            if leaf:
                merged[nibbles] = leaf
            else:
                merged.pop(nibbles, None)
        changed = sorted(merged.items())
        return None if changed == leaves else self._build(changed, depth)

    def _follow(self, row: bytes, version: int, path: bytes, items: list[Leaf]) -> Subtree | None:
        """`descend` for one item that deletes nothing, into a branch: down while its path leads through branches, and
        up again."""
        nibbles, depth = items[0][0], len(path)
        read, unpack_maps, unpack_version = self._read, MAPS.unpack_from, VERSION.unpack_from
        steps = []
        while not row[-1]:
            (maps,) = unpack_maps(row)
            slot = nibbles[depth]
            if maps & LEAF_AT[slot] != NODE_AT[slot]:
                break
            below = BELOW[slot]
            start = 4 + 32 * (maps & below).bit_count()
            end = 4 + 32 * maps.bit_count()
            at = end + 9 * (maps >> 16 & ~maps & below).bit_count()
            steps.append((version, path, row, start, end, at))
            (version,) = unpack_version(row, at + 1)
            depth += 1
            path = nibbles[:depth]
            row = read_row(read, version, path)
        changed = self._into_page(row, depth, items) if row[-1] else self._into_branch(row, depth, items)
        if changed is None:
            return None
        entry, child = changed
        self.stale.append((version, path))
        for version, above, row, start, end, at in reversed(steps):
            self.new_nodes.append((path, child))
            preimage = row[:start] + entry + row[start + 32 : end]
            entry = sha256(NODE_TAG + preimage).digest()
            child = preimage + row[end:at] + child[-1:] + self._packed_version + row[at + 9 :]
            path = above
            self.stale.append((version, path))
        return entry, child

    def _into_page(self, page: bytes, depth: int, items: list[Leaf]) -> Subtree | None:
        """Apply `items` to the page of a node at `depth`."""
        if len(items) == 1 and items[0][1]:
            changed = put_into_page(page, depth, *items[0])
        elif len(items) > PAGE_SPLICES_MAX or any(not leaf for _, leaf in items):
            return self.into_leaves(leaves_of_page(page), depth, items)
        else:
            changed = None
            for nibbles, leaf in items:
                changed = put_into_page(changed[1] if changed else page, depth, nibbles, leaf) or changed
        if changed is not None and changed[1][-1] > PAGE_LEAVES_MAX:
            return changed[0], self._split(changed[1], items[0][0][:depth])
        return changed

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
                children.append(child[-1:] + self._packed_version)
        return b"".join(children) + b"\0"

    def _into_branch(self, branch: bytes, depth: int, items: list[Leaf]) -> Subtree | None:
        """Apply `items` (not empty, sorted, sharing `depth` nibbles) to the branch of a node."""
        path, row = items[0][0][:depth], bytearray(branch)
        rows: dict[bytes, bytes] = {}  # of the child nodes that changed, by their paths
        (maps,) = MAPS.unpack_from(row)
        for slot, group in by_slot(items, depth):
            present, below = maps & LEAF_AT[slot], BELOW[slot]
            start = 4 + 32 * (maps & below).bit_count()
            at = 4 + 32 * maps.bit_count() + 9 * (maps >> 16 & ~maps & below).bit_count()
            if present == NODE_AT[slot]:
                (version,) = VERSION.unpack_from(row, at + 1)
                changed = self.descend(version, depth + 1, group)
            elif present:
                leaf = leaf_of(bytes(row[start : start + LEAF_BYTES]))
                changed = self.into_leaves([leaf], depth + 1, group)
            else:
                changed = self.into_leaves([], depth + 1, group)
            if changed is None:
                continue
            entry, child = changed
            # from behind, so that the places before stay what they are
            row[at : at + 9 if present == NODE_AT[slot] else at] = child[-1:] + self._packed_version if child else b""
            row[start : start + 32 * present.bit_count()] = entry
            if child:
                rows[path + NIBBLE[slot]] = child
            wanted = (NODE_AT[slot] if child else LEAF_AT[slot]) if entry else 0
            if wanted != present:
                maps ^= present ^ wanted
                MAPS.pack_into(row, 0, maps)
        if row == branch:
            return None
        changed_row = bytes(row)
        if fits_a_page(changed_row):
            return self._build(self._leaves_below(changed_row, path, rows), depth)
        self.new_nodes += rows.items()
        return sha256(NODE_TAG + changed_row[: preimage_bytes(maps)]).digest(), changed_row

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
                    (version,) = VERSION.unpack_from(row, at + 1)
                    rows[below] = read_row(self._read, version, below)
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
                children.append(child[-1:] + self._packed_version)
            maps |= NODE_AT[slot] if child else LEAF_AT[slot]
        entries[0] = MAPS.pack(maps)
        preimage = b"".join(entries)
        return sha256(NODE_TAG + preimage).digest(), preimage + b"".join(children) + b"\0"
