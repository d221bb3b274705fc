"""Opening blocks on all cores: worker processes read, hash and verify, while the audit executes.

Nearly all of an audit is the verification of signatures, which needs no state: `ledger.audit.open_block`. Batches of
blocks go to workers and come back in order. What is under way is bounded, so that reading waits for whoever is slowest.
A worker that dies ends the audit with an error, and when the audit itself is killed its workers end, too. An audit of
one batch has no workers: starting them would take longer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeAlias

from ledger.audit import FlawError, OpenedBlock
from ledger.consensus.statements import SigningContext
from ledger.crypto import verify
from ledger.export_reading import BlockText, open_exported_block
from ledger.limits import AUDIT_BATCHES_PER_WORKER_MAX
from ledger.validators import ValidatorSet
from wallet.exit_codes import ExitCode, WalletError

Batch: TypeAlias = tuple[BlockText, ...]

Opened: TypeAlias = tuple[tuple[OpenedBlock, ...], FlawError | None]
"""The blocks of a batch up to the first that is flawed, and its flaw."""


def default_workers() -> int:
    """One worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_batch(context: SigningContext, validators: ValidatorSet, batch: Batch) -> Opened:
    """Open the blocks of a batch, which `validators` should have signed: what a worker does."""
    opened: list[OpenedBlock] = []
    for text in batch:
        try:
            opened.append(open_exported_block(text, context=context, validators=validators, verify_signature=verify))
        except FlawError as flaw:
            return tuple(opened), flaw
    return tuple(opened), None


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch, and what will become of it."""

    batch: Batch
    opened: asyncio.Future[Opened]


async def opened_blocks(
    batches: AsyncIterator[Batch], *, context: SigningContext, validators: Callable[[], ValidatorSet], workers: int
) -> AsyncGenerator[tuple[BlockText, OpenedBlock], None]:
    """Each block of `batches`, opened, in order. `validators` gives the set of the newest block that was audited.

    Raises `FlawError` at the first block that is flawed, what `batches` raises where they end, and `WalletError` when
    a worker died. With no `workers` everything happens here.
    """
    under_way: asyncio.Queue[_UnderWay | Exception | None] = asyncio.Queue(
        max(1, workers * AUDIT_BATCHES_PER_WORKER_MAX)
    )
    pool = _Pool(workers)

    async def feed() -> None:
        try:
            async for batch in batches:
                await under_way.put(_UnderWay(batch, pool.open(context, validators(), batch)))
        except Exception as failure:
            await under_way.put(failure)
        else:
            await under_way.put(None)

    feeding = asyncio.create_task(feed())
    try:
        while (item := await under_way.get()) is not None:
            if isinstance(item, Exception):
                raise item
            try:
                opened, flaw = await item.opened
            except BrokenProcessPool:
                raise _worker_died() from None
            for text, block in zip(item.batch, opened, strict=False):
                yield text, block
                await asyncio.sleep(0)  # let what was read meanwhile go to the workers
            if flaw is not None:
                raise flaw
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        pool.close()


class _Pool:
    """Worker processes, begun when the second batch comes."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._batches = 0
        self._pool: ProcessPoolExecutor | None = None

    def open(self, context: SigningContext, validators: ValidatorSet, batch: Batch) -> asyncio.Future[Opened]:
        """Begin to open a batch. Raises `WalletError` when a worker died."""
        self._batches += 1
        loop = asyncio.get_running_loop()
        if not self._workers or self._batches == 1:
            done: asyncio.Future[Opened] = loop.create_future()
            done.set_result(open_batch(context, validators, batch))
            return done
        if self._pool is None:
            # Started anew, not forked: this process has an event loop.
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
            )
        try:
            opening = loop.run_in_executor(self._pool, open_batch, context, validators, batch)
        except BrokenProcessPool:
            raise _worker_died() from None
        # When an audit ends early, nobody asks any more what became of the batches that were under way.
        opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        return opening

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Leave interrupts to the audit, which ends its workers, and end with it even when it could not do that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    audit = multiprocessing.parent_process()
    assert audit is not None, "a worker has been started by somebody"

    def end_with_it() -> None:
        audit.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()


def _worker_died() -> WalletError:
    return WalletError(
        ExitCode.UNEXPECTED,
        "worker_died",
        "A process that verifies for the audit died.",
        remedy="It may have been killed for want of memory: give a smaller --workers. What was audited is kept.",
    )
