"""The log as static resources: tiles of hashes, and bundles of entries (https://c2sp.org/tlog-tiles).

A tile of level l has up to 256 consecutive hashes, each the root over 256^l leaves; a bundle has up to 256 consecutive
entries, each the exact bytes of a leaf (`ledger.block.encode_leaf`) behind its length. Of the last tile of a level, and
the last bundle, less than all may exist yet: such a partial one is named by its width, and never changes either.

Numbers stand in paths in groups of three digits, all but the last behind an x: 1234067 is x001/x234/067.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import MalformedError
from ledger.limits import LEAF_BYTES_MAX

TILE_WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""

TILE_LEVEL_MAX = 63

TILE_PATH_PATTERN = r"(x[0-9]{3}/){0,5}[0-9]{3}(\.p/[1-9][0-9]{0,2})?"
"""The form of a tile's path within its level, for documentation; a number has one form only."""

_TILE_PATH = re.compile(r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_LENGTH_BYTES = 2

assert LEAF_BYTES_MAX < 2 ** (8 * _LENGTH_BYTES), "an entry's length must fit its prefix"


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile of a level, or which bundle: its number, and its width from 1 to `TILE_WIDTH`."""

    index: int
    width: int

    def encode(self) -> str:
        """The path within its level."""
        groups = f"{self.index:03d}" if self.index < 1000 else f"{self.index:,d}".replace(",", "/")
        parts = groups.split("/")
        parts[0] = parts[0].zfill(3)
        path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        return path if self.width == TILE_WIDTH else f"{path}.p/{self.width}"


def parse_tile_name(text: str) -> TileName:
    """The tile that a path within its level names. Raises `MalformedError`."""
    match = _TILE_PATH.fullmatch(text)
    if match is None:
        raise MalformedError("must be a number in groups of three digits, all but the last behind an x, and maybe .p/W")
    width = TILE_WIDTH if match[2] is None else int(match[2])
    name = TileName(int(match[1].replace("/", "").replace("x", "")), width)
    if width > TILE_WIDTH:
        raise MalformedError(f"a tile has less than {TILE_WIDTH} hashes when it is partial")
    if name.encode() != text:
        raise MalformedError(f"must be written {name.encode()}")
    return name


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` of `level` has in a log of `size` leaves: 0 to `TILE_WIDTH`."""
    hashes = size >> min(8 * level, size.bit_length())
    return max(0, min(hashes - index * TILE_WIDTH, TILE_WIDTH))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bundle of these entries."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def parse_bundle(data: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle. Raises `MalformedError`."""
    entries: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + _LENGTH_BYTES + int.from_bytes(data[start : start + _LENGTH_BYTES], "big")
        if end > len(data) or start + _LENGTH_BYTES > len(data) or len(entries) == TILE_WIDTH:
            raise MalformedError(f"a bundle is up to {TILE_WIDTH} entries, each behind its length")
        entries.append(data[start + _LENGTH_BYTES : end])
        start = end
    return tuple(entries)
