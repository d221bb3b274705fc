"""`verify-store`: a stopped node's database, held against the chain's own hashes and certificates."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from node.commands.failures import CommandError, ExitCode
from node.commands.options import home_option, load_config
from node.home import data_paths


@click.command("verify-store")
@home_option
@click.option("--from-height", type=click.IntRange(0), default=0, show_default=True, help="Start at this block.")
def verify_store(home: Path, from_height: int) -> None:
    """Verify the database of a stopped node: hashes, links, certificates, the log, and the newest state.

    \b
    Example:
      quorum-node verify-store --home acme-1

    Nothing is changed. Exit code 0 when everything is as this chain committed it, 10 when anything is not: the first
    lines name what. Next, after damage: start; the node repairs what it meets, from peers. If it cannot start, move
    data/database away and start: the chain is fetched again from peers, and the validator votes again once it is past
    its guard and was started anew.
    """
    from node.storage.check import check_blocks, check_rows, check_state
    from node.storage.errors import DamagedError
    from node.storage.leveldb import open_database
    from node.storage.opening import open_chain

    store = open_database(data_paths(load_config(home)).database)
    try:
        try:
            chain = open_chain(store)
        except DamagedError as error:
            raise CommandError(f"the database is damaged: {error}", ExitCode.VERIFICATION_FAILED) from None
        newest, damage = chain.tip.header.height, list[str]()
        checks, count = check_blocks(chain, from_height=from_height), max(0, newest + 1 - from_height)
        with click.progressbar(checks, length=count, label="blocks", file=sys.stderr) as blocks:
            for block in blocks:
                damage += [f"block {block.height}: {sentence}" for sentence in block.damage]
        damage += check_state(chain)
        damage += [sentence for sentence in (check_rows(chain),) if sentence is not None]
    finally:
        store.close()
    if damage:
        for sentence in damage[:_SHOWN_MAX]:
            click.echo(sentence)
        raise CommandError(f"{len(damage)} things are not as this chain committed them", ExitCode.VERIFICATION_FAILED)
    click.echo(
        f"verified: blocks {from_height} to {newest} of chain {chain.chain.hex()}, and the state after the newest"
    )


_SHOWN_MAX = 50
