"""Making a database of an older format into one of this format, where it stands.

Blocks and votes stay byte for byte, so that a validator goes on as if nothing had been. Format 3 did not compress the
bodies of blocks; they can be read as they are, and only the format row is written.

Format 2 differs in the rows of the state trie, too. They follow from the state at the tip, so they are made anew from
it, and must come to the root that the newest header names: a database whose state is damaged is not upgraded, and the
rows of the state are read once before anything is deleted. What proved older heights is gone with the old rows; heights
from the tip on can be proved, and there are as many as before once the chain has grown by so many.

The format row is written last, in one synced batch with the place of the root. After a power cut before that the
database is of the old format still, and the next start begins again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from ledger.encoding import encode
from ledger.limits import UPGRADE_ROWS_PER_BATCH
from ledger.primitives import Digest, successor
from ledger.trie import EMPTY, update
from node.ports import Store
from node.storage import keys
from node.storage.block_rows import read_header
from node.storage.errors import DamagedError
from node.storage.opening import check_identity
from node.storage.state_rows import CurrentState

_TRIE_PREFIXES = (b"g", b"t", b"u")
"""The first bytes of the keys of all rows about the state trie (`node.storage.keys`)."""


def upgrade(store: Store, expected: Digest, begins: Callable[[], None] = lambda: None) -> bool:
    """Upgrade the database of the chain `expected` in `store`, if it is of an older format: whether it was. `begins` is
    called before it is.

    From format 2 it takes about a minute per million keys of state, and memory for UPGRADE_ROWS_PER_BATCH rows. Raises
    `StoreMissingError` and `StoreMismatchError` like `open_chain`, `StorageFailedError` when a write fails, and
    `DamagedError` when it cannot be done: then the database is of the old format still.
    """
    chain, version = check_identity(store, expected, formats=keys.FORMATS_UPGRADED)
    if version == keys.FORMAT_VERSION:
        return False
    begins()
    puts = _make_trie_anew(store) if version == 2 else {}
    puts[keys.FORMAT] = encode({"chain": chain.hex(), "format": keys.FORMAT_VERSION})
    store.write(puts, sync=True)
    return True


def _make_trie_anew(store: Store) -> dict[bytes, bytes]:
    """Make the rows of the state trie anew: what is still to be written then. Raises `DamagedError`."""
    tip = store.get(keys.TIP)
    if tip is None:
        raise DamagedError("the database has a chain, but no tip")
    height = keys.unpack_height(tip)
    state_root, state = read_header(store, height).header.state_root, CurrentState(store)
    for _ in state.range(b"", b"\xff"):  # every row has a checksum
        pass
    for prefix in _TRIE_PREFIXES:
        after = prefix
        while old := frozenset(key for key, _ in islice(store.range(after, successor(prefix)), UPGRADE_ROWS_PER_BATCH)):
            store.write({}, old, sync=False)
            after = max(old) + b"\0"
    root, after = EMPTY, b""
    # a range has to be asked for again after a write
    while writes := dict(islice(state.range(after, b"\xff"), UPGRADE_ROWS_PER_BATCH)):
        change = update(root, writes, height, lambda version, path: store.get(keys.trie_node(version, path)))
        rows = {keys.trie_node(height, path): row for path, row in change.new_nodes}
        gone = frozenset(keys.trie_node(version, path) for version, path in change.stale)
        store.write(rows, gone - rows.keys(), sync=False)
        root, after = change.root, max(writes) + b"\0"
    if root.hash != state_root:
        raise DamagedError(f"the state after block {height} has another root than its header names")
    return {keys.trie_version(height): keys.pack_height(root.version)}
