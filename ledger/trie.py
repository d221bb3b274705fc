"""The state root: a 16-ary sparse Merkle trie over hashed state keys, and proofs from it (design section 5).

**Shape.** A state key stands at the 64 nibbles of its key hash, `digest(tag("state-key"), key)`. A node has up to 16
children, one per next nibble; a child is empty, a *leaf* (key hash, value hash), or a *node*. A subtree with one
leaf is that leaf: it stands in the shallowest node in which it is alone below its nibble. So no node but the root
has fewer than two leaves below it, and the shape follows from the set of keys, whatever the order of writes.

**Bytes.** What is hashed, `digest(tag("state-node"), preimage)`, is

    occupied (u16) | leaves (u16) | one entry per set bit of `occupied`, lowest bit first
    entry = key hash (32) | value hash (32)  where the bit in `leaves` is set, else  node hash (32)

Bit i stands for nibble i, and `leaves` is a subset of `occupied`, so the two maps fix the length and the meaning of
all that follows: no two nodes share a preimage, and neither a leaf nor a node can be read as the other. Leaves
have no hash of their own (they are part of the node), which saves a hash per key written. A *row*, as stored, is the
preimage and then, for each child node in the same order, the version (u64) that wrote it: the row is found under
(version, path), and the version is not hashed. `path` has one byte (0..15) per nibble from the root.

The root is a node even when it has one leaf, and the empty trie is the node without children: `EMPTY`.

**Proofs.** A proof is the preimages on the path of a key, root first. The verifier hashes the first against the
state root, follows the key's nibble, and demands that each next one hashes to the entry it came from. The path
must end, in the last preimage and nowhere before, at a leaf with the key's hash (membership), or at an empty
slot or a leaf with another key's hash (absence). All maps and siblings are below a hash, so that nothing in a proof
is the prover's choice but where it stops.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TypeAlias

from msgspec import Struct

from ledger.crypto import digest, tag
from ledger.encoding import Json, expect_fields, expect_list
from ledger.errors import MalformedError, VerificationError
from ledger.primitives import DIGEST_BYTES, Digest, parse_hex

_KEY_TAG = tag("state-key")
_VALUE_TAG = tag("state-value")
_NODE_TAG = tag("state-node")

_MAPS = struct.Struct(">I")
_VERSION = struct.Struct(">Q")
_LEAF_BYTES = 2 * DIGEST_BYTES
_NO_ENTRY = b""
_EMPTY_ROW = _MAPS.pack(0)

# Both maps are handled as one integer, occupied << 16 | leaves: a node has one bit in it and 32 bytes of entry, a leaf
# two bits and 64 bytes, so that the place of an entry is one count of the bits below its slot in both maps.
_NODE_AT = tuple(0x10000 << slot for slot in range(16))
_LEAF_AT = tuple(0x10001 << slot for slot in range(16))
_BELOW = tuple(((1 << slot) - 1) * 0x10001 for slot in range(16))
_NIBBLE = tuple(bytes((nibble,)) for nibble in range(16))
_FROM_HEX_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))

DEPTH_MAX = 2 * DIGEST_BYTES
"""The number of nibbles of a key hash, and so of nodes on a path."""

PREIMAGE_BYTES_MAX = _MAPS.size + 16 * _LEAF_BYTES
"""The longest preimage: sixteen leaves."""

NodeReader: TypeAlias = Callable[[int, bytes], bytes | None]
"""(version, path) -> the row written there, or None; rows come from `TrieChange.new_nodes`."""


class TrieRoot(Struct, frozen=True):
    """Where a trie starts: the version (height) whose update wrote its root row, and the hash that headers carry."""

    version: int
    hash: Digest


EMPTY = TrieRoot(0, digest(_NODE_TAG, _EMPTY_ROW))
"""The trie without keys. It has no row."""


class TrieChange(Struct, frozen=True):
    """What `update` did: the new root, the rows to store under (version, path), and the (version, path) of the rows
    that the new root no longer reaches, to delete once no proof is wanted from before."""

    root: TrieRoot
    new_nodes: tuple[tuple[bytes, bytes], ...]
    stale: tuple[tuple[int, bytes], ...]


class StateProof(Struct, frozen=True):
    """The preimages of the nodes on a key's path, root first; never empty."""

    nodes: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        """`{"nodes": [hex, ...]}`."""
        return {"nodes": [node.hex() for node in self.nodes]}


def parse_proof(value: Json) -> StateProof:
    """A proof from its JSON form, bounded in depth and size. Raises `MalformedError`."""
    fields = expect_fields(value, what="state proof", required=frozenset({"nodes"}))
    texts = expect_list(fields["nodes"], what="state proof nodes", items_max=DEPTH_MAX, items_min=1)
    nodes = []
    for text in texts:
        if not isinstance(text, str) or len(text) > 2 * PREIMAGE_BYTES_MAX:
            raise MalformedError(f"a state proof node must be the hex of at most {PREIMAGE_BYTES_MAX} bytes")
        nodes.append(parse_hex(text, size=len(text) // 2, what="state proof node"))
    return StateProof(tuple(nodes))


def update(root: TrieRoot, writes: Mapping[bytes, bytes | None], version: int, read: NodeReader) -> TrieChange:
    """The trie after `writes` (None deletes; deleting what is not there changes nothing).

    `version` is above that of every row so far. Each row touched is read once, and written unless it came out the
    same. Raises `VerificationError` when a row is missing.
    """
    if not writes:
        return TrieChange(root, (), ())
    items = sorted([_item(key, value) for key, value in writes.items()])
    change = _Change(version, read)
    if root.hash == EMPTY.hash:
        root_hash = change.rewrite(_EMPTY_ROW, 0, items)
    else:
        root_hash = change.descend(root.version, 0, items)
    if root_hash is None:
        return TrieChange(root, (), ())
    new_root = EMPTY if root_hash == EMPTY.hash else TrieRoot(version, Digest(root_hash))
    return TrieChange(new_root, tuple(change.new_nodes), tuple(change.stale))


def prove(root: TrieRoot, key: bytes, read: NodeReader) -> StateProof:
    """The proof of `key`'s value, or of its absence, under `root`. Raises `VerificationError` when a row is missing."""
    if root.hash == EMPTY.hash:
        return StateProof((_EMPTY_ROW,))
    nibbles = _nibbles(digest(_KEY_TAG, key))
    nodes: list[bytes] = []
    version = root.version
    for depth, slot in enumerate(nibbles):
        row = _read_row(read, version, nibbles[:depth])
        (maps,) = _MAPS.unpack_from(row)
        nodes.append(row[: _versions_start(maps)])
        if maps & _LEAF_AT[slot] != _NODE_AT[slot]:
            break
        (version,) = _VERSION.unpack_from(row, _version_at(maps, slot))
    return StateProof(tuple(nodes))


def check_proof(state_root: Digest, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether `proof` proves that the state under `state_root` holds `value` for `key` (None: nothing for it).

    Never raises, whatever the proof contains.
    """
    key_hash = digest(_KEY_TAG, key)
    nibbles = _nibbles(key_hash)
    if len(proof.nodes) > DEPTH_MAX:
        return False
    expected: bytes = state_root
    for slot, preimage in zip(nibbles, proof.nodes, strict=False):
        entry = _entry_of(preimage, slot)
        if digest(_NODE_TAG, preimage) != expected or entry is None:
            return False  # not the node that the path leads to; below a leaf or nothing there is none
        expected = entry
    if expected == _NO_ENTRY:
        return value is None
    if len(expected) != _LEAF_BYTES:
        return False  # the path stops at a node: what is below it is not shown
    if expected[:DIGEST_BYTES] == key_hash:
        return value is not None and expected[DIGEST_BYTES:] == digest(_VALUE_TAG, value)
    # Another key's leaf shows absence only where that key shares the path; elsewhere it has no business.
    depth = len(proof.nodes)
    return value is None and _nibbles(expected[:DIGEST_BYTES])[:depth] == nibbles[:depth]


_Item: TypeAlias = tuple[bytes, bytes]
"""(nibbles of the key hash, leaf entry to write, or `_NO_ENTRY` to delete)."""


class _Change:
    """One update in the making: it walks the sorted writes and the rows they touch once, from the root down.

    This is the hot path of a block's state root, so rows are spliced as bytes and never taken apart into objects.
    Near the root, where many writes share a node, `_rewrite` deals them out to its children; once a write is alone
    below a node, as nearly all are after a few levels, `_follow` takes it down and up again in two loops.
    Each returns the entry that the parent now has: the hash of the node, or the leaf it collapsed into, or nothing;
    or None where nothing changed.
    """

    __slots__ = ("_packed_version", "_read", "new_nodes", "stale")

    def __init__(self, version: int, read: NodeReader) -> None:
        self._packed_version = _VERSION.pack(version)
        self._read = read
        self.new_nodes: list[tuple[bytes, bytes]] = []
        self.stale: list[tuple[int, bytes]] = []

    def descend(self, version: int, depth: int, items: list[_Item]) -> bytes | None:
        """Apply `items` (not empty, sorted, sharing `depth` nibbles) to the node at (version, those nibbles)."""
        if len(items) == 1:
            return self._follow(version, depth, items)
        path = items[0][0][:depth]
        entry = self.rewrite(_read_row(self._read, version, path), depth, items)
        if entry is not None:
            self.stale.append((version, path))
        return entry

    def _follow(self, version: int, depth: int, items: list[_Item]) -> bytes | None:
        """`descend` for one item: down while its path leads through nodes, and up again."""
        ((nibbles, leaf),) = items
        read, unpack_maps, unpack_version = self._read, _MAPS.unpack_from, _VERSION.unpack_from
        steps = []  # of each node: what stays of it when the entry on the path is replaced by one of the same size
        while True:
            path = nibbles[:depth]
            row = _read_row(read, version, path)
            (maps,) = unpack_maps(row)
            slot = nibbles[depth]
            below = _BELOW[slot]
            start = 4 + 32 * (maps & below).bit_count()
            end = 4 + 32 * maps.bit_count()
            present = maps & _LEAF_AT[slot]
            if present != _NODE_AT[slot]:
                break
            at = end + 8 * (maps >> 16 & ~maps & below).bit_count()
            versions = row[end:at] + self._packed_version + row[at + 8 :]
            steps.append((version, path, row, row[:start], row[start + 32 : end], versions))
            (version,) = unpack_version(row, at)
            depth += 1
        entry = leaf
        if leaf == row[start : start + 32 * present.bit_count()]:
            return None  # what is there already, or nothing where there is nothing
        if not present:
            maps |= _LEAF_AT[slot]
            steps.append((version, path, row, _MAPS.pack(maps) + row[4:start], row[start:end], row[end:]))
        elif leaf[:32] == row[start : start + 32]:
            steps.append((version, path, row, row[:start], row[start + 64 : end], row[end:]))
        else:
            changed = self.rewrite(row, depth, items)
            if changed is None:
                return None
            entry = changed
            self.stale.append((version, path))
            while steps and len(entry) != 32:  # the node collapsed, and perhaps those above it
                version, path, row, *_ = steps.pop()
                self.stale.append((version, path))
                entry = self._finish(self._reshape(row, nibbles[len(path)], entry), path)
        for version, path, _, before, after, versions in reversed(steps):
            preimage = before + entry + after
            entry = sha256(_NODE_TAG + preimage).digest()
            self.stale.append((version, path))
            self.new_nodes.append((path, preimage + versions))
        return entry

    def rewrite(self, row: bytes, depth: int, items: list[_Item]) -> bytes | None:
        """Apply `items` (not empty, sorted, sharing `depth` nibbles) to the node of `row`."""
        changed, first, count = False, 0, len(items)
        while first < count:
            slot, stop = items[first][0][depth], first + 1
            while stop < count and items[stop][0][depth] == slot:
                stop += 1
            group = items[first:stop]
            first = stop
            (maps,) = _MAPS.unpack_from(row)
            start = _MAPS.size + DIGEST_BYTES * (maps & _BELOW[slot]).bit_count()
            present = maps & _LEAF_AT[slot]
            if present == _NODE_AT[slot]:
                at = _version_at(maps, slot)
                (version,) = _VERSION.unpack_from(row, at)
                entry = self.descend(version, depth + 1, group)
                if entry is not None and len(entry) == DIGEST_BYTES:
                    middle = row[start + DIGEST_BYTES : at] + self._packed_version
                    row = row[:start] + entry + middle + row[at + _VERSION.size :]
                    changed = True
                    continue
            elif present:
                entry = self._into_leaf(row[start : start + _LEAF_BYTES], depth + 1, group)
            else:
                entry = self._into_nothing(depth + 1, group)
            if entry is not None:
                row = self._reshape(row, slot, entry)
                changed = True
        return self._finish(row, items[0][0][:depth]) if changed else None

    def _into_leaf(self, leaf: bytes, depth: int, items: list[_Item]) -> bytes | None:
        """Apply `items` where the subtree was one leaf."""
        nibbles = _nibbles(leaf[:DIGEST_BYTES])
        if all(item[0] != nibbles for item in items):
            items = sorted([*items, (nibbles, leaf)])
        entry = self._into_nothing(depth, items) or _NO_ENTRY
        return None if entry == leaf else entry

    def _into_nothing(self, depth: int, items: list[_Item]) -> bytes | None:
        """Apply `items` where the subtree was empty."""
        if len(items) == 1:
            return items[0][1] or None
        return self.rewrite(_EMPTY_ROW, depth, items)

    def _reshape(self, row: bytes, slot: int, entry: bytes) -> bytes:
        """`row` once the entry of `slot` is `entry`, which may be of another kind than it was."""
        (maps,) = _MAPS.unpack_from(row)
        present = maps & _LEAF_AT[slot]
        start = _MAPS.size + DIGEST_BYTES * (maps & _BELOW[slot]).bit_count()
        stop = start + DIGEST_BYTES * present.bit_count()
        at = _version_at(maps, slot)
        after = at + (_VERSION.size if present == _NODE_AT[slot] else 0)
        version = self._packed_version if len(entry) == DIGEST_BYTES else b""
        maps &= ~_LEAF_AT[slot]
        if entry:
            maps |= _LEAF_AT[slot] if len(entry) == _LEAF_BYTES else _NODE_AT[slot]
        return _MAPS.pack(maps) + row[_MAPS.size : start] + entry + row[stop:at] + version + row[after:]

    def _finish(self, row: bytes, path: bytes) -> bytes:
        """Record the new `row` of the node at `path`, unless it collapses; the entry that its parent gets."""
        (maps,) = _MAPS.unpack_from(row)
        if path and maps.bit_count() <= 2 and not _nodes(maps):
            return row[_MAPS.size :]  # one leaf is left, or nothing: it stands in the parent
        if maps:
            self.new_nodes.append((path, row))
        return sha256(_NODE_TAG + row[: _versions_start(maps)]).digest()


def count_keys(root: TrieRoot, read: NodeReader) -> int:
    """How many keys the trie under `root` has. Every row of it is read, and held against the hash that names it.

    Raises `VerificationError` for a row that is missing, or another one.
    """
    count, below = 0, [(root.version, b"", bytes(root.hash))] if root.hash != EMPTY.hash else []
    while below:
        version, path, expected = below.pop()
        row = _read_row(read, version, path)
        maps = _MAPS.unpack_from(row)[0] if len(row) >= _MAPS.size else 0
        preimage, versions = row[: _versions_start(maps)], row[_versions_start(maps) :]
        nodes = [slot for slot in range(16) if _nodes(maps) >> slot & 1]
        if digest(_NODE_TAG, preimage) != expected or len(versions) != _VERSION.size * len(nodes):
            raise VerificationError(f"the state trie has another node at path {path.hex()[1::2]!r} than it should")
        count += (maps & 0xFFFF).bit_count()
        for slot, (child,) in zip(nodes, _VERSION.iter_unpack(versions), strict=True):
            entry = _entry_of(preimage, slot)
            assert entry is not None, "its hash is that of a node"
            below.append((child, path + _NIBBLE[slot], entry))
    return count


def _item(key: bytes, value: bytes | None) -> _Item:
    """The place of `key` and the leaf entry that `value` makes of it."""
    key_hash = sha256(_KEY_TAG + key).digest()
    return _nibbles(key_hash), _NO_ENTRY if value is None else key_hash + sha256(_VALUE_TAG + value).digest()


def _nibbles(key_hash: bytes) -> bytes:
    """The 64 nibbles of a key hash, one byte (0..15) each, highest first."""
    return key_hash.hex().encode("ascii").translate(_FROM_HEX_DIGITS)


def _read_row(read: NodeReader, version: int, path: bytes) -> bytes:
    """The row at (version, path). Raises `VerificationError` when it is missing."""
    row = read(version, path)
    if row is None:
        raise VerificationError(f"the state trie lacks the node of version {version} at path {path.hex()[1::2]!r}")
    return row


def _nodes(maps: int) -> int:
    """The map (16 bits) of the children that are nodes: occupied and no leaf."""
    return maps >> 16 & ~maps


def _versions_start(maps: int) -> int:
    """Where the preimage ends in a row with these maps, and the versions start."""
    return _MAPS.size + DIGEST_BYTES * maps.bit_count()


def _version_at(maps: int, slot: int) -> int:
    """Where the version of the node in `slot` stands (or would) in a row with these maps."""
    return _versions_start(maps) + _VERSION.size * (_nodes(maps) & _BELOW[slot]).bit_count()


def _entry_of(preimage: bytes, slot: int) -> bytes | None:
    """The entry of `slot` in `preimage` (empty when there is none), or None when this is no preimage of a node."""
    if len(preimage) < _MAPS.size:
        return None
    (maps,) = _MAPS.unpack_from(preimage)
    if maps & 0xFFFF & ~(maps >> 16) or len(preimage) != _versions_start(maps):
        return None
    start = _MAPS.size + DIGEST_BYTES * (maps & _BELOW[slot]).bit_count()
    return preimage[start : start + DIGEST_BYTES * (maps & _LEAF_AT[slot]).bit_count()]
