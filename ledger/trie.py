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

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ledger.crypto import digest, tag
from ledger.encoding import Json, expect_fields, expect_list
from ledger.errors import MalformedError, VerificationError
from ledger.primitives import DIGEST_BYTES, Digest, parse_hex

_KEY_TAG = tag("state-key")
_VALUE_TAG = tag("state-value")
_NODE_TAG = tag("state-node")

_MAPS = struct.Struct(">HH")
_VERSION = struct.Struct(">Q")
_NODE_ENTRY_BYTES = DIGEST_BYTES
_LEAF_ENTRY_BYTES = 2 * DIGEST_BYTES
_NO_ENTRY = b""
_EMPTY_ROW = _MAPS.pack(0, 0)
_NIBBLE = tuple(bytes((nibble,)) for nibble in range(16))
_FROM_HEX_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))

DEPTH_MAX = 2 * DIGEST_BYTES
"""The number of nibbles of a key hash, and so of nodes on a path."""

PREIMAGE_BYTES_MAX = _MAPS.size + 16 * _LEAF_ENTRY_BYTES
"""The longest preimage: sixteen leaves."""

NodeReader: TypeAlias = Callable[[int, bytes], bytes | None]
"""(version, path) -> the row written there, or None; rows come from `TrieChange.new_nodes`."""


@dataclass(frozen=True, slots=True)
class TrieRoot:
    """Where a trie starts: the version (height) whose update wrote its root row, and the hash that headers carry."""

    version: int
    hash: Digest


EMPTY = TrieRoot(0, digest(_NODE_TAG, _EMPTY_ROW))
"""The trie without keys. It has no row."""


@dataclass(frozen=True, slots=True)
class TrieChange:
    """What `update` did: the new root, the rows to store under (version, path), and the (version, path) of the rows
    that the new root no longer reaches, to delete once no proof is wanted from before."""

    root: TrieRoot
    new_nodes: tuple[tuple[bytes, bytes], ...]
    stale: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class StateProof:
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

    `version` is above that of every row so far; rows are read through `read`, each at most once. Nodes that come out
    the same are not written again. Raises `VerificationError` when a row is missing.
    """
    items = sorted(_item(key, value) for key, value in writes.items())
    change = _Change(version, read)
    row = _EMPTY_ROW if root.hash == EMPTY.hash else change.read_row(root.version, b"")
    entry = change.rewrite(row, root.hash, b"", items)
    if entry == root.hash:
        return TrieChange(root, (), ())
    if root.hash != EMPTY.hash:
        change.stale.append((root.version, b""))
    new_root = EMPTY if entry == EMPTY.hash else TrieRoot(version, Digest(entry))
    return TrieChange(new_root, tuple(change.new_nodes), tuple(change.stale))


def prove(root: TrieRoot, key: bytes, read: NodeReader) -> StateProof:
    """The proof of `key`'s value, or of its absence, under `root`. Raises `VerificationError` when a row is missing."""
    if root.hash == EMPTY.hash:
        return StateProof((_EMPTY_ROW,))
    nibbles = _nibbles(digest(_KEY_TAG, key))
    nodes = []
    version = root.version
    for depth in range(DEPTH_MAX):
        row = _read_row(read, version, nibbles[:depth])
        occupied, leaves = _MAPS.unpack_from(row)
        end = _entries_end(occupied, leaves)
        nodes.append(row[:end])
        bit = 1 << nibbles[depth]
        if not occupied & ~leaves & bit:
            break
        (version,) = _VERSION.unpack_from(row, end + _version_offset(occupied, leaves, bit))
    return StateProof(tuple(nodes))


def check_proof(state_root: Digest, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether `proof` proves that the state under `state_root` holds `value` for `key` (None: nothing for it).

    Never raises, whatever the proof contains.
    """
    key_hash = digest(_KEY_TAG, key)
    nibbles = _nibbles(key_hash)
    expected: bytes = state_root
    for depth, preimage in enumerate(proof.nodes):
        if depth == DEPTH_MAX or digest(_NODE_TAG, preimage) != expected:
            return False
        entry = _entry_of_preimage(preimage, nibbles[depth])
        if entry is None:
            return False
        if len(entry) == _NODE_ENTRY_BYTES:
            expected = entry
            continue
        if depth != len(proof.nodes) - 1:
            return False
        if entry[:DIGEST_BYTES] == key_hash:
            return value is not None and entry[DIGEST_BYTES:] == digest(_VALUE_TAG, value)
        # Another key's leaf proves absence only where it shares the path: else it does not belong in this node.
        stranger = entry == _NO_ENTRY or _nibbles(entry[:DIGEST_BYTES])[: depth + 1] == nibbles[: depth + 1]
        return value is None and stranger
    return False


_Item: TypeAlias = tuple[bytes, bytes]
"""(nibbles of the key hash, leaf entry to write, or `_NO_ENTRY` to delete)."""


class _Change:
    """One update in the making: it walks the sorted writes and the rows they touch once, from the root down."""

    __slots__ = ("_packed_version", "_read", "new_nodes", "stale")

    def __init__(self, version: int, read: NodeReader) -> None:
        self._packed_version = _VERSION.pack(version)
        self._read = read
        self.new_nodes: list[tuple[bytes, bytes]] = []
        self.stale: list[tuple[int, bytes]] = []

    def read_row(self, version: int, path: bytes) -> bytes:
        """The row at (version, path), which must be there."""
        return _read_row(self._read, version, path)

    def rewrite(self, row: bytes, old_entry: bytes, path: bytes, items: list[_Item]) -> bytes:
        """Apply `items` (not empty, sorted, all below `path`) to the node of `row`; the entry that its parent now has.

        `old_entry` is what the parent had. The new entry is the hash of the node, or the leaf it collapsed into, or
        nothing; when it differs from `old_entry`, what was to be stored is in `new_nodes`.
        """
        occupied, leaves = _MAPS.unpack_from(row)
        end = _entries_end(occupied, leaves)
        entries, versions = bytearray(row[_MAPS.size : end]), bytearray(row[end:])
        depth, changed = len(path), False
        first, last = 0, len(items)
        while first < last:
            slot = items[first][0][depth]
            stop = first + 1
            while stop < last and items[stop][0][depth] == slot:
                stop += 1
            bit = 1 << slot
            start = _entry_offset(occupied, leaves, bit)
            version_start = _version_offset(occupied, leaves, bit)
            if leaves & bit:
                old = bytes(entries[start : start + _LEAF_ENTRY_BYTES])
                new = self._into_leaf(old, path + _NIBBLE[slot], items[first:stop])
            elif occupied & bit:
                old = bytes(entries[start : start + _NODE_ENTRY_BYTES])
                (version,) = _VERSION.unpack_from(versions, version_start)
                new = self._into_node(old, version, path + _NIBBLE[slot], items[first:stop])
            else:
                old = _NO_ENTRY
                new = self._into_nothing(path + _NIBBLE[slot], items[first:stop])
            first = stop
            if new == old:
                continue
            changed = True
            entries[start : start + len(old)] = new
            old_version_bytes = _VERSION.size if len(old) == _NODE_ENTRY_BYTES else 0
            new_version = self._packed_version if len(new) == _NODE_ENTRY_BYTES else b""
            versions[version_start : version_start + old_version_bytes] = new_version
            occupied = occupied | bit if new else occupied & ~bit
            leaves = leaves | bit if len(new) == _LEAF_ENTRY_BYTES else leaves & ~bit
        if not changed:
            return old_entry
        if path and leaves == occupied and len(entries) <= _LEAF_ENTRY_BYTES:
            return bytes(entries)  # one leaf is left, or nothing: it stands in the parent
        preimage = _MAPS.pack(occupied, leaves) + entries
        if occupied:
            self.new_nodes.append((path, bytes(preimage + versions)))
        return hashlib.sha256(_NODE_TAG + preimage).digest()

    def _into_leaf(self, leaf: bytes, path: bytes, items: list[_Item]) -> bytes:
        """Apply `items` where the subtree at `path` is one leaf."""
        nibbles = _nibbles(leaf[:DIGEST_BYTES])
        if all(item[0] != nibbles for item in items):
            items = sorted([*items, (nibbles, leaf)])
        return self._into_nothing(path, items)

    def _into_nothing(self, path: bytes, items: list[_Item]) -> bytes:
        """Apply `items` where the subtree at `path` is empty."""
        if len(items) == 1:
            return items[0][1]
        return self.rewrite(_EMPTY_ROW, _NO_ENTRY, path, items)

    def _into_node(self, old: bytes, version: int, path: bytes, items: list[_Item]) -> bytes:
        """Apply `items` to the child node at (version, path), whose hash was `old`."""
        new = self.rewrite(self.read_row(version, path), old, path, items)
        if new != old:
            self.stale.append((version, path))
        return new


def _item(key: bytes, value: bytes | None) -> _Item:
    """The place of `key` and the leaf entry that `value` makes of it."""
    key_hash = digest(_KEY_TAG, key)
    return _nibbles(key_hash), _NO_ENTRY if value is None else key_hash + digest(_VALUE_TAG, value)


def _nibbles(key_hash: bytes) -> bytes:
    """The 64 nibbles of a key hash, one byte (0..15) each, highest first."""
    return key_hash.hex().encode("ascii").translate(_FROM_HEX_DIGITS)


def _read_row(read: NodeReader, version: int, path: bytes) -> bytes:
    """The row at (version, path). Raises `VerificationError` when it is missing."""
    row = read(version, path)
    if row is None:
        raise VerificationError(f"the state trie has no node of version {version} at path {path.hex()[1::2]!r}")
    return row


def _entry_offset(occupied: int, leaves: int, bit: int) -> int:
    """Where the entry of `bit` starts (or would) among the entries."""
    below = bit - 1
    return _NODE_ENTRY_BYTES * ((occupied & below).bit_count() + (leaves & below).bit_count())


def _version_offset(occupied: int, leaves: int, bit: int) -> int:
    """Where the version of the child node of `bit` starts (or would) among the versions."""
    return _VERSION.size * (occupied & ~leaves & (bit - 1)).bit_count()


def _entries_end(occupied: int, leaves: int) -> int:
    """The length of the preimage with these maps."""
    return _MAPS.size + _NODE_ENTRY_BYTES * (occupied.bit_count() + leaves.bit_count())


def _entry_of_preimage(preimage: bytes, slot: int) -> bytes | None:
    """The entry of `slot` in a preimage from a proof (empty when there is none), or None when it is no preimage."""
    if len(preimage) < _MAPS.size:
        return None
    occupied, leaves = _MAPS.unpack_from(preimage)
    if leaves & ~occupied or len(preimage) != _entries_end(occupied, leaves):
        return None
    bit = 1 << slot
    if not occupied & bit:
        return _NO_ENTRY
    start = _MAPS.size + _entry_offset(occupied, leaves, bit)
    return preimage[start : start + (_LEAF_ENTRY_BYTES if leaves & bit else _NODE_ENTRY_BYTES)]
