"""The progress bar of an audit: how far, how fast, and how long it will take. On stderr, for people."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wallet.auditing.sources import Source
    from wallet.session import Session

Advance: TypeAlias = Callable[[int, int], None]
"""Told of each block: its height, and how many transactions it has."""

_UPDATES_S = 0.1  # between two updates: a block may take less than showing it


class AuditProgress:
    """A bar over blocks and transactions, as many as a source says that it has; each counts as one step."""

    def __init__(
        self, blocks: int, transactions: int, *, color: bool, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        # Only here: it takes as long to import as a thousand transactions to audit, and most audits show no bar.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("block {task.fields[height]} of {task.fields[blocks]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]} transactions/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True, no_color=not color),
            transient=True,
        )
        self._now_s = now_s
        self._task = self._progress.add_task(
            "audit", total=blocks + transactions, height=0, blocks=f"{blocks:,}", rate="-"
        )
        self._height = 0
        self._transactions = 0
        self._before = 0
        self._shown_s = self._begun_s = now_s()

    def __enter__(self) -> AuditProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show()
        self._progress.stop()

    def begin(self, height: int, transactions: int) -> None:
        """Start at a block with so many transactions up to it."""
        self._height, self._transactions, self._before = height, transactions, transactions
        self._begun_s = self._now_s()
        self._show()

    def advance(self, height: int, transactions: int) -> None:
        """A block with so many transactions holds."""
        self._height = height
        self._transactions += transactions
        if self._now_s() - self._shown_s >= _UPDATES_S:
            self._show()

    def _show(self) -> None:
        self._shown_s = self._now_s()
        rate = (self._transactions - self._before) / max(self._shown_s - self._begun_s, 1e-3)
        self._progress.update(
            self._task,
            completed=self._height + self._transactions,
            height=f"{self._height:,}",
            rate=f"{rate:,.0f}",
        )


@contextmanager
def shown_progress(session: Session, source: Source, height: int, transactions: int) -> Iterator[Advance]:
    """A bar on stderr from this block on, with so many transactions up to it; nothing where nobody would see it."""
    if session.quiet or not sys.stderr.isatty():
        yield lambda height, transactions: None
        return
    with AuditProgress(source.blocks, source.transactions, color=session.output.color) as progress:
        progress.begin(height, transactions)
        yield progress.advance
