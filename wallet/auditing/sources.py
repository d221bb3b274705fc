"""Where an audit gets its blocks from: a node, or the file of an export. Both give the same lines (`ledger.export`)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledger.audit import FlawError
from ledger.block import Header, block_hash, encode_header, header_from_json
from ledger.chain import Tip
from ledger.errors import MalformedError
from ledger.export import ManifestBuilder
from ledger.export_reading import BlockText, ExportReader, split_blocks, split_lines
from ledger.limits import AUDIT_BATCH_BYTES
from ledger.primitives import ZERO_DIGEST, Digest
from wallet.answers import as_object
from wallet.auditing.opening import Batch
from wallet.exit_codes import ExitCode, WalletError, verification_error

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.genesis import Genesis
    from wallet.client import Client


class Source(Protocol):
    """Blocks of a chain from height 1 on, and how many there are."""

    @property
    def name(self) -> str:
        """What it is, for the state of an audit: a URL, or a path."""
        ...

    @property
    def blocks(self) -> int:
        """The height of the newest block, as the source claims."""
        ...

    @property
    def transactions(self) -> int:
        """How many transactions there are up to it, as the source claims."""
        ...

    @property
    def fingerprint(self) -> Digest:
        """A digest of all that was taken of a file; zero of a node, which may give other signatures each time."""
        ...

    def resumes(self, height: int, fingerprint: Digest) -> bool:
        """Skip the blocks up to `height`, if they are those of which `fingerprint` was made."""
        ...

    def batches(self, last: int) -> AsyncIterator[Batch]:
        """The blocks that are left, up to `last`. Raises `FlawError` and `WalletError`."""
        ...

    def take(self, text: BlockText) -> None:
        """Note that a block holds."""
        ...

    def check_end(self, tip: Tip) -> None:
        """Hold what is left of the source against the newest block, once all hold. Raises `WalletError` (10)."""
        ...


class ExportFile:
    """The file of an export. Raises `WalletError` (10) when it is none of the pinned chain."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self.name = str(path.resolve())
        self._shown = str(path)
        self._file = path.open("rb")
        try:
            size = self._file.seek(0, os.SEEK_END)
            self._reader = ExportReader(genesis, size, self._read)
        except MalformedError as error:
            self._file.close()
            raise verification_error(
                f"{path} is no export to be audited: {error}.",
                code="export_malformed",
                remedy="Get the file again, whole; or pin the genesis of its chain.",
            ) from None
        self._manifest = ManifestBuilder(genesis)
        self._texts = self._reader.blocks()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def blocks(self) -> int:
        """As the manifest claims."""
        return self._reader.manifest.blocks

    @property
    def transactions(self) -> int:
        """As the manifest claims."""
        return self._reader.manifest.transactions

    @property
    def fingerprint(self) -> Digest:
        """Of all lines that were taken."""
        return self._manifest.fingerprint

    def resumes(self, height: int, fingerprint: Digest) -> bool:
        """Whether the file still begins with what was audited, which is then skipped."""
        if height == 0:
            return True
        while (text := next(self._texts, None)) is not None:
            self.take(text)
            if text.height == height:
                break
        return self.fingerprint == fingerprint

    async def batches(self, last: int) -> AsyncIterator[Batch]:
        """See `Source`."""
        try:
            for batch in in_batches(text for text in self._texts if text.height <= last):
                yield batch
        except MalformedError as error:
            raise verification_error(f"{self._shown} cannot be read: {error}.") from None

    def take(self, text: BlockText) -> None:
        """See `Source`."""
        self._manifest.add(b"".join(text.lines))

    def check_end(self, tip: Tip) -> None:
        """The manifest must be the one of these blocks, byte for byte."""
        if self._manifest.build(tip.header, tip.block_hash) != self._reader.manifest.line:
            raise verification_error(
                f"Every block in {self._shown} holds, but its manifest is not that of these blocks.",
                code="manifest_differs",
                remedy="Something changed the last line of the file; get it again.",
            )

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


class Node:
    """The chain of a node, up to the block that was its newest when the audit began."""

    def __init__(self, client: Client, url: str, newest: Header) -> None:
        self.name = url
        self.blocks = newest.height
        self.transactions = newest.log_size
        self._newest = newest
        self.fingerprint = ZERO_DIGEST
        self._client = client
        self._next = 1

    def resumes(self, height: int, fingerprint: Digest) -> bool:
        """A node's next block builds on what was audited, or it is found out."""
        self._next = height + 1
        return True

    async def batches(self, last: int) -> AsyncIterator[Batch]:
        """See `Source`."""
        while self._next <= last:
            first = self._next
            data = await self._client.get_bytes(f"/v1/export?from_height={first}&to_height={last}")
            for batch in in_batches(islice(split_blocks(split_lines(data), first), last + 1 - first)):
                self._next += len(batch)
                yield batch
            if self._next == first:
                raise WalletError(
                    ExitCode.NODE_UNREACHABLE,
                    "node_answer_malformed",
                    f"{self.name} says that it has {last} blocks, and does not give block {first}.",
                    remedy="Ask another node, or its operator.",
                )

    def take(self, text: BlockText) -> None:
        """See `Source`."""

    def check_end(self, tip: Tip) -> None:
        """The newest block must be the one that the node showed first: it may be that of an earlier audit."""
        if tip.header != self._newest:
            raise verification_error(
                f"{self.name} shows another block {self.blocks}, {block_hash(encode_header(self._newest)).hex()}, than "
                f"the one that was audited, {tip.block_hash.hex()}.",
                code="another_block",
                remedy="It took back what it had, or never had it: compare it with other nodes (quorum-audit watch).",
                details={"height": self.blocks},
            )


async def node_source(client: Client, url: str) -> Node:
    """The chain of the node at `url`, up to its newest block."""

    def parse(value: Json) -> Header:
        return header_from_json(as_object(value, "a block").get("header"))

    return Node(client, url, await client.get("/v1/blocks/latest", parse))


def in_batches(texts: Iterable[BlockText]) -> Iterator[Batch]:
    """Blocks in runs of at least AUDIT_BATCH_BYTES, the last one excepted. Raises what `texts` raises, after them."""
    batch: list[BlockText] = []
    size = 0
    try:
        for text in texts:
            batch.append(text)
            size += sum(map(len, text.lines))
            if size >= AUDIT_BATCH_BYTES:
                yield tuple(batch)
                batch, size = [], 0
    except FlawError:
        yield tuple(batch)  # what is before the flaw is looked at first: something there may be worse
        raise
    if batch:
        yield tuple(batch)
