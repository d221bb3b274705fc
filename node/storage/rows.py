"""The form of every stored value: the value, then a checksum over key and value.

    row = value | CRC-32 (u32, big endian) of key | value, started from the length of the key

So a flipped bit is noticed, and so is a whole value that stands under another key (a misdirected write, a wrong
index entry), whatever the file format below guarantees. Starting from the key's length keeps apart pairs whose
concatenations are equal. (consensus research section 6, rule 2)

This is a checksum against accidents. What must hold against people (headers, bodies, state) is hashed and signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from node.storage.errors import DamagedError

CHECKSUM_BYTES = 4
"""What `seal` adds to each value."""


def seal(key: bytes, value: bytes) -> bytes:
    """The row that stands for `value` under `key`."""
    return value + crc32(value, crc32(key, len(key))).to_bytes(CHECKSUM_BYTES, "big")


def seal_all(values: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Each key with the row of its value, as by `seal`, with one call for all."""
    return [
        (key, value + crc32(value, crc32(key, len(key))).to_bytes(CHECKSUM_BYTES, "big"))
        for key, value in values.items()
    ]


def unseal(key: bytes, row: bytes) -> bytes:
    """The value of `row`, found under `key`. Raises `DamagedError`."""
    value = row[:-CHECKSUM_BYTES]
    if crc32(value, crc32(key, len(key))).to_bytes(CHECKSUM_BYTES, "big") != row[-CHECKSUM_BYTES:]:
        raise DamagedError(f"the row {describe(key)} does not match its checksum")
    return value


def describe(key: bytes) -> str:
    """`key` for people: printable where it is, escaped and shortened where not."""
    text = key[:80].decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii")
    return f"{text}..." if len(key) > 80 else text
