"""Opening blocks while all cores verify: the audit reads, hashes and executes; worker processes verify signatures.

Nearly all of an audit is the verification of signatures, which needs no state. So a batch of blocks is opened here
(`ledger.audit.open_block`) with signatures that are only claimed (`ledger.claims`), and the claims go to a worker. Once
the worker has found all of them true the blocks are handed on, in order; when it has not, the batch is opened again
here, and verified, which finds what does not hold. What is parsed here stays here: handing whole blocks back costs
more than parsing them does.

What is under way is bounded, so that reading waits for whoever is slowest. A worker that dies ends the audit with an
error, and when the audit itself is killed its workers end, too. An audit of one batch has no workers: starting them
would take longer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeAlias

from ledger.audit import FlawError, OpenedBlock
from ledger.claims import Claims, answer
from ledger.consensus.statements import SigningContext
from ledger.crypto import Verify, verify
from ledger.export_reading import BlockText, open_exported_block
from ledger.limits import AUDIT_BATCHES_PER_WORKER_MAX
from ledger.validators import ValidatorSet
from wallet.auditing.worker import begin_worker
from wallet.exit_codes import ExitCode, WalletError

Batch: TypeAlias = tuple[BlockText, ...]

Opened: TypeAlias = tuple[tuple[OpenedBlock, ...], FlawError | None]
"""The blocks of a batch up to the first that is flawed, and its flaw."""


def default_workers() -> int:
    """One worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_batch(context: SigningContext, validators: ValidatorSet, batch: Batch, verify_signature: Verify) -> Opened:
    """Open the blocks of a batch, which `validators` should have signed."""
    opened: list[OpenedBlock] = []
    for text in batch:
        try:
            opened.append(
                open_exported_block(text, context=context, validators=validators, verify_signature=verify_signature)
            )
        except FlawError as flaw:
            return tuple(opened), flaw
    return tuple(opened), None


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch, what it is opened with, what was found in it if all `claims` are true, and whether they are: `answered`,
    None when there is nothing to wait for."""

    batch: Batch
    context: SigningContext
    validators: ValidatorSet
    opened: Opened
    claims: Claims
    answered: asyncio.Future[bytes] | None

    async def verified(self) -> Opened:
        """What is in the batch. Raises `BrokenProcessPool` when a worker died."""
        if self.answered is not None and self.claims.found_true(await self.answered):
            return self.opened
        return _open_batch(self.context, self.validators, self.batch, verify)


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
                await under_way.put(pool.open(context, validators(), batch))
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
                opened, flaw = await item.verified()
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

    def open(self, context: SigningContext, validators: ValidatorSet, batch: Batch) -> _UnderWay:
        """Open a batch, and begin to verify it. Raises `WalletError` when a worker died."""
        self._batches += 1
        claims = Claims()
        if not self._workers or self._batches == 1:
            return _UnderWay(batch, context, validators, ((), None), claims, None)
        opened = _open_batch(context, validators, batch, claims.claim)
        if self._pool is None:
            # Started anew, not forked: this process has an event loop.
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=begin_worker
            )
        try:
            answered = asyncio.get_running_loop().run_in_executor(self._pool, answer, claims.job())
        except BrokenProcessPool:
            raise _worker_died() from None
        # When an audit ends early, nobody asks any more what became of the batches that were under way.
        answered.add_done_callback(lambda done: done.cancelled() or done.exception())
        return _UnderWay(batch, context, validators, opened, claims, answered)

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _worker_died() -> WalletError:
    return WalletError(
        ExitCode.UNEXPECTED,
        "worker_died",
        "A process that verifies for the audit died.",
        remedy="It may have been killed for want of memory: give a smaller --workers. What was audited is kept.",
    )
