"""The bodies of blocks: their envelopes, in compressed rows of CHUNK_TRANSACTIONS each, written once.

    row = a Zstandard frame (RFC 8878) of the framed envelopes (`ledger.framing`)

Bodies are most of what a database writes, and most of an envelope is hexadecimal and field names: compressed before the
database gets them, a fifth of their bytes goes through its log, its memory and every merging of its tables.

Formats before 4 stored the framed envelopes as they are. Such rows stay, and are told by their first bytes: those of a
Zstandard frame would be the length of an envelope that is longer than any.

Nothing here is held against the chain: `node.storage.block_rows.BlockReader` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import zstandard

from ledger import framing
from ledger.errors import MalformedError
from ledger.limits import BODY_CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX
from ledger.primitives import Digest
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError

# Level 1 makes 115 bytes of the 575 of a small transaction in 0.6 us; level 3 takes half as long again for no fewer.
# Neither may be used by two threads at once: the process would die. Only that of the event loop reads and writes rows.
_COMPRESSOR = zstandard.ZstdCompressor(level=1)
_DECOMPRESSOR = zstandard.ZstdDecompressor()


def write_body(batch: Batch, height: int, hash_of_block: Digest, envelopes: Sequence[bytes]) -> None:
    """Add the body, in chunks."""
    for chunk, start in enumerate(range(0, len(envelopes), keys.CHUNK_TRANSACTIONS)):
        packed = pack_chunk(envelopes[start : start + keys.CHUNK_TRANSACTIONS])
        batch.puts[keys.body_chunk(height, hash_of_block, chunk)] = packed


def pack_chunk(envelopes: Sequence[bytes]) -> bytes:
    """The row of a chunk."""
    return _COMPRESSOR.compress(framing.pack(envelopes))


def read_candidate_body(reader: Reader, height: int, hash_of_block: Digest, count: int) -> tuple[bytes, ...]:
    """All envelopes stored for a block that may not be committed, and has `count`. Raises `DamagedError`, also when
    there are more or fewer."""
    prefix = keys.body(height, hash_of_block)
    envelopes: list[bytes] = []
    for chunk, (key, row) in enumerate(reader.range(prefix, prefix + b"\xff\xff\xff")):
        if key != keys.body_chunk(height, hash_of_block, chunk):
            raise DamagedError(f"the body of a block at height {height} has a gap")
        if len(envelopes) >= count:  # before they are decompressed: a row can be a thousandth of what it has
            raise DamagedError(f"there is more of the body of a candidate at height {height} than it has")
        envelopes += _unpack(row, height)
    if len(envelopes) != count:
        raise DamagedError(f"a part of the body of a candidate at height {height} is missing")
    return tuple(envelopes)


def read_stored_body(reader: Reader, height: int, hash_of_block: Digest, count: int) -> tuple[bytes, ...]:
    """The `count` envelopes of a block as they are stored, held against nothing. Raises `DamagedError`."""
    envelopes: list[bytes] = []
    for chunk in range(-(-count // keys.CHUNK_TRANSACTIONS)):
        envelopes += read_chunk(reader, height, hash_of_block, chunk)
    return tuple(envelopes)


def read_chunk(reader: Reader, height: int, hash_of_block: Digest, chunk: int) -> tuple[bytes, ...]:
    """The envelopes of one chunk. Raises `DamagedError`."""
    return _unpack(_read(reader, height, hash_of_block, chunk), height)


def read_framed_chunk(reader: Reader, height: int, hash_of_block: Digest, chunk: int) -> framing.Framed:
    """One chunk, for who needs few of its envelopes. Raises `DamagedError`."""
    return framing.Framed(_decompress(_read(reader, height, hash_of_block, chunk), height))


def body_keys(reader: Reader, height: int, hash_of_block: Digest) -> tuple[bytes, ...]:
    """The keys of all chunks stored of a body."""
    prefix = keys.body(height, hash_of_block)
    return tuple(key for key, _ in islice(reader.range(prefix, prefix + b"\xff\xff\xff"), 2**16))


def _read(reader: Reader, height: int, hash_of_block: Digest, chunk: int) -> bytes:
    row = reader.get(keys.body_chunk(height, hash_of_block, chunk))
    if row is None:
        raise DamagedError(f"a part of the body of block {height} is missing")
    return row


def _unpack(row: bytes, height: int) -> tuple[bytes, ...]:
    packed = _decompress(row, height)
    try:
        return framing.unpack(packed, items_max=keys.CHUNK_TRANSACTIONS, item_bytes_max=ENVELOPE_BYTES_MAX)
    except MalformedError as error:
        raise DamagedError(f"the body of block {height} is malformed: {error}") from error


def _decompress(row: bytes, height: int) -> bytes:
    """The framed envelopes of a row. Raises `DamagedError`."""
    if not row.startswith(zstandard.FRAME_HEADER):
        return row  # written by a format before 4
    try:
        # Asked first: the library makes room for as many bytes as the frame says that it has.
        if not 0 <= zstandard.frame_content_size(row) <= BODY_CHUNK_BYTES_MAX:
            raise DamagedError(f"a part of the body of block {height} is larger than any")
        return _DECOMPRESSOR.decompress(row, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedError(f"the body of block {height} is malformed: {error}") from error
