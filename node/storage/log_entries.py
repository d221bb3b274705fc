"""The log's entries by their position: the exact bytes of leaves, and what they cost.

An entry is not stored as such. It is put together from the row of its chunk's outcomes, never from the envelopes, and
held against its hash in the log, so that a bundle of 256 costs a few milliseconds whatever the transactions weigh.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.block import leaf_bytes
from node.ports import Reader
from node.storage import keys
from node.storage.block_rows import read_outcomes
from node.storage.errors import DamagedError
from node.storage.log_tiles import TileReader


def read_entries(reader: Reader, start: int, stop: int, *, log_size: int) -> list[bytes]:
    """Entries start .. stop - 1 of the log of `log_size` entries (0 <= start < stop <= log_size).

    Raises `DamagedError` when what is stored does not hash to what the log has.
    """
    assert 0 <= start < stop <= log_size
    entries: list[bytes] = []
    for height, first, end in _blocks(reader, start, stop, log_size):
        entries += _of_block(reader, height, end - first, max(start, first) - first, min(stop, end) - first)
    wrong = TileReader(reader).first_difference(start, entries)
    if wrong is not None:
        raise DamagedError(f"entry {wrong} is not what the log has of it")
    if len(entries) != stop - start:
        raise DamagedError(f"the log has {len(entries)} of the entries {start} to {stop - 1}")
    return entries


def _blocks(reader: Reader, start: int, stop: int, log_size: int) -> Iterator[tuple[int, int, int]]:
    """(height, first entry, entry after the last) of each block with any of the entries."""
    height, first = _block_of(reader, start)
    for key, row in reader.range(keys.first_leaf(first + 1), keys.first_leaf(log_size)):
        end = keys.unpack_height(key, 1)
        yield height, first, end
        if end >= stop:
            return
        height, first = keys.unpack_height(row), end
    yield height, first, log_size


def _block_of(reader: Reader, position: int) -> tuple[int, int]:
    """Height and first entry of the block that has the entry."""
    for key, row in reader.range(keys.first_leaf(0), keys.first_leaf(position + 1), reverse=True):
        return keys.unpack_height(row), keys.unpack_height(key, 1)
    raise DamagedError(f"no block is known to have entry {position} of the log")


def _of_block(reader: Reader, height: int, count: int, start: int, stop: int) -> Iterator[bytes]:
    """Entries start .. stop - 1 of a block of `count` transactions, chunk by chunk."""
    size = keys.CHUNK_TRANSACTIONS
    for chunk in range(start // size, (stop - 1) // size + 1):
        before = chunk * size
        leaves = read_outcomes(reader, height, chunk, min(size, count - before)).in_hex()
        for index in range(max(start, before), min(stop, before + size)):
            leaf = leaves[index - before]
            yield leaf_bytes(height, index, leaf.transaction_id, leaf.envelope_hash, leaf.result)
