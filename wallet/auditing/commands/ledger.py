"""`quorum-audit ledger`: verify and execute again a whole chain, from a node or from the file of an export."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, usage_error, verification_error
from wallet.moments import rfc3339
from wallet.options import Command, pass_session

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.genesis import Genesis
    from ledger.pinned_checkpoint import PinnedCheckpoint
    from wallet.auditing.running import Audited
    from wallet.auditing.sources import Source
    from wallet.client import Client
    from wallet.session import Session


@click.command("ledger", cls=Command, short_help="Verify and execute again a whole chain.")
@click.argument("source", metavar="URL|FILE")
@click.option("--to-height", type=click.IntRange(min=1), metavar="HEIGHT", help="Stop after this block.")
@click.option(
    "--workers", type=click.IntRange(0, 1024), metavar="N", help="Processes that verify (default: the cores)."
)
@click.option("--state", metavar="FILE", help="Keep the audit here; the next one audits only what is new.")
@click.option("--restart", is_flag=True, help="Begin with block 1 again, whatever was audited before.")
@pass_session
def ledger(
    session: Session, source: str, *, to_height: int | None, workers: int | None, state: str | None, restart: bool
) -> int:
    """Take every block from the node at URL, or from the export in FILE; verify each signature, certificate and hash,
    and execute each operation.

    \b
    Example:  quorum-audit ledger http://127.0.0.1:8301 --genesis genesis.json
              quorum-audit ledger chain.jsonl --genesis genesis.json

    An audit that is stopped goes on where it stopped when it is asked for again. With --state FILE it also goes on
    after it came to its end: only what is new is audited then.

    With a --checkpoint besides the genesis, the chain must have the block that it pins.

    The first thing that does not hold is named with its height (exit code 10). Next: compare the block hash that is
    printed with another node's, or with the one of your last audit.
    """
    from ledger.crypto import self_test
    from wallet.auditing.opening import default_workers
    from wallet.pinning import pinned_genesis

    genesis = pinned_genesis(session.settings)
    self_test()  # an audit with a library that accepts other signatures is none
    task = _Audit(
        session,
        genesis,
        to_height=to_height,
        workers=default_workers() if workers is None else workers,
        state=state,
        restart=restart,
    )
    audited = task.of_node(source) if source.startswith(("http://", "https://")) else task.of_file(source)
    header = audited.tip.header
    fields: dict[str, Json] = {
        "verified": True,
        "chain": genesis.chain.hex(),
        "network": genesis.network,
        "height": header.height,
        "block_hash": audited.tip.block_hash.hex(),
        "time_ms": header.time_ms,
        "time": rfc3339(header.time_ms),
        "transactions": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
        "from_height": audited.from_height,
    }
    session.output.record(fields)
    if audited.from_height > 1:
        session.output.hint(f"Blocks 1 to {audited.from_height - 1} were audited by an earlier run, and not again.")
    session.output.hint("Every block up to this height follows from genesis by the rules, signed by its quorums.")
    return ExitCode.OK


class _Audit:
    """What the options ask for."""

    def __init__(
        self,
        session: Session,
        genesis: Genesis,
        *,
        to_height: int | None,
        workers: int,
        state: str | None,
        restart: bool,
    ) -> None:
        self._session = session
        self._genesis = genesis
        self._to_height = to_height
        self._workers = workers
        self._state = None if state is None else Path(state).expanduser()
        self._restart = restart

    def of_file(self, name: str) -> Audited:
        """Audit an export."""
        import asyncio

        from wallet.auditing.sources import ExportFile

        path = Path(name)
        with closing(ExportFile(path, self._genesis)) as file:
            return asyncio.run(self._run(file))

    def of_node(self, given: str) -> Audited:
        """Audit a node."""
        from wallet.auditing.sources import node_source
        from wallet.session import node_url
        from wallet.submission import ask

        url = node_url(given)

        async def work(client: Client) -> Audited:
            return await self._run(await node_source(client, url))

        return ask(self._session, work, nodes=(url,))

    async def _run(self, source: Source) -> Audited:
        from wallet.auditing.progress import shown_progress
        from wallet.auditing.running import open_state, rolled_back, run_audit
        from wallet.auditing.store import remove_state

        path = self._state_path(source)
        last = source.blocks if self._to_height is None else min(self._to_height, source.blocks)
        store = open_state(path, self._genesis, source, restart=self._restart)
        try:
            done = store.progress
            if source.blocks < done.height:
                raise rolled_back(source.name, source.blocks, done.height)
            if last < done.height:
                raise usage_error(f"It is audited up to block {done.height}; --restart begins anew.")
            if not source.resumes(done.height, done.fingerprint):
                raise usage_error(
                    f"{source.name} no longer begins with what was audited of it.",
                    code="source_changed",
                    remedy="Begin anew with --restart.",
                )
            if done.height:
                self._session.output.hint(f"Going on after block {done.height}, where an earlier run stopped.")
            checkpoint = self._checkpoint(done.height, last)
            with shown_progress(self._session, source, done.height, store.tip.header.log_size) as advance:
                audited = await run_audit(
                    store,
                    source,
                    last=last,
                    workers=self._workers,
                    advance=advance,
                    warn=self._session.output.warning,
                    path=path,
                    checkpoint=checkpoint,
                )
        finally:
            store.close()
        if self._state is None:
            remove_state(path)
        return audited

    def _checkpoint(self, done: int, last: int) -> PinnedCheckpoint | None:
        """The pinned checkpoint, whose block must be among those that are left. Raises `WalletError`."""
        from wallet.pinning import pinned_checkpoint

        if not self._session.settings.checkpoint:
            return None
        checkpoint = pinned_checkpoint(self._session.settings)
        height = checkpoint.header.height
        if height <= done:
            raise usage_error(f"Block {height}, which is pinned, was audited by an earlier run; --restart begins anew.")
        if height > last:
            raise verification_error(
                f"Block {height} is pinned, and only {last} blocks are to be audited.",
                code="checkpoint_not_reached",
                remedy="Ask another node, or leave --checkpoint or --to-height out.",
            )
        return checkpoint

    def _state_path(self, source: Source) -> Path:
        """The file that was asked for, or one of this chain and source beside the configuration."""
        if self._state is not None:
            return self._state
        name = sha256(self._genesis.chain + source.name.encode()).hexdigest()[:32]
        directory = self._session.config.path.parent / "audits"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory / f"{name}.audit"
