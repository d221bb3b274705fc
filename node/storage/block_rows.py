"""The rows of one block: header, record and outcomes; written at commit, and checked, with the body, when read.

Row checksums catch what a disk does. What is read of a committed block is also held against the chain's own hashes,
so that nothing is served that this chain did not commit: a header must hash to a block hash that is known at its
height, what became of a transaction must hash to its leaf in the log, and an envelope must be the one that its leaf
names. Who asks what became of transactions reads no envelope, and does not notice when one is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ledger import framing
from ledger.block import Header, Leaf, block_hash, leaf_bytes, leaf_hash, parse_header
from ledger.errors import MalformedError
from ledger.primitives import DIGEST_BYTES, Digest
from ledger.transaction import Transaction, envelope_hash, name_envelopes
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.bodies import read_chunk, read_framed_chunk
from node.storage.damaged import Damaged
from node.storage.errors import DamagedError
from node.storage.log_tiles import TileReader


class Place(Struct, frozen=True, order=True):
    """Where a transaction stands: the height of its block, and its index in it. Places are in the order of the log."""

    height: int
    index: int


class StoredOutcome(Struct, frozen=True):
    """What became of one transaction, as it stands in the row of its chunk."""

    transaction_id: Digest
    envelope_hash: Digest
    result: str


class LeafInHex(Struct, frozen=True):
    """What documents say of a leaf whose place is known: the digests are in lower-case hexadecimal."""

    transaction_id: str
    envelope_hash: str
    result: str


class StoredHeader(Struct, frozen=True):
    """A committed header that was checked against its block hash."""

    header: Header
    header_bytes: bytes
    block_hash: Digest


def write_header(batch: Batch, height: int, header_bytes: bytes, hash_of_header: Digest) -> None:
    """Add the header row and the way back from the block hash."""
    batch.puts[keys.header(height)] = header_bytes
    batch.puts[keys.block_hash(hash_of_header)] = keys.pack_height(height)


def write_outcomes(batch: Batch, header: Header, transactions: Sequence[Transaction], results: Sequence[str]) -> None:
    """Add ids and results, in chunks, and each transaction's place."""
    height, puts = header.height, batch.puts
    packed_height = keys.pack_height(height)
    ids = [transaction.id for transaction in transactions]
    hashes = [transaction.envelope_hash for transaction in transactions]
    for chunk, start in enumerate(range(0, len(ids), keys.CHUNK_TRANSACTIONS)):
        stop = start + keys.CHUNK_TRANSACTIONS
        joined = " ".join(results[start:stop]).encode()
        puts[keys.outcomes(height, chunk)] = b"".join((*ids[start:stop], *hashes[start:stop], joined))
    for index, transaction_id in enumerate(ids):
        puts[b"x" + transaction_id] = packed_height + index.to_bytes(4, "big")  # keys.transaction, without the call
    if ids:
        puts[keys.first_leaf(header.log_size - len(ids))] = packed_height


def read_header(reader: Reader, height: int, known: StoredHeader | None = None) -> StoredHeader:
    """The header of the committed block at `height`; `known` if that was read before, and the row is still the same.

    Raises `DamagedError`.
    """
    header_bytes = reader.get(keys.header(height))
    if header_bytes is None:
        raise DamagedError(f"the header of block {height} is missing")
    if known is not None and header_bytes == known.header_bytes:
        return known
    hash_of_header = block_hash(header_bytes)
    if reader.get(keys.block_hash(hash_of_header)) != keys.pack_height(height):
        raise DamagedError(f"the header of block {height} does not hash to the hash of that block")
    try:
        header = parse_header(header_bytes)
    except MalformedError as error:
        raise DamagedError(f"the header of block {height} is malformed: {error}") from error
    if header.height != height:
        raise DamagedError(f"the header of block {height} says that it is of block {header.height}")
    return StoredHeader(header, header_bytes, hash_of_header)


class StoredOutcomes(Struct, frozen=True):
    """What became of the transactions of one chunk; made as they are asked for, since mostly one is."""

    row: bytes
    results: tuple[str, ...]

    def in_hex(self) -> list[LeafInHex]:
        """Of all of them, in order."""
        count = len(self.results)
        digests = self.row[: 2 * count * DIGEST_BYTES].hex(" ", DIGEST_BYTES).split(" ")
        return list(map(LeafInHex, digests[:count], digests[count:], self.results))

    def __getitem__(self, offset: int) -> StoredOutcome:
        """Of the transaction that stands at `offset` in the chunk."""
        assert 0 <= offset < len(self.results)
        at, to_hashes = offset * DIGEST_BYTES, len(self.results) * DIGEST_BYTES
        return StoredOutcome(
            Digest(self.row[at : at + DIGEST_BYTES]),
            Digest(self.row[at + to_hashes : at + to_hashes + DIGEST_BYTES]),
            self.results[offset],
        )


def read_outcomes(reader: Reader, height: int, chunk: int, count: int) -> StoredOutcomes:
    """What became of the `count` transactions of one chunk, held against nothing else. Raises `DamagedError`."""
    row = reader.get(keys.outcomes(height, chunk)) or b""
    joined = row[2 * count * DIGEST_BYTES :]
    results = joined.decode("ascii", "replace").split(" ")
    if len(results) != count or not joined or not joined.isascii():
        raise DamagedError(f"the outcomes of a part of block {height} are not those of {count} transactions")
    return StoredOutcomes(row, tuple(results))


class BlockReader:
    """The transactions of one committed block, read chunk by chunk, each checked against its leaf in the log.

    A leaf is made of the row of outcomes alone: envelopes are read, and checked, when they are asked for.
    """

    def __init__(self, reader: Reader, stored: StoredHeader, tiles: TileReader, damaged: Damaged) -> None:
        """`tiles` are those of the log, for one answer; `damaged` is told of what is found."""
        self._reader = reader
        self._damaged = damaged
        self._tiles = tiles
        self.stored = stored
        self._height = stored.header.height
        self._count = stored.header.transaction_count
        self._first_leaf = stored.header.log_size - self._count
        self._outcomes: tuple[int, StoredOutcomes] = -1, StoredOutcomes(b"", ())  # number of a chunk, and its own
        self._envelopes: tuple[int, framing.Framed] = -1, framing.Framed(b"")

    def leaf(self, index: int) -> Leaf:
        """The leaf of transaction `index`. Raises `DamagedError`."""
        try:
            return self._leaf(index)
        except DamagedError as error:
            self._damaged.note_block(self._height, str(error))
            raise

    def transaction(self, index: int) -> tuple[bytes, Leaf]:
        """Envelope and leaf of transaction `index`. Raises `DamagedError`."""
        try:
            leaf = self._leaf(index)
            return self._envelope(leaf), leaf
        except DamagedError as error:
            self._damaged.note_block(self._height, str(error))
            raise

    def transactions(self) -> Iterator[tuple[bytes, Leaf]]:
        """Envelope and leaf of all, in order. Raises `DamagedError`."""
        return (self.transaction(index) for index in range(self._count))

    def envelopes(self) -> Iterator[bytes]:
        """The envelopes of all, in order; a chunk is checked at once. Raises `DamagedError`."""
        for start in range(0, self._count, keys.CHUNK_TRANSACTIONS):
            envelopes, _ = self.chunk(start)
            yield from envelopes

    def chunk(self, start: int) -> tuple[tuple[bytes, ...], list[LeafInHex]]:
        """Envelopes and leaves of the chunk that begins with transaction `start`. Raises `DamagedError`."""
        try:
            leaves = self._chunk_in_hex(start)
            return self._envelopes_of_chunk(start, leaves), leaves
        except DamagedError as error:
            self._damaged.note_block(self._height, str(error))
            raise

    def leaves(self) -> Iterator[Leaf]:
        """The leaves of all, in order. Raises `DamagedError`."""
        return (self.leaf(index) for index in range(self._count))

    def leaves_in_hex(self) -> Iterator[LeafInHex]:
        """The leaves of all, in order, as documents have them; a chunk is checked at once. Raises `DamagedError`."""
        try:
            for start in range(0, self._count, keys.CHUNK_TRANSACTIONS):
                yield from self._chunk_in_hex(start)
        except DamagedError as error:
            self._damaged.note_block(self._height, str(error))
            raise

    def _chunk_in_hex(self, start: int) -> list[LeafInHex]:
        """The leaves of the chunk that begins with transaction `start`, when they are those in the log."""
        height, leaves = self._height, self._read_outcomes(start // keys.CHUNK_TRANSACTIONS).in_hex()
        entries = [
            leaf_bytes(height, index, leaf.transaction_id, leaf.envelope_hash, leaf.result)
            for index, leaf in enumerate(leaves, start)
        ]
        wrong = self._tiles.first_difference(self._first_leaf + start, entries)
        if wrong is not None:
            raise self._differs(wrong - self._first_leaf)
        return leaves

    def _envelopes_of_chunk(self, start: int, leaves: Sequence[LeafInHex]) -> tuple[bytes, ...]:
        """The envelopes of the chunk that begins with transaction `start`, when they are those that its leaves name."""
        envelopes = read_chunk(self._reader, self._height, self.stored.block_hash, start // keys.CHUNK_TRANSACTIONS)
        found, wanted = [name.hex() for name, _ in name_envelopes(envelopes)], [leaf.envelope_hash for leaf in leaves]
        if found != wanted:
            for index, (name, leaf_name) in enumerate(zip(found, wanted, strict=False), start):
                if name != leaf_name:
                    raise self._differs(index)
            size, here = len(wanted), len(found)
            problem = f"ends before item {here}" if here < size else f"has more than {size} transactions"
            raise DamagedError(f"a part of the body of block {self._height} {problem}")
        return envelopes

    def _leaf(self, index: int) -> Leaf:
        """The leaf, when that is what the log has at its place."""
        assert 0 <= index < self._count
        chunk, offset = divmod(index, keys.CHUNK_TRANSACTIONS)
        if chunk != self._outcomes[0]:
            self._outcomes = chunk, self._read_outcomes(chunk)
        found = self._outcomes[1][offset]
        leaf = Leaf(self._height, index, found.transaction_id, found.envelope_hash, found.result)
        if leaf_hash(leaf) != self._tiles(0, self._first_leaf + index):
            raise self._differs(index)
        return leaf

    def _envelope(self, leaf: Leaf) -> bytes:
        """The envelope, when that is the one that its leaf names."""
        chunk, offset = divmod(leaf.index, keys.CHUNK_TRANSACTIONS)
        if chunk != self._envelopes[0]:
            self._envelopes = chunk, read_framed_chunk(self._reader, self._height, self.stored.block_hash, chunk)
        envelopes, size = self._envelopes[1], self._size(chunk)
        try:
            envelope = envelopes[offset]
        except MalformedError as error:
            raise DamagedError(f"the body of block {self._height} is malformed: {error}") from error
        if envelope_hash(envelope) != leaf.envelope_hash:
            raise self._differs(leaf.index)
        if offset == size - 1 and not envelopes.ends_behind(offset):
            raise DamagedError(f"a part of the body of block {self._height} has more than {size} transactions")
        return envelope

    def _read_outcomes(self, chunk: int) -> StoredOutcomes:
        return read_outcomes(self._reader, self._height, chunk, self._size(chunk))

    def _size(self, chunk: int) -> int:
        """How many transactions a chunk has."""
        return min(keys.CHUNK_TRANSACTIONS, self._count - chunk * keys.CHUNK_TRANSACTIONS)

    def _differs(self, index: int) -> DamagedError:
        return DamagedError(f"transaction {index} of block {self._height} is not what the log has of it")


def read_place(reader: Reader, transaction_id: Digest) -> Place | None:
    """Where a committed transaction stands, or None."""
    row = reader.get(keys.transaction(transaction_id))
    return None if row is None else Place(keys.unpack_height(row), int.from_bytes(row[-4:], "big"))


def read_heights_with_transactions(reader: Reader, first_leaf: int, stop_leaf: int, *, reverse: bool) -> Iterator[int]:
    """The heights of the blocks whose first leaf is in first_leaf .. stop_leaf - 1."""
    for _, row in reader.range(keys.first_leaf(first_leaf), keys.first_leaf(stop_leaf), reverse=reverse):
        yield keys.unpack_height(row)
