"""A damaged database that was set aside: what is taken over from it, and the blocks that are whole in it. [safety]

Where rows that cannot be fetched are damaged (state, indexes, the database's own files), the whole database is made
anew: it begins at genesis, and every block is verified, executed and appended like any other. The old database is only
another place to get blocks from, and is believed no more than a peer.

What no peer has is taken over as it is, or not at all: the vote state with all that it promises to hold, what this node
found out, why it must be silent, what it cosigned last; and the height of the newest block, up to which the node may
have voted, so that it votes for nothing there again (amendment A4b). If any row of that cannot be read, or its checksum
is wrong, nothing is made anew, and a person has to decide.
"""

from __future__ import annotations

from ledger.block import block_hash, parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.errors import LedgerError
from ledger.primitives import successor
from node.ports import Reader
from node.storage import keys
from node.storage.bodies import body_keys, read_stored_body
from node.storage.errors import DamagedError, StorageError
from node.storage.promises import read_promises

_TAKEN_OVER = (b"e", b"p", b"y")
"""The first bytes of the keys of all rows that this node alone has (`node.storage.keys`)."""


class Archive:
    """The certified blocks of a database that was set aside, up to `height`, as far as they can be read."""

    def __init__(self, store: Reader) -> None:
        """Raises `DamagedError` when not even its height can be read."""
        self._store = store
        row = store.get(keys.TIP)
        if row is None:
            raise DamagedError("the database that was set aside has no chain")
        self.height = keys.unpack_height(row)

    def block(self, height: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """The encoded commit record and the envelopes of a block, unverified; None when they cannot be read."""
        try:
            record = self._store.get(keys.record(height))
            if record is None:
                return None
            header_bytes = decode_commit_record(record).header
            count = parse_header(header_bytes).transaction_count
            return record, read_stored_body(self._store, height, block_hash(header_bytes), count)
        except (StorageError, LedgerError):
            return None  # peers have it


def rows_to_take_over(store: Reader) -> dict[bytes, bytes]:
    """Every row that no peer has, and how far the chain was. Raises `DamagedError` when one of them cannot be read."""
    rows: dict[bytes, bytes] = {}
    for prefix in _TAKEN_OVER:
        rows.update(store.range(prefix, successor(prefix)))
    heights = {keys.parse_promise(key)[0] for key in rows if key.startswith(b"p")}
    for height in sorted(heights):
        for candidate in read_promises(store, height).candidates:
            for key in body_keys(store, height, candidate.block_hash):
                row = store.get(key)
                if row is None:
                    raise DamagedError(f"a part of the body of a candidate at height {height} is missing")
                rows[key] = row
    newest = [row for row in (store.get(keys.TIP), rows.get(keys.HEIGHT_BEFORE_REBUILD)) if row is not None]
    if not newest:
        raise DamagedError("the database has a chain, but no tip")
    rows[keys.HEIGHT_BEFORE_REBUILD] = max(newest)
    return rows
