"""`quorum-audit`: prove what happened, without trusting the node that answers. The judgement is `ledger`'s.

`verify` checks one receipt or evidence file and needs no network. `ledger` fetches every block from a node and has
`ledger.audit` verify and execute the whole chain again, from a genesis that the auditor brought along.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from wallet.commands.receipt import verify_receipt
from wallet.exit_codes import ExitCode
from wallet.files import read_bounded
from wallet.moments import rfc3339
from wallet.options import Root, pass_session
from wallet.receipts import judged
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.audit import ChainAudit
    from ledger.encoding import Json
    from ledger.genesis import Genesis
    from wallet.client import Client
    from wallet.session import Session

BLOCKS_IN_FLIGHT = 8


@click.group(cls=Root, name="quorum-audit", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorum-ledger", prog_name="quorum-audit")
def main() -> None:
    """Prove what happened on a quorum ledger, without trusting the node that answers.

    \b
    To begin:
      quorum-audit verify inv-7.receipt.json --genesis genesis.json
      quorum-audit verify evidence-9f2c.json --genesis genesis.json
      quorum-audit ledger http://127.0.0.1:8301 --genesis genesis.json

    Everything is checked against a genesis file that you bring: get it, or its hash, from somebody you trust. Exit
    code 10 says that something does not hold, 14 that nobody could be asked.
    """


@main.command("verify", short_help="Verify a receipt or an evidence file. Offline.")
@click.argument("file")
@pass_session
def verify(session: Session, file: str) -> int:
    """Verify a receipt, or evidence against a validator, against the pinned genesis. No network.

    What FILE is stands in it. The genesis is that of --genesis FILE, or the profile's.

    \b
    Example:  quorum-audit verify inv-7.receipt.json --genesis genesis.json
              quorum-audit verify evidence-9f2c.json --genesis genesis.json

    Next: exit code 0 means that all that is printed is proved; 10 that nothing is.
    """
    from ledger.encoding import decode_form
    from ledger.errors import MalformedError
    from ledger.evidence_file import EVIDENCE_KIND
    from ledger.limits import EVIDENCE_FILE_BYTES_MAX, RECEIPT_BYTES_MAX
    from wallet.evidence import verify_evidence_file
    from wallet.pinning import pinned_genesis

    genesis = pinned_genesis(session.settings)
    data = read_bounded(file, max(RECEIPT_BYTES_MAX, EVIDENCE_FILE_BYTES_MAX))
    try:
        value = decode_form(data, bytes_max=len(data), what=file)
    except MalformedError:
        value = None  # what reads it next says what is wrong
    if isinstance(value, dict) and value.get("kind") == EVIDENCE_KIND:
        verify_evidence_file(session, data, genesis)
    else:
        verify_receipt(session, data, genesis)
    return ExitCode.OK


@main.command("ledger", short_help="Verify and execute again a whole chain.")
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
