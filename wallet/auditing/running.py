"""An audit from its source to its end: resumed where it stopped, and kept when it is stopped."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.audit import ChainAudit, FlawError, OpenedBlock
from ledger.crypto import verify
from ledger.errors import LedgerError
from ledger.limits import AUDIT_ALONE_TRANSACTIONS_MAX
from wallet.auditing.opening import opened_blocks
from wallet.auditing.store import AuditStateError, AuditStore, remove_state
from wallet.exit_codes import WalletError, usage_error, verification_error

if TYPE_CHECKING:
    from ledger.chain import Tip
    from ledger.genesis import Genesis
    from ledger.pinned_checkpoint import PinnedCheckpoint
    from wallet.auditing.progress import Advance
    from wallet.auditing.sources import Source

_GARBAGE_THRESHOLD: Final = 100_000  # container objects, some tens of megabytes at most


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found: the newest block, and the first height that this run looked at."""

    tip: Tip
    from_height: int


def open_state(path: Path, genesis: Genesis, source: Source, *, restart: bool) -> AuditStore:
    """The state of an audit of `source`, new or from where it stopped. Raises `WalletError` (2)."""
    if restart:
        remove_state(path)
    try:
        store = AuditStore(path, genesis, source.name)
        try:
            store.verify(verify)
        except BaseException:
            store.close()
            raise
    except AuditStateError as error:
        raise _unusable(path, error) from None
    return store


async def run_audit(
    store: AuditStore,
    source: Source,
    *,
    last: int,
    workers: int,
    advance: Advance,
    warn: Callable[[str], None],
    path: Path,
    checkpoint: PinnedCheckpoint | None = None,
) -> Audited:
    """Audit the blocks of `source` that follow those in `store`, up to `last`; one of them is that of `checkpoint`.

    Raises `WalletError`: 10, naming the first item that does not hold and its height, or what else ended it. Whatever
    does, the state (at `path`) is written, so that the next run goes on. `warn` is told of workers that are lost.
    """
    audit = ChainAudit(store)
    from_height = store.tip.header.height + 1
    few = source.transactions - store.tip.header.log_size <= AUDIT_ALONE_TRANSACTIONS_MAX
    blocks = opened_blocks(
        source.batches(last),
        context=audit.context,
        validators=lambda: audit.validators,
        workers=0 if few else workers,
        warn=warn,
    )
    try:
        try:
            with _rare_collections():
                async with aclosing(blocks):
                    async for text, opened in blocks:
                        if checkpoint is not None and text.height == checkpoint.header.height:
                            _hold_to_pinned(opened, checkpoint)
                        audited = audit.append_opened(opened)
                        source.take(text)
                        advance(audited.height, len(opened.transactions))
                        if store.crowded:
                            store.write(source.fingerprint)
        finally:
            store.write(source.fingerprint)
        if audit.tip.header.height == source.blocks:
            source.check_end(audit.tip)
        audit.check_supplies()
        store.write(source.fingerprint, finished=True)
    except FlawError as flaw:
        raise flawed(flaw) from None
    except LedgerError as error:
        height = audit.tip.header.height
        raise verification_error(
            f"The state after block {height} does not verify: {error}.", details={"height": height}
        ) from None
    except AuditStateError as error:
        raise _unusable(path, error) from None
    return Audited(audit.tip, from_height)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Blocks are many small objects and none of them is in a cycle: the defaults look for cycles among them so often
    that it takes a third of the time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _hold_to_pinned(opened: OpenedBlock, checkpoint: PinnedCheckpoint) -> None:
    """Raise `FlawError` unless this is the block that the auditor has pinned."""
    if opened.block_hash != checkpoint.block_hash:
        reason = f"it is not that of the pinned checkpoint, {checkpoint.block_hash.hex()}"
        raise FlawError(checkpoint.header.height, "its block hash", reason)


def flawed(flaw: FlawError) -> WalletError:
    """What does not hold, with its height."""
    return verification_error(
        f"Block {flaw.height} does not verify: {flaw.item}: {flaw.reason}.",
        remedy="Do not rely on this chain from that block on. Check that the genesis is the right one, and ask another "
        "node.",
        details={"height": flaw.height, "item": flaw.item},
    )


def _unusable(path: Path, error: AuditStateError) -> WalletError:
    return usage_error(
        f"The audit's state, {path}, cannot be used: {error}.",
        code="audit_state",
        remedy="Name another file with --state, see that the disk is not full, or begin anew with --restart.",
    )


def rolled_back(url: str, height: int, audited: int) -> WalletError:
    """The node has fewer blocks than it had."""
    return verification_error(
        f"{url} has {height} blocks; up to block {audited} it has been audited before.",
        code="rolled_back",
        remedy="It lost or took back blocks: ask its operator, and compare it with other nodes (quorum-audit watch).",
    )
