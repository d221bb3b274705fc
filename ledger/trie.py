"""The state root: a 16-ary sparse Merkle trie over hashed state keys, and proofs from it (design section 5).

**Shape.** A state key stands at the 64 nibbles of its key hash, `digest(tag("state-key"), key)`. A node has up to 16
children, one per next nibble; a child is empty, a *leaf* (key hash, value hash), or a *node*. A subtree with one
leaf is that leaf: it stands in the shallowest node in which it is alone below its nibble. So no node but the root
has fewer than two leaves below it, and the shape follows from the set of keys, whatever the order of writes.

The root is a node even when it has one leaf, and the empty trie is the node without children: `EMPTY`.
`ledger.trie_nodes` has the bytes: what of a node is hashed, and the rows in which nodes are stored;
`ledger.trie_update` makes one trie of another.

**Proofs.** A proof is the preimages on the path of a key, root first. The verifier hashes the first against the
state root, follows the key's nibble, and demands that each next one hashes to the entry it came from. The path
must end, in the last preimage and nowhere before, at a leaf with the key's hash (membership), or at an empty
slot or a leaf with another key's hash (absence). All maps and siblings are below a hash, so that nothing in a proof
is the prover's choice but where it stops.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from hashlib import sha256

from msgspec import Struct

from ledger.crypto import digest, tag
from ledger.encoding import Json, expect_fields, expect_list
from ledger.errors import MalformedError, VerificationError
from ledger.primitives import DIGEST_BYTES, Digest, parse_hex
from ledger.trie_nodes import (
    BELOW,
    CHILD_BYTES,
    DEPTH_MAX,
    EMPTY_PREIMAGE,
    LEAF_AT,
    LEAF_BYTES,
    MAPS,
    NIBBLE,
    NO_ENTRY,
    NODE_AT,
    NODE_TAG,
    PLACE,
    PREIMAGE_BYTES_MAX,
    NodeReader,
    entry_of,
    fits_a_page,
    missing,
    nibbles_of,
    node_map,
    page_has_hash,
    preimage_bytes,
    skip_trees,
)
from ledger.trie_update import Update

_KEY_TAG = tag("state-key")
_VALUE_TAG = tag("state-value")
_NO_ROW = (struct.error, IndexError, ValueError)
"""What following a row raises that is of another form: rows are followed without a look at what they are, for speed."""


class TrieRoot(Struct, frozen=True):
    """Where a trie starts: the version (height) whose update wrote its root row, and the hash that headers carry."""

    version: int
    hash: Digest


EMPTY = TrieRoot(0, digest(NODE_TAG, EMPTY_PREIMAGE))
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

    `version` is above that of every row so far, or the same as the newest: then rows replace those of the same place,
    which `stale` names, too. Each row touched is read once, and written unless it came out the same; where so much is
    deleted that a branch becomes a page, the rows below it are read besides: up to 16, at each of its levels that does.
    Raises `VerificationError` when a row is missing, or none.
    """
    if not writes:
        return TrieChange(root, (), ())
    leaves = {}
    for key, value in writes.items():
        key_hash = sha256(_KEY_TAG + key).digest()
        leaf = NO_ENTRY if value is None else key_hash + sha256(_VALUE_TAG + value).digest()
        leaves[nibbles_of(key_hash)] = leaf
    making = Update(version, read, leaves)
    try:
        changed = making.into_nothing() if root.hash == EMPTY.hash else making.into_trie(root.version)
    except _NO_ROW as error:
        raise VerificationError(f"a row of the state trie of version {root.version} is none: {error}") from error
    if changed is None:
        return TrieChange(root, (), ())
    root_hash, row = changed
    new_root = EMPTY if root_hash == EMPTY.hash else TrieRoot(version, Digest(root_hash))
    if new_root is not EMPTY:
        making.new_nodes.append((b"", row))
    return TrieChange(new_root, tuple(making.new_nodes), tuple(making.stale))


def prove(root: TrieRoot, key: bytes, read: NodeReader) -> StateProof:
    """The proof of `key`'s value, or of its absence, under `root`. Raises `VerificationError` when a row is missing."""
    if root.hash == EMPTY.hash:
        return StateProof((EMPTY_PREIMAGE,))
    try:
        return StateProof(tuple(_nodes_on_path(root.version, nibbles_of(digest(_KEY_TAG, key)), read)))
    except _NO_ROW as error:
        raise VerificationError(f"a row of the state trie of version {root.version} is none: {error}") from error


def _nodes_on_path(version: int, nibbles: bytes, read: NodeReader) -> Iterator[bytes]:
    """The preimages from the root at `version` down."""
    row, at = read(version, b"") or missing(version, b""), 0
    for depth, slot in enumerate(nibbles, 1):
        (maps,) = MAPS.unpack_from(row, at)
        end = at + preimage_bytes(maps)
        yield row[at:end]
        if maps & LEAF_AT[slot] != NODE_AT[slot]:
            return
        before = (node_map(maps) & BELOW[slot]).bit_count()
        if row[-1]:
            at = skip_trees(row, end, before)
        else:
            _, version = PLACE.unpack_from(row, end + CHILD_BYTES * before)
            row, at = read(version, nibbles[:depth]) or missing(version, nibbles[:depth]), 0


def check_proof(state_root: Digest, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether `proof` proves that the state under `state_root` holds `value` for `key` (None: nothing for it).

    Never raises, whatever the proof contains.
    """
    key_hash = digest(_KEY_TAG, key)
    nibbles = nibbles_of(key_hash)
    if len(proof.nodes) > DEPTH_MAX:
        return False
    expected: bytes = state_root
    for slot, preimage in zip(nibbles, proof.nodes, strict=False):
        entry = entry_of(preimage, slot)
        if digest(NODE_TAG, preimage) != expected or entry is None:
            return False  # not the node that the path leads to; below a leaf or nothing there is none
        expected = entry
    if expected == NO_ENTRY:
        return value is None
    if len(expected) != LEAF_BYTES:
        return False  # the path stops at a node: what is below it is not shown
    if expected[:DIGEST_BYTES] == key_hash:
        return value is not None and expected[DIGEST_BYTES:] == digest(_VALUE_TAG, value)
    # Another key's leaf shows absence only where that key shares the path; elsewhere it has no business.
    depth = len(proof.nodes)
    return value is None and nibbles_of(expected[:DIGEST_BYTES])[:depth] == nibbles[:depth]


def count_keys(root: TrieRoot, read: NodeReader) -> int:
    """How many keys the trie under `root` has. Every row of it is read, and held against the hash that names it.

    Raises `VerificationError` for a row that is missing, or another one.
    """
    count, below = 0, [(root.version, b"", bytes(root.hash), b"")] if root.hash != EMPTY.hash else []
    while below:
        version, path, expected, last = below.pop()
        row = read(version, path) or missing(version, path)
        if row.endswith(last) and row[-1] and page_has_hash(row, expected):
            count += row[-1]
            continue
        (maps,) = MAPS.unpack_from(row) if len(row) > MAPS.size else (0,)
        end, nodes = preimage_bytes(maps), [slot for slot in range(16) if node_map(maps) >> slot & 1]
        whole = len(row) == end + CHILD_BYTES * len(nodes) + 1 and row.endswith(last) and not row[-1]
        if not whole or digest(NODE_TAG, row[:end]) != expected or fits_a_page(row):
            raise VerificationError(f"the state trie has another node at path {path.hex()[1::2]!r} than it should")
        count += (maps & 0xFFFF).bit_count()
        for number, slot in enumerate(nodes):
            entry, at = entry_of(row[:end], slot), end + CHILD_BYTES * number
            assert entry is not None, "its hash is that of a node"
            _, version = PLACE.unpack_from(row, at)
            below.append((version, path + NIBBLE[slot], entry, row[at : at + 1]))
    return count
