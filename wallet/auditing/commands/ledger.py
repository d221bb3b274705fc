"""`quorum-audit ledger`: fetch every block and have `ledger.audit` verify and execute the whole chain again."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode
from wallet.moments import rfc3339
from wallet.options import Command, pass_session
from wallet.receipts import judged
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.audit import ChainAudit
    from ledger.encoding import Json
    from ledger.genesis import Genesis
    from wallet.client import Client
    from wallet.session import Session

BLOCKS_IN_FLIGHT = 8


@click.command("ledger", cls=Command, short_help="Verify and execute again a whole chain.")
@click.argument("url")
@click.option("--to-height", type=click.IntRange(min=1), metavar="HEIGHT", help="Stop after this block.")
@pass_session
def ledger(session: Session, url: str, to_height: int | None) -> int:
    """Fetch every block from the node at URL; verify each signature, certificate and hash, and execute each operation.

    \b
    Example:  quorum-audit ledger http://127.0.0.1:8301 --genesis genesis.json

    The first thing that does not hold is named with its height (exit code 10). Next: compare the block hash that is
    printed with another node's, or with the one of your last audit.
    """
    from wallet.pinning import pinned_genesis
    from wallet.submission import ask

    genesis = pinned_genesis(session.settings)

    async def work(client: Client) -> ChainAudit:
        head = await client.head()
        last = head.height if to_height is None else min(head.height, to_height)
        with _progress(session, last) as advance:
            return await _audit(client, genesis, last, advance)

    audit = ask(session, work, nodes=(node_url(url),))
    header = audit.tip.header
    fields: dict[str, Json] = {
        "verified": True,
        "chain": genesis.chain.hex(),
        "network": genesis.network,
        "height": header.height,
        "block_hash": audit.tip.block_hash.hex(),
        "time_ms": header.time_ms,
        "time": rfc3339(header.time_ms),
        "transactions": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
    }
    session.output.record(fields)
    session.output.hint("Every block up to this height follows from genesis by the rules, signed by its quorums.")
    return ExitCode.OK


async def _audit(client: Client, genesis: Genesis, last: int, advance: Callable[[], object]) -> ChainAudit:
    """The audit after block `last`. Raises `WalletError` (10), naming the first height at which something is wrong."""
    from ledger.audit import ChainAudit

    audit = ChainAudit(genesis)
    waiting: deque[asyncio.Task[tuple[bytes, list[bytes]]]] = deque()
    requested = 0
    try:
        for height in range(1, last + 1):
            while requested < min(last, height + BLOCKS_IN_FLIGHT - 1):
                requested += 1
                waiting.append(asyncio.create_task(_fetch(client, requested)))
            record, envelopes = await waiting.popleft()
            judged(partial(audit.append, record, envelopes), f"Block {height}")
            advance()
        judged(audit.check_supplies, f"The state after block {last}")
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return audit


async def _fetch(client: Client, height: int) -> tuple[bytes, list[bytes]]:
    """The commit record and the exact envelopes of a block."""
    from ledger.limits import RECORD_BYTES_MAX

    record = await client.get_bytes(f"/v1/blocks/{height}/certificate", bytes_max=RECORD_BYTES_MAX)
    body = await client.get_bytes(f"/v1/blocks/{height}/body")
    return record, [line for line in body.split(b"\n") if line]


@contextmanager
def _progress(session: Session, last: int) -> Iterator[Callable[[], object]]:
    """A progress bar on stderr while blocks are audited; nothing where nobody would see it."""
    if session.quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True, no_color=not session.output.color), transient=True) as progress:
        task = progress.add_task("Blocks", total=last)
        yield lambda: progress.advance(task)
