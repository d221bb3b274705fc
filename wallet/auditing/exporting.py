"""Writing an export from what a node serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.audit import FlawError
from ledger.export import ManifestBuilder, first_line
from ledger.export_reading import LinkedBlocks
from wallet.auditing.running import flawed
from wallet.files import PUBLIC, create_whole

if TYPE_CHECKING:
    from ledger.genesis import Genesis
    from wallet.auditing.progress import Advance
    from wallet.auditing.sources import Source


async def write_export(source: Source, path: Path, genesis: Genesis, *, last: int, advance: Advance) -> LinkedBlocks:
    """Write the blocks of `source` up to `last` to `path`; they are held against each other, not verified.

    Raises `WalletError`: 10 for what is not of one piece with the pinned genesis, 2 when something is at `path`.
    """
    linked, manifest = LinkedBlocks(genesis), ManifestBuilder(genesis)
    try:
        with create_whole(path, mode=PUBLIC) as file:
            file.write(first_line(genesis))
            async for batch in source.batches(last):
                for text in batch:
                    lines = b"".join(text.lines)
                    linked.take(text)
                    manifest.add(lines)
                    file.write(lines)
                    advance(text.height, len(text.lines) - 1)
            file.write(manifest.build(linked.header, linked.block_hash))
    except FlawError as flaw:
        raise flawed(flaw) from None
    return linked
