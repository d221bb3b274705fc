"""`quorum-audit watch`: nodes held to what they have shown, and to each other."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, WalletError, usage_error, verification_error
from wallet.files import PUBLIC, create_file
from wallet.options import Command, pass_session
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.auditing.watch_metrics import WatchMetrics
    from wallet.auditing.watching import Finding, Look, Watch
    from wallet.client import Client
    from wallet.pinning import Pin
    from wallet.session import Session


@click.command("watch", cls=Command, short_help="Watch nodes: one chain, going on, the same for everybody.")
@click.argument("urls", metavar="URL...", nargs=-1)
@click.option("--once", is_flag=True, help="Look once, for cron: exit code 10 when anything was found.")
@click.option(
    "--interval", type=click.FloatRange(0.1, 86_400), default=10.0, show_default=True, metavar="SECONDS",
    help="Between two looks.",
)  # fmt: skip
@click.option(
    "--stalled-after", type=click.FloatRange(1), default=300.0, show_default=True, metavar="SECONDS",
    help="How old a node's newest block may be.",
)  # fmt: skip
@click.option("--state", metavar="FILE", help="What was seen (default: beside the configuration).")
@click.option("--evidence", default=".", show_default=True, metavar="DIR", help="Where proofs of two chains are saved.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics there.")
@pass_session
def watch(
    session: Session,
    urls: tuple[str, ...],
    *,
    once: bool,
    interval: float,
    stalled_after: float,
    state: str | None,
    evidence: str,
    metrics: str | None,
) -> int:
    """Hold each node to what was seen before, and the nodes to each other. Runs until it is interrupted.

    \b
    Example:  quorum-audit watch https://a.example https://b.example --genesis genesis.json --metrics 127.0.0.1:9109
              quorum-audit watch https://a.example https://b.example --genesis genesis.json --once

    The newest block that was seen is kept. Every later one must be certified, and its log must go on from there. Two
    certified blocks of one height (a split view) are saved as a file that proves it; a node that shows less than it
    did, or nothing new for --stalled-after, is named. A node that is merely behind the others is none of these.

    Next: a file of a split view is checked with quorum-audit verify FILE, by anybody, offline.
    """
    from wallet.pinning import pinned

    nodes = tuple(dict.fromkeys(map(node_url, urls))) or session.nodes
    job = _Job(
        session,
        pinned(session.settings),
        nodes,
        stalled_after_ms=int(stalled_after * 1000),
        state=None if state is None else Path(state).expanduser(),
        evidence=Path(evidence).expanduser(),
    )
    return asyncio.run(job.run(once=once, interval_s=interval, metrics=metrics))


class _Job:
    """What the options ask for."""

    def __init__(
        self,
        session: Session,
        pin: Pin,
        nodes: tuple[str, ...],
        *,
        stalled_after_ms: int,
        state: Path | None,
        evidence: Path,
    ) -> None:
        from ledger.limits import WATCH_NODES_MAX
        from wallet.auditing.watch_metrics import WatchMetrics
        from wallet.auditing.watch_state import load_memory
        from wallet.auditing.watching import Watch

        if len(nodes) > WATCH_NODES_MAX:
            raise usage_error(f"{len(nodes)} nodes; at most {WATCH_NODES_MAX} are watched at once.")
        if state is None:
            directory = session.config.path.parent / "watches"
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = directory / f"{pin.anchor.chain.hex()}.json"
        self._session = session
        self._nodes = nodes
        self._state = state
        self._evidence = evidence
        self._watch: Watch = Watch(
            pin, load_memory(state), stalled_after_ms=stalled_after_ms, now_ms=lambda: time.time_ns() // 1_000_000
        )
        self._metrics: WatchMetrics = WatchMetrics()
        self._said: set[tuple[str, str]] = set()
        self._found = False

    async def run(self, *, once: bool, interval_s: float, metrics: str | None) -> int:
        """Look once, or until a signal. The exit code; raises `WalletError` (10, 14) after a single look."""
        from wallet import client

        async with AsyncExitStack() as stack:
            if metrics is not None:
                resources = stack.enter_context(ExitStack())
                resources.enter_context(self._metrics.served(*_address(metrics)))
            seconds, notice, tokens = self._session.settings.timeout_s, self._session.output.hint, self._session.tokens
            nodes = {
                url: await stack.enter_async_context(
                    client.connect((url,), timeout_s=seconds, notice=notice, tokens=tokens)
                )
                for url in self._nodes
            }
            if once:
                return await self._once(nodes)
            ended = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
            while not ended.is_set():
                await self._again(nodes)
                try:
                    await asyncio.wait_for(ended.wait(), interval_s)
                except TimeoutError:
                    continue
        return ExitCode.VERIFICATION_FAILED if self._found else ExitCode.OK

    async def _once(self, nodes: Mapping[str, Client]) -> int:
        look = await self._look(nodes)
        known = self._watch.known
        fields: dict[str, Json] = {
            "verified": not look.findings,
            "height": 0 if known is None else known.header.height,
            "block_hash": None if known is None else known.block_hash.hex(),
            "nodes": [view.to_json() for view in look.views],
            "findings": [finding.to_json() for finding in look.findings],
        }
        lines = [
            ("verified", "no" if look.findings else "yes"),
            ("newest seen", f"{fields['height']} ({fields['block_hash']})"),
            *((view.url, view.problem or f"block {view.height}") for view in look.views),
        ]
        self._session.output.record(fields, lines)
        if look.findings:
            worst = look.findings[0]
            raise verification_error(
                " ".join(finding.sentence for finding in look.findings),
                code=str(worst.kind),
                remedy="Ask the operators, with the file of evidence if there is one; do not rely on what differs.",
                details={"node": worst.node, "height": worst.height},
            )
        return ExitCode.OK

    async def _again(self, nodes: Mapping[str, Client]) -> None:
        """One look of many: what is new in it is said, once until it is over."""
        try:
            look = await self._look(nodes)
        except WalletError as error:
            if error.exit_code is not ExitCode.NODE_UNREACHABLE:
                raise
            self._metrics.nobody_answered(self._nodes)
            self._say("", "unreachable", error.sentence)
            return
        self._said.discard(("", "unreachable"))
        now = {(finding.node, str(finding.kind)) for finding in look.findings}
        now |= {(view.url, "problem") for view in look.views if view.problem}
        self._said &= now
        for finding in look.findings:
            self._say(finding.node, str(finding.kind), finding.sentence)
        for view in look.views:
            if view.problem and not any(finding.node == view.url for finding in look.findings):
                self._say(view.url, "problem", view.problem)

    async def _look(self, nodes: Mapping[str, Client]) -> Look:
        """Look, and keep what was seen and what proves something."""
        from wallet.auditing.watch_state import save_memory

        before = self._watch.memory
        look = await self._watch.look(nodes)
        self._metrics.saw(self._watch, look)
        for finding in look.findings:
            self._found = True
            if finding.evidence is not None:
                self._keep(finding, finding.evidence)
        if self._watch.memory != before:
            save_memory(self._state, self._watch.memory)
        return look

    def _keep(self, finding: Finding, evidence: bytes) -> None:
        """Save the proof, once."""
        path = self._evidence / f"split-view-{finding.height}-{sha256(evidence).hexdigest()[:16]}.json"
        if not path.exists():
            create_file(path, evidence, mode=PUBLIC)
            self._session.output.warning(f"The proof that there are two chains is in {path}.")

    def _say(self, node: str, what: str, sentence: str) -> None:
        if (node, what) in self._said:
            return
        self._said.add((node, what))
        if self._session.output.structured:
            self._session.output.record({"node": node or None, "kind": what, "detail": sentence})
        else:
            self._session.output.warning(sentence)


def _address(text: str) -> tuple[str, int]:
    """Host and port. Raises `WalletError` (2)."""
    host, _, port = text.rpartition(":")
    is_number = port.isascii() and port.isdecimal() and len(port) <= 5
    if not host or not is_number or not 0 < int(port) < 65_536:
        raise usage_error(f"'{text}' is no address for --metrics; it looks like 127.0.0.1:9109.")
    return host.strip("[]"), int(port)
