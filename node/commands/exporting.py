"""`export` and `import`: a stopped node's whole chain as a file of JSON lines (`ledger.export`), and back."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.commands.failures import CommandError, ExitCode
from node.commands.options import file_argument, home_option, load_config

if TYPE_CHECKING:
    from ledger.audit import ChainAudit
    from ledger.export import ManifestBuilder
    from ledger.export_reading import ExportReader
    from node.storage.chain_store import ChainStore


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
def export(file: Path, home: Path) -> None:
    """Write the whole chain of a stopped node to FILE, as JSON lines that anyone can read.

    \b
    Example:
      quorum-node export chain.jsonl --home acme-1

    Nothing is changed in the home. FILE is there when all of it is written. From a running node an auditor exports
    with quorum-audit export URL FILE.

    Next: quorum-audit ledger chain.jsonl --genesis genesis.json, or quorum-node import chain.jsonl in another home.
    """
    from ledger.export import ManifestBuilder, block_lines, first_line
    from node.home import data_paths
    from node.storage.durable import create_whole
    from node.storage.errors import DamagedError
    from node.storage.leveldb import open_database
    from node.storage.opening import open_chain

    with closing(open_database(data_paths(load_config(home)).database)) as store, create_whole(file) as out:
        chain = open_chain(store)
        manifest = ManifestBuilder(chain.genesis)
        out.write(first_line(chain.genesis))
        heights = range(1, chain.tip.header.height + 1)
        try:
            with click.progressbar(heights, label="blocks", file=sys.stderr) as shown:
                for height in shown:
                    entries = chain.block(height).transactions()
                    lines = block_lines(chain.block_hash(height), chain.record(height), entries)
                    out.write(lines)
                    manifest.add(lines)
        except DamagedError as error:
            raise CommandError(f"the database is damaged: {error}", ExitCode.VERIFICATION_FAILED) from None
        out.write(manifest.build(chain.tip.header, chain.tip.block_hash))
        head = chain.tip
    click.echo(f"exported blocks 1 to {head.header.height} of chain {head.header.chain.hex()} to {file}")


@click.command("import")
@click.argument("file", type=file_argument)
@home_option
def import_(file: Path, home: Path) -> None:
    """Verify and execute every block of the export in FILE, and append it to the chain of a stopped node.

    \b
    Example:
      quorum-node import chain.jsonl --home acme-2

    The home has adopted the chain's genesis; mostly it is new. Blocks that it has already are skipped: an import that
    was cut short, by whatever, is run again. Nothing in the file is believed: what is not signed by the quorum of its
    height, or does not give its header when it is executed again, is not appended (exit code 10), and names its block.

    Next: quorum-node start, which fetches from peers what is newer.
    """
    from ledger.audit import ChainAudit
    from ledger.crypto import self_test
    from ledger.errors import LedgerError, MalformedError
    from ledger.export import ManifestBuilder
    from ledger.export_reading import ExportReader
    from node.home import open_home

    self_test()
    store, chain = open_home(load_config(home))
    with closing(store), file.open("rb") as data:

        def read(offset: int, size: int) -> bytes:
            data.seek(offset)
            return data.read(size)

        before = chain.tip.header.height
        try:
            reader = ExportReader(chain.genesis, data.seek(0, os.SEEK_END), read)
        except MalformedError as error:
            raise CommandError(f"{file} cannot be imported: {error}", ExitCode.VERIFICATION_FAILED) from None
        manifest, audit = ManifestBuilder(chain.genesis), ChainAudit(chain)
        try:
            _append(reader, manifest, chain, audit)
            audit.check_supplies()
        except LedgerError as error:
            kept = chain.tip.header.height
            message = f"{file}: {error}; blocks up to {kept} hold, and the node has them"
            raise CommandError(message, ExitCode.VERIFICATION_FAILED) from None
        head = chain.tip.header.height
        whole = reader.manifest.blocks
        if head == whole and manifest.build(chain.tip.header, chain.tip.block_hash) != reader.manifest.line:
            message = (
                f"every block in {file} holds, and the node has them; but the manifest is not that of these blocks"
            )
            raise CommandError(message, ExitCode.VERIFICATION_FAILED)
    click.echo(
        f"imported blocks {before + 1} to {head}" if head > before else f"the node has all {whole} blocks already"
    )


def _append(reader: ExportReader, manifest: ManifestBuilder, chain: ChainStore, audit: ChainAudit) -> None:
    """Append the blocks that the chain lacks. Raises `FlawError`."""
    from ledger.audit import FlawError
    from ledger.crypto import verify
    from ledger.export_reading import open_exported_block

    with click.progressbar(reader.blocks(), length=reader.manifest.blocks, label="blocks", file=sys.stderr) as texts:
        for text in texts:
            if text.height > chain.tip.header.height:
                opened = open_exported_block(
                    text, context=audit.context, validators=audit.validators, verify_signature=verify
                )
                audit.append_opened(opened)
            elif text.claimed_hash != chain.block_hash(text.height).hex():
                raise FlawError(text.height, "its block hash", "it is another block than this node has")
            manifest.add(b"".join(text.lines))
