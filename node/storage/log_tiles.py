"""The log's hashes in tiles of 256, and the `HashReader` that proofs are made with.

A tile of level t holds the hashes of consecutive full subtrees of 256^t leaves: level 0 are leaf hashes, and the root
over a full tile is one hash of a tile one level up. The rightmost tile of each level is rewritten as it grows. These
are the tiles that C2SP tlog-tiles serves (https://c2sp.org/tlog-tiles, "Merkle Tree"): a partial tile of width w is
the first w hashes. Subtrees of sizes in between are joined when they are asked for, from at most 128 hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.merkle import FilledLevel, leaf_hash, node_hashes
from ledger.primitives import DIGEST_BYTES, Digest
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError

_LEVELS_PER_TILE = 8
_FULL_TILE_BYTES = keys.TILE_HASHES * DIGEST_BYTES


class GrowingTiles:
    """Writes the tiles of a log. Remembers the newest one of the leaves, which nearly every block makes longer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._newest: tuple[int, bytes] = -1, b""  # index and hashes

    def write(self, batch: Batch, levels: Iterable[FilledLevel]) -> None:
        """Add to `batch` the tiles that change when these subtrees of the log become full.

        Raises `DamagedError` when a tile that must grow is not as long as it must be.
        """
        for filled in levels:
            tile_level, between = divmod(filled.level, _LEVELS_PER_TILE)
            if between or not filled.hashes:
                continue
            tile_index, kept = divmod(filled.start, keys.TILE_HASHES)
            hashes = b"".join(filled.hashes)
            if kept:
                hashes = self._read(tile_level, tile_index, kept) + hashes
            for offset in range(0, len(hashes), _FULL_TILE_BYTES):
                key = keys.tile(tile_level, tile_index + offset // _FULL_TILE_BYTES)
                batch.puts[key] = hashes[offset : offset + _FULL_TILE_BYTES]

    def written(self, batch: Batch, log_size: int) -> None:
        """Remember the newest tile as `batch`, which is durable now, made it; the log has `log_size` leaves."""
        index = max(log_size - 1, 0) // keys.TILE_HASHES
        tile = batch.puts.get(keys.tile(0, index))
        if tile is not None:
            self._newest = index, tile

    def _read(self, level: int, index: int, width: int) -> bytes:
        known_index, tile = self._newest
        if level == 0 and index == known_index:
            return _first(tile, level, index, width)
        return read_tile(self._reader, level, index, width=width)


def read_tile(reader: Reader, level: int, index: int, *, width: int) -> bytes:
    """The first `width` hashes (1..256) of a tile, concatenated. Raises `DamagedError` when it is not that long."""
    return _first(reader.get(keys.tile(level, index)) or b"", level, index, width)


def _first(tile: bytes, level: int, index: int, width: int) -> bytes:
    if len(tile) < width * DIGEST_BYTES:
        raise DamagedError(f"tile {index} of level {level} of the log does not have {width} hashes")
    return tile[: width * DIGEST_BYTES]


class TileReader:
    """A `ledger.merkle.HashReader` over the tiles. Remembers the tiles that it reads: make one for each answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> Digest:
        """The hash of the full subtree of 2^level leaves number `index`. Raises `DamagedError` when it is not there."""
        tile_level, depth = divmod(level, _LEVELS_PER_TILE)
        tile_index, first = divmod(index << depth, keys.TILE_HASHES)
        start, end = first * DIGEST_BYTES, (first + (1 << depth)) * DIGEST_BYTES
        tile = self._tile(tile_level, tile_index)
        if len(tile) < end:
            raise DamagedError(f"tile {tile_index} of level {tile_level} of the log ends too early")
        row = tile[start:end]
        for _ in range(depth):
            row = node_hashes(row)
        return Digest(row)

    def first_difference(self, start: int, entries: Sequence[bytes]) -> int | None:
        """The first position at which the log does not have what is in `entries`, which are to be its entries from
        position `start` on; None when it has them all. Raises `DamagedError` when hashes of so many are not there.
        """
        hashes = [leaf_hash(entry) for entry in entries]
        if b"".join(hashes) == self._leaf_hashes(start, start + len(entries)):
            return None
        return next(position for position, found in enumerate(hashes, start) if found != self(0, position))

    def _leaf_hashes(self, start: int, stop: int) -> bytes:
        """The hashes of leaves start .. stop - 1, concatenated, as far as they are there."""
        size, parts = keys.TILE_HASHES, []
        while start < stop:
            tile_index, first = divmod(start, size)
            end = min(size, first + stop - start)
            parts.append(self._tile(0, tile_index)[first * DIGEST_BYTES : end * DIGEST_BYTES])
            start += end - first
        return b"".join(parts)

    def _tile(self, level: int, index: int) -> bytes:
        tile = self._tiles.get((level, index))
        if tile is None:
            tile = self._tiles[level, index] = self._reader.get(keys.tile(level, index)) or b""
        return tile
