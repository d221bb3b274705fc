"""Databases as the formats before this one have them: the same rows but for those of bodies, and of the state trie."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import zstandard

from ledger.crypto import digest, tag
from ledger.encoding import encode
from ledger.primitives import successor
from node.ports import Store
from node.storage import keys
from node.storage.opening import check_identity
from node.storage.state_rows import CurrentState

Leaf = tuple[bytes, bytes]


def make_format_3(store: Store) -> None:
    """Store the bodies of blocks, and of candidates, as they are, and say that this is format 3."""
    chain, _ = check_identity(store, None)
    rows = {key: zstandard.decompress(row) for key, row in store.range(b"b", b"c")}
    store.write(rows | {keys.FORMAT: encode({"chain": chain.hex(), "format": 3})}, sync=True)


def make_format_2(store: Store) -> None:
    """Make format 3 of it, then put every node of the newest trie into a row of its own, and say that this is format 2.

    The rows are those of one update at the tip, with what it made stale: nothing, but for a row that is listed and was
    there, as every database has some.
    """
    chain, _ = check_identity(store, None)
    make_format_3(store)
    height = keys.unpack_height(store.get(keys.TIP) or b"")
    rows = {
        keys.trie_node(height, path): row for path, row in _rows(dict(CurrentState(store).range(b"", b"\xff")), height)
    }
    old = {key for prefix in (b"g", b"t", b"u") for key, _ in store.range(prefix, successor(prefix))}
    stale = struct.pack(">Q", 0)
    rows[b"t" + stale] = rows[keys.trie_node(height, b"")]
    rows[keys.stale_nodes(height)] = struct.pack(">I", len(stale)) + stale
    rows[keys.trie_version(height)] = keys.pack_height(height)
    rows[keys.FORMAT] = encode({"chain": chain.hex(), "format": 2})
    store.write(rows, frozenset(old - rows.keys()), sync=True)


def _rows(state: Mapping[bytes, bytes], version: int) -> Iterator[tuple[bytes, bytes]]:
    leaves = sorted((digest(tag("state-key"), key), digest(tag("state-value"), value)) for key, value in state.items())
    found: list[tuple[bytes, bytes]] = []

    def node(below: list[Leaf], path: bytes) -> bytes:
        """The hash of the node; its row is among those found."""
        occupied = single = 0
        entries = places = b""
        for slot in range(16):
            group = [leaf for leaf in below if int(leaf[0].hex()[len(path)], 16) == slot]
            occupied |= bool(group) << slot
            if len(group) == 1:
                single |= 1 << slot
                entries += b"".join(group[0])
            elif group:
                entries += node(group, path + bytes((slot,)))
                places += struct.pack(">Q", version)
        preimage = struct.pack(">HH", occupied, single) + entries
        found.append((path, preimage + places))
        return digest(tag("state-node"), preimage)

    node([(bytes(key), bytes(value)) for key, value in leaves], b"")
    yield from found
