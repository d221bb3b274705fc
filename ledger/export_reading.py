"""Reading an export (`ledger.export` has the format): block by block, believing nothing of it.

A file is read through a function that gives its bytes, so that nothing here touches one. `ExportReader` finds the
manifest, without which a file was torn off, and gives the lines of each block; `open_exported_block` opens one
(`ledger.audit.open_block`) and holds every byte of its lines against it. What is left is in the manifest, and is held
against what `ledger.export.ManifestBuilder` makes of the lines once all of them were audited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from ledger.audit import FlawError, OpenedBlock, open_block
from ledger.block import block_hash, parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.statements import SigningContext
from ledger.crypto import Verify
from ledger.documents import expect_kind
from ledger.encoding import decode_object, expect_integer
from ledger.errors import MalformedError
from ledger.export import (
    BLOCK_OPENING,
    CLOSING,
    LEAF_OPENING,
    MANIFEST_KIND,
    RECORD_OPENING,
    TRANSACTION_OPENING,
    VERSION,
    first_line,
)
from ledger.genesis import Genesis, genesis_block
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    ENVELOPE_BYTES_MAX,
    EXPORT_MANIFEST_BYTES_MAX,
    LEAF_BYTES_MAX,
    MIB,
    RECORD_BYTES_MAX,
)
from ledger.merkle import leaf_hash
from ledger.primitives import DIGEST_BYTES, Digest
from ledger.validators import ValidatorSet

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, size) -> that many bytes of the file, fewer only at its end."""

_CHUNK_BYTES: Final = 1 * MIB
_HASH_END: Final = len(BLOCK_OPENING) + 2 * DIGEST_BYTES
_RECORD_START: Final = _HASH_END + len(RECORD_OPENING)
_BLOCK_LINE_BYTES_MAX: Final = _RECORD_START + RECORD_BYTES_MAX + len(CLOSING)
_TRANSACTION_LINE_BYTES_MAX: Final = (
    len(TRANSACTION_OPENING) + ENVELOPE_BYTES_MAX + len(LEAF_OPENING) + LEAF_BYTES_MAX + len(CLOSING)
)


@dataclass(frozen=True, slots=True)
class BlockText:
    """The lines of what should be the block of a height; nothing about them is verified but how they begin."""

    height: int
    lines: tuple[bytes, ...]

    @property
    def claimed_hash(self) -> str:
        """The block hash in hex, as the first line claims it."""
        return self.lines[0][len(BLOCK_OPENING) : _HASH_END].decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The last line of an export, and what it claims: blocks, transactions, and bytes before it."""

    line: bytes
    blocks: int
    transactions: int
    bytes_before: int


def parse_manifest(line: bytes) -> Manifest:
    """The manifest in the last line of an export. Raises `MalformedError`.

    What is not read of it here shows when it is compared with what it should be.
    """
    value = decode_object(line.removesuffix(b"\n"), bytes_max=EXPORT_MANIFEST_BYTES_MAX, what="the manifest")
    if value.get("kind") != MANIFEST_KIND:
        raise MalformedError("the last line is not the manifest of an export")  # it was torn off, mostly
    expect_kind(value, MANIFEST_KIND, VERSION)
    parts = value.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise MalformedError("the manifest does not list the parts")
    sizes = [expect_integer(part.get("bytes"), what="bytes of a part") for part in parts if isinstance(part, dict)]
    return Manifest(
        line,
        expect_integer(value.get("blocks"), what="blocks"),
        expect_integer(value.get("transactions"), what="transactions"),
        sum(sizes),
    )


class ExportReader:
    """An export of a chain, whose genesis the reader brings along.

    Raises `MalformedError` when it is none, or one of another chain, or was torn off.
    """

    def __init__(self, genesis: Genesis, size: int, read: ReadAt) -> None:
        self._read = read
        expected = first_line(genesis)
        begun = read(0, len(expected))
        if begun != expected:
            raise MalformedError(_not_ours(begun, expected))
        start = _start_of_last_line(size, read)
        if start < len(expected):
            raise MalformedError("it ends without its manifest: it was torn off, or is still being written")
        self.manifest = parse_manifest(read(start, size - start))
        if self.manifest.bytes_before != start:
            raise MalformedError(f"its manifest speaks of {self.manifest.bytes_before} bytes, and stands after {start}")
        self._span = range(len(expected), start)

    def blocks(self) -> Iterator[BlockText]:
        """The lines of each block from height 1 on, as many as the manifest says.

        Raises `FlawError` for a line that cannot be where it stands, and for a block too few or too many.
        """
        height, said = 0, self.manifest.blocks
        for text in split_blocks(self._lines(), 1):
            height = text.height
            if height > said:
                raise FlawError(height, "its first line", f"the manifest says that there are {said} blocks")
            yield text
        if height < said:
            raise FlawError(height + 1, "its first line", f"it is missing, and the manifest says {said} blocks")

    def _lines(self) -> Iterator[bytes]:
        offset, rest = self._span.start, b""
        while offset < self._span.stop:
            chunk = self._read(offset, min(_CHUNK_BYTES, self._span.stop - offset))
            if not chunk:
                raise MalformedError("it became shorter while it was read")
            offset += len(chunk)
            *lines, rest = split_lines(rest + chunk)
            yield from lines
            if len(rest) > _BLOCK_LINE_BYTES_MAX:
                break
        if rest:
            yield rest


def split_lines(data: bytes) -> list[bytes]:
    """The lines of `data`, each with its line feed, and what follows the last one (nothing, if it is well formed)."""
    *lines, rest = data.split(b"\n")
    return [*(line + b"\n" for line in lines), rest]


def split_blocks(lines: Iterable[bytes], first_height: int) -> Iterator[BlockText]:
    """The blocks that `lines`, each with its line feed, make up. Raises `FlawError` for a line that is neither."""
    height, block = first_height - 1, list[bytes]()
    for line in filter(None, lines):
        if line.startswith(TRANSACTION_OPENING) and block:
            if len(line) > _TRANSACTION_LINE_BYTES_MAX:
                raise FlawError(height, f"transaction {len(block) - 1}", "its line is longer than any may be")
            if len(block) > BLOCK_TRANSACTIONS_MAX:
                raise FlawError(height, "its body", f"more than {BLOCK_TRANSACTIONS_MAX} transactions")
            block.append(line)
        elif line.startswith(BLOCK_OPENING):
            if len(line) > _BLOCK_LINE_BYTES_MAX:
                raise FlawError(height + 1, "its commit record", "its line is longer than any may be")
            if block:
                yield BlockText(height, tuple(block))
            height, block = height + 1, [line]
        else:
            if block:
                yield BlockText(height, tuple(block))
            raise FlawError(height + 1, "its first line", "it is neither that of a block nor that of a transaction")
    if block:
        yield BlockText(height, tuple(block))


class LinkedBlocks:
    """Holds blocks against each other, from genesis on: their hashes, their links, and the log that they make.

    No signature is verified and nothing is executed: it shows that a file is of one piece, not that it is true.
    """

    def __init__(self, genesis: Genesis) -> None:
        first = genesis_block(genesis).tip
        self.header = first.header
        self.block_hash = first.block_hash
        self._log = first.log

    def take(self, text: BlockText) -> None:
        """Go on to the next block. Raises `FlawError` when it does not follow."""
        height, (block_line, *transaction_lines) = text.height, text.lines
        try:
            header_bytes = decode_commit_record(block_line[_RECORD_START : -len(CLOSING)]).header
            header = parse_header(header_bytes)
        except MalformedError as error:
            raise FlawError(height, "its commit record", str(error)) from None
        hash_of_header = block_hash(header_bytes)
        if text.claimed_hash != hash_of_header.hex():
            raise FlawError(height, "its block hash", f"the header hashes to {hash_of_header.hex()}")
        if (header.height, header.parent_hash) != (height, self.block_hash):
            raise FlawError(height, "its header", "it does not build on the block before it")
        log = self._log.append([_split_transaction(height, *item)[1] for item in enumerate(transaction_lines)])
        if (header.transaction_count, header.log_size) != (len(transaction_lines), log.size):
            raise FlawError(height, "its body", "it has another number of transactions than its header counts")
        if log.root() != header.log_root:
            raise FlawError(height, "its leaves", "with those before they do not make the log root in its header")
        self.header, self.block_hash, self._log = header, hash_of_header, log


def open_exported_block(
    text: BlockText, *, context: SigningContext, validators: ValidatorSet, verify_signature: Verify
) -> OpenedBlock:
    """Open the block of these lines, every byte of which is then held against it. See `ledger.audit.open_block`.

    Raises `FlawError`.
    """
    height, (block_line, *transaction_lines) = text.height, text.lines
    if block_line[_HASH_END:_RECORD_START] != RECORD_OPENING or not block_line.endswith(CLOSING):
        raise FlawError(height, "its commit record", "the line is not that of a block")
    parts = [_split_transaction(height, index, line) for index, line in enumerate(transaction_lines)]
    opened = open_block(
        block_line[_RECORD_START : -len(CLOSING)],
        [envelope for envelope, _ in parts],
        context=context,
        height=height,
        validators=validators,
        verify_signature=verify_signature,
        leaf_hashes=tuple([hash_of_leaf for _, hash_of_leaf in parts]),
    )
    if text.claimed_hash != opened.block_hash.hex():
        raise FlawError(height, "its block hash", f"the header hashes to {opened.block_hash.hex()}")
    return opened


def _split_transaction(height: int, index: int, line: bytes) -> tuple[bytes, Digest]:
    """The envelope in the line of a transaction, and the hash of the leaf in it. Raises `FlawError`."""
    middle = line.rfind(LEAF_OPENING)  # a leaf has no text that could contain it
    if middle < 0 or not line.endswith(CLOSING):
        raise FlawError(height, f"transaction {index}", "the line is not that of a transaction")
    return line[len(TRANSACTION_OPENING) : middle], leaf_hash(line[middle + len(LEAF_OPENING) : -len(CLOSING)])


def _start_of_last_line(size: int, read: ReadAt) -> int:
    """Where the last line begins; 0 when it is longer than a manifest, or does not end with a line feed."""
    if size == 0 or read(size - 1, 1) != b"\n":
        return 0
    end = size - 1
    while end > 0 and size - end <= EXPORT_MANIFEST_BYTES_MAX:
        start = max(0, end - _CHUNK_BYTES)
        found = read(start, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _not_ours(begun: bytes, expected: bytes) -> str:
    """Why a file that begins like this is no export of the chain whose exports begin as `expected`."""
    opening = len(b'{"chain":"') + 2 * DIGEST_BYTES
    if begun[:10] == expected[:10] and begun[opening : opening + 12] == expected[opening : opening + 12]:
        if begun[:opening] != expected[:opening]:
            return f"it is an export of another chain, {begun[10:opening].decode('ascii', 'replace')}"
        return "its first line is not that of an export of this genesis"
    return "it is no export"
