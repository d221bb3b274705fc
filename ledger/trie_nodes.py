"""The nodes of the state trie as bytes: what is hashed, and the rows that they are stored in.

**Preimages.** `ledger.trie` says what the children of a node are. Its hash is `digest(tag("state-node"), preimage)`:

    preimage = occupied (u16) | leaves (u16) | one entry per set bit of `occupied`, lowest bit first
    entry    = key hash (32) | value hash (32)  where the bit in `leaves` is set, else  node hash (32)

Bit i stands for nibble i, and `leaves` is a subset of `occupied`, so the two maps fix the length and the meaning of
all that follows: no two nodes share a preimage, and neither a leaf nor a node can be read as the other. Leaves
have no hash of their own (they are part of the node), which saves a hash per key written.

**Rows.** A node with at most PAGE_LEAVES_MAX leaves below it is stored with all of them in one row, a *page*. Any other
is a *branch*: its row has it alone, and each of its child nodes has a row. The last byte of a row says what it is.

    page   = tree | number of leaves (u8, above 0)
    tree   = preimage | the tree of each child node, in the order of the entries
    branch = preimage | for each child node, in the order of the entries: last byte of its row (u8), version (u64) | 0

So which rows there are, and what is in them but for versions, follows from the set of keys and values. `version` is
that of the update that wrote the child's row, which is found under (version, path); it is not hashed. `path` has one
byte (0..15) per nibble from the root. The root has a row whatever it is, unless the trie is empty.

Why pages: without them a trie of a million keys has 360,000 rows, four in five of them nodes of two or three leaves,
each with a key and a place in a cache that is as large as itself. Pages make it 70,000, which fit into 96 MiB, and a
key that is touched is two rows and 2.0 kB to write, instead of 2.8 rows and 1.4 kB. How full pages are repeats with
every sixteenfold number of keys, so no bound is best for all. What a touched key writes, and the memory for all rows:

    keys          0.3 million      1 million        2 million        3.5 million
    16 leaves     1.2 kB,  39 MiB  1.7 kB, 125 MiB  1.7 kB, 322 MiB  1.8 kB, 507 MiB
    32 leaves     1.2 kB,  39 MiB  2.0 kB,  91 MiB  2.4 kB, 232 MiB  1.8 kB, 507 MiB
    64 leaves     1.6 kB,  36 MiB  2.0 kB,  91 MiB  3.2 kB, 167 MiB  4.6 kB, 293 MiB

Where the rows do not fit into memory, reading them from the database is most of what an update costs.
"""

from __future__ import annotations

import struct
from binascii import hexlify
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NoReturn, TypeAlias

from ledger.crypto import tag
from ledger.errors import VerificationError
from ledger.limits import PAGE_LEAVES_MAX, PAGE_SPLICES_MAX
from ledger.primitives import DIGEST_BYTES

DEPTH_MAX = 2 * DIGEST_BYTES
"""The number of nibbles of a key hash, and so of nodes on a path."""

NODE_TAG = tag("state-node")
MAPS = struct.Struct(">I")
_OCCUPIED_LEAVES = struct.Struct(">HH")
ENTRY = struct.Struct(f"{DIGEST_BYTES}s")
"""The entry of a node. Packed into a row it takes a third of the time that the same takes with a slice."""

PLACE = struct.Struct(">BQ")
CHILD_BYTES = PLACE.size
"""What a branch has of each child node behind its preimage: the last byte of its row, and the version."""

assert PAGE_LEAVES_MAX + PAGE_SPLICES_MAX <= 0xFF, "the last byte of a row counts its leaves"

LEAF_BYTES = 2 * DIGEST_BYTES
_LEAF = struct.Struct(f"{LEAF_BYTES}s")
NO_ENTRY = b""
EMPTY_PREIMAGE = MAPS.pack(0)
PREIMAGE_BYTES_MAX = MAPS.size + 16 * LEAF_BYTES
"""The longest preimage: sixteen leaves."""

# Both maps are handled as one integer, occupied << 16 | leaves: a node has one bit in it and 32 bytes of entry, a leaf
# two bits and 64 bytes, so that the place of an entry is one count of the bits below its slot in both maps.
NODE_AT = tuple(0x10000 << slot for slot in range(16))
LEAF_AT = tuple(0x10001 << slot for slot in range(16))
BELOW = tuple(((1 << slot) - 1) * 0x10001 for slot in range(16))
NIBBLE = tuple(bytes((nibble,)) for nibble in range(16))
_FROM_HEX_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))

NodeReader: TypeAlias = Callable[[int, bytes], bytes | None]
"""(version, path) -> the row written there, or None; rows come from `ledger.trie.TrieChange.new_nodes`."""

Leaf: TypeAlias = tuple[bytes, bytes]
"""(nibbles of the key hash, leaf entry); in what is to be written, `NO_ENTRY` deletes."""

Subtree: TypeAlias = tuple[bytes, bytes]
"""(entry that the parent gets, row, which is empty where the entry is a leaf or nothing)."""


def nibbles_of(key_hash: bytes) -> bytes:
    """The 64 nibbles of a key hash, one byte (0..15) each, highest first."""
    return hexlify(key_hash).translate(_FROM_HEX_DIGITS)


def leaf_of(entry: bytes) -> Leaf:
    """The leaf with this entry."""
    return nibbles_of(entry[:DIGEST_BYTES]), entry


def missing(version: int, path: bytes) -> NoReturn:
    """Raise the `VerificationError` for a row that is not there."""
    raise VerificationError(f"the state trie lacks the node of version {version} at path {path.hex()[1::2]!r}")


def leaf_at(row: bytearray, maps: int, slot: int) -> list[Leaf]:
    """The leaf at `slot` of a branch that has no node there, if there is one."""
    if not maps & LEAF_AT[slot]:
        return []
    start = MAPS.size + DIGEST_BYTES * (maps & BELOW[slot]).bit_count()
    return [leaf_of(bytes(row[start : start + LEAF_BYTES]))]


def node_map(maps: int) -> int:
    """The map (16 bits) of the children that are nodes: occupied and no leaf."""
    return maps >> 16 & ~maps


def preimage_bytes(maps: int) -> int:
    """The length of a preimage with these maps."""
    return MAPS.size + DIGEST_BYTES * maps.bit_count()


def child_node_at(maps: int, slot: int) -> tuple[int, int] | None:
    """Where the row of a branch with these maps has the entry of the node at `slot`, and what says where its row is;
    None when no node is there."""
    nodes = maps >> 16 & ~maps
    if not nodes >> slot & 1:
        return None
    start = MAPS.size + DIGEST_BYTES * (maps & BELOW[slot]).bit_count()
    at = preimage_bytes(maps) + CHILD_BYTES * (nodes & BELOW[slot]).bit_count()
    return start, at


FULL = 0xFFFF0000
"""The maps of a node with sixteen nodes below it, as nearly all branches are that writes touch in a large state."""

FULL_NODES_AT = tuple(child_node_at(FULL, slot) for slot in range(16))
"""`child_node_at` of each slot of such a branch."""


def entry_of(preimage: bytes, slot: int) -> bytes | None:
    """The entry of `slot` in `preimage` (empty when there is none), or None when this is no preimage of a node."""
    if len(preimage) < MAPS.size:
        return None
    (maps,) = MAPS.unpack_from(preimage)
    if maps & 0xFFFF & ~(maps >> 16) or len(preimage) != preimage_bytes(maps):
        return None
    start = MAPS.size + DIGEST_BYTES * (maps & BELOW[slot]).bit_count()
    return preimage[start : start + DIGEST_BYTES * (maps & LEAF_AT[slot]).bit_count()]


def by_slot(leaves: list[Leaf], depth: int) -> Iterator[tuple[int, list[Leaf]]]:
    """`leaves` (sorted, sharing `depth` nibbles) by their next nibble, in order."""
    first, count = 0, len(leaves)
    while first < count:
        slot, stop = leaves[first][0][depth], first + 1
        while stop < count and leaves[stop][0][depth] == slot:
            stop += 1
        yield slot, leaves[first:stop]
        first = stop


def skip_trees(page: bytes, at: int, count: int) -> int:
    """Where the `count` trees end that start at `at` in `page`."""
    while count:
        occupied, leaves = _OCCUPIED_LEAVES.unpack_from(page, at)
        children, alone = occupied.bit_count(), leaves.bit_count()
        at += 4 + 32 * (children + alone)
        count += children - alone - 1
    return at


def count_leaves(page: bytes, at: int, end: int) -> int:
    """How many leaves the trees between `at` and `end` in `page` have."""
    leaves = 0
    while at < end:
        (maps,) = MAPS.unpack_from(page, at)
        leaves += (maps & 0xFFFF).bit_count()
        at += 4 + 32 * maps.bit_count()
    return leaves


def make_tree(leaves: list[Leaf], depth: int) -> tuple[bytes, bytes]:
    """The hash and the tree of the node with `leaves` (sorted, sharing `depth` nibbles)."""
    maps, entries, trees = 0, [b""], []
    for slot, group in by_slot(leaves, depth):
        if len(group) == 1:
            maps |= LEAF_AT[slot]
            entries.append(group[0][1])
        else:
            entry, tree = make_tree(group, depth + 1)
            maps |= NODE_AT[slot]
            entries.append(entry)
            trees.append(tree)
    entries[0] = MAPS.pack(maps)
    preimage = b"".join(entries)
    return sha256(NODE_TAG + preimage).digest(), preimage + b"".join(trees)


def put_into_page(page: bytes, depth: int, nibbles: bytes, leaf: bytes) -> Subtree | None:
    """`page`, of a node at `depth`, with `leaf` in it, or None where it is there already.

    This is where nearly every write ends, so bytes are spliced. The row may have more leaves than a page can have: one
    for each time that what came out is put in again, PAGE_SPLICES_MAX at most, which its last byte can count.
    """
    above = []  # of each node on the path: where it starts, where the entry on the path does, and where it ends
    at = 0
    for slot in nibbles[depth:]:
        (maps,) = MAPS.unpack_from(page, at)
        below, end = BELOW[slot], at + 4 + 32 * maps.bit_count()
        start = at + 4 + 32 * (maps & below).bit_count()
        present = maps >> slot & 0x10001
        if present != 0x10000:  # no node
            break
        above.append((at, start, end))
        at = skip_trees(page, end, (maps >> 16 & ~maps & below).bit_count())
    else:
        raise IndexError("below the last nibble there is no node")
    row = bytearray(page)
    if not present:
        MAPS.pack_into(row, at, maps | LEAF_AT[slot])
        row[start:start] = leaf
        end += LEAF_BYTES
        row[-1] += 1
    elif (old := page[start : start + 64]) == leaf:
        return None
    elif leaf.startswith(old[:32]):
        _LEAF.pack_into(row, start, leaf)
    else:
        entry, tree = make_tree(sorted([leaf_of(old), (nibbles, leaf)]), depth + len(above) + 1)
        after = skip_trees(page, end, (maps >> 16 & ~maps & below).bit_count())
        row[after:after] = tree
        row[start : start + 64] = entry
        MAPS.pack_into(row, at, maps ^ 1 << slot)
        end -= DIGEST_BYTES
        row[-1] += 1
    entry = sha256(NODE_TAG + row[at:end]).digest()
    for at, start, end in reversed(above):
        ENTRY.pack_into(row, start, entry)
        entry = sha256(NODE_TAG + row[at:end]).digest()
    return entry, bytes(row)


def leaves_of_page(page: bytes) -> list[Leaf]:
    """The leaves of a page, sorted."""
    leaves, at, nodes = [], 0, 1
    while nodes:
        (maps,) = MAPS.unpack_from(page, at)
        start = at + MAPS.size
        for slot in range(16):
            present = maps & LEAF_AT[slot]
            if present == LEAF_AT[slot]:
                leaves.append(leaf_of(page[start : start + LEAF_BYTES]))
            start += DIGEST_BYTES * present.bit_count()
        nodes += node_map(maps).bit_count() - 1
        at = start
    leaves.sort()
    return leaves


def fits_a_page(branch: bytes) -> bool:
    """Whether the leaves below the node of this row are no more than a page may have: then it must not be a branch."""
    (maps,) = MAPS.unpack_from(branch)
    pages = branch[preimage_bytes(maps) : -1 : CHILD_BYTES]
    return 0 not in pages and (maps & 0xFFFF).bit_count() + sum(pages) <= PAGE_LEAVES_MAX


def is_row(row: bytes) -> bool:
    """Whether `row` has the form of a row, so that it can be followed. No hash is looked at."""
    end = len(row) - 1
    at = leaves = 0
    nodes = 1
    while nodes:
        if end < at + 4:
            return False
        maps: int = MAPS.unpack_from(row, at)[0]
        if maps & 0xFFFF & ~(maps >> 16):
            return False
        at += 4 + 32 * maps.bit_count()
        below = node_map(maps).bit_count()
        if not row[-1]:
            return at + CHILD_BYTES * below == end
        nodes += below - 1
        leaves += (maps & 0xFFFF).bit_count()
    return at == end and leaves == row[-1]


def page_has_hash(page: bytes, expected: bytes) -> bool:
    """Whether `page` is one, of the node with this hash, whatever bytes it consists of."""
    at, leaves, hashes = 0, 0, [expected]
    while hashes:
        if len(page) < at + MAPS.size:
            return False
        (maps,) = MAPS.unpack_from(page, at)
        preimage = page[at : at + preimage_bytes(maps)]
        if sha256(NODE_TAG + preimage).digest() != hashes.pop():
            return False
        leaves += (maps & 0xFFFF).bit_count()
        at += len(preimage)
        nodes = [entry_of(preimage, slot) for slot in range(16) if node_map(maps) >> slot & 1]
        hashes += [entry or NO_ENTRY for entry in reversed(nodes)]
    return leaves == page[-1] <= PAGE_LEAVES_MAX and at == len(page) - 1
