"""Opening blocks while all cores verify: the audit reads, hashes and executes; worker processes verify signatures.

Nearly all of an audit is the verification of signatures, which needs no state. So a batch of blocks is opened here
(`ledger.audit.open_block`) with signatures that are only claimed (`ledger.claims`), and the claims go to a worker. Once
the worker has found all of them true the blocks are handed on, in order; when it has not, the batch is opened again
here, and verified, which finds what does not hold. What is parsed here stays here: handing whole blocks back costs
more than parsing them does.

What is under way is bounded, so that reading waits for whoever is slowest. What a worker that dies or hangs had to
verify is verified here, and when the audit itself is killed its workers end, too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from ledger.audit import FlawError, OpenedBlock
from ledger.claims import Claims
from ledger.consensus.statements import SigningContext
from ledger.crypto import Verify, verify
from ledger.export_reading import BlockText, open_exported_block
from ledger.limits import AUDIT_BATCHES_PER_WORKER_MAX, AUDIT_JOB_SIGNATURES
from ledger.validators import ValidatorSet
from wallet.auditing.workers import Workers

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
    answered: asyncio.Task[bytes] | None

    async def verified(self) -> Opened:
        """What is in the batch."""
        if self.answered is not None and self.claims.found_true(await self.answered):
            return self.opened
        return _open_batch(self.context, self.validators, self.batch, verify)


async def opened_blocks(
    batches: AsyncIterator[Batch],
    *,
    context: SigningContext,
    validators: Callable[[], ValidatorSet],
    workers: int,
    warn: Callable[[str], None],
) -> AsyncGenerator[tuple[BlockText, OpenedBlock], None]:
    """Each block of `batches`, opened, in order. `validators` gives the set of the newest block that was audited.

    Raises `FlawError` at the first block that is flawed, and what `batches` raises where they end. With no `workers`
    everything happens here; `warn` is told of each that is lost.
    """
    under_way: asyncio.Queue[_UnderWay | Exception | None] = asyncio.Queue(
        max(1, workers * AUDIT_BATCHES_PER_WORKER_MAX)
    )
    pool = _Pool(workers, warn)

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
            opened, flaw = await item.verified()
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
    """Worker processes, begun when the first batch comes."""

    def __init__(self, count: int, warn: Callable[[str], None]) -> None:
        self._count = count
        self._warn = warn
        self._workers: Workers | None = None

    def open(self, context: SigningContext, validators: ValidatorSet, batch: Batch) -> _UnderWay:
        """Open a batch, and begin to verify it."""
        claims = Claims()
        if not self._count:
            return _UnderWay(batch, context, validators, ((), None), claims, None)
        if self._workers is None:
            self._workers = Workers(self._count, warn=self._warn)
        opened = _open_batch(context, validators, batch, claims.claim)
        answered = self._workers.answers(claims.jobs(AUDIT_JOB_SIGNATURES))
        return _UnderWay(batch, context, validators, opened, claims, answered)

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
