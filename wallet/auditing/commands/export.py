"""`quorum-audit export`: the whole chain of a node as a file of JSON lines that anyone can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode
from wallet.options import Command, pass_session
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.export_reading import LinkedBlocks
    from wallet.client import Client
    from wallet.session import Session


@click.command("export", cls=Command, short_help="Write a whole chain to a file that anyone can read.")
@click.argument("url")
@click.argument("file")
@click.option("--to-height", type=click.IntRange(min=1), metavar="HEIGHT", help="Stop after this block.")
@pass_session
def export(session: Session, url: str, file: str, *, to_height: int | None) -> int:
    """Write every block of the node at URL to FILE: JSON lines with the exact bytes that were signed, and a manifest.

    \b
    Example:  quorum-audit export http://127.0.0.1:8301 chain.jsonl --genesis genesis.json

    The blocks are held against each other, from the pinned genesis on, and FILE is there when all of it is written. It
    is of one piece then; whether it is true says an audit. An operator makes the same file from a stopped node with
    quorum-node export, and another node of it with quorum-node import.

    Next: quorum-audit ledger FILE --genesis genesis.json
    """
    from wallet.pinning import pinned_genesis
    from wallet.submission import ask

    genesis = pinned_genesis(session.settings)
    path = Path(file)

    async def work(client: Client) -> LinkedBlocks:
        from wallet.auditing.exporting import write_export
        from wallet.auditing.progress import shown_progress
        from wallet.auditing.sources import node_source

        source = await node_source(client, node_url(url))
        last = source.blocks if to_height is None else min(to_height, source.blocks)
        with shown_progress(session, source, 0, 0) as advance:
            return await write_export(source, path, genesis, last=last, advance=advance)

    blocks = ask(session, work, nodes=(node_url(url),))
    fields: dict[str, Json] = {
        "file": str(path),
        "chain": genesis.chain.hex(),
        "network": genesis.network,
        "height": blocks.header.height,
        "block_hash": blocks.block_hash.hex(),
        "transactions": blocks.header.log_size,
        "bytes": path.stat().st_size,
    }
    session.output.record(fields)
    session.output.hint(f"Not verified yet. Next: quorum-audit ledger {path} --genesis FILE")
    return ExitCode.OK
