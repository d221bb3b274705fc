"""Receipts, judged by `ledger.receipt` against the genesis that the user pinned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from wallet.exit_codes import verification_error

if TYPE_CHECKING:
    from ledger.genesis import Genesis
    from ledger.receipt import VerifiedReceipt

T = TypeVar("T")


def verify(data: bytes, genesis: Genesis) -> VerifiedReceipt:
    """What the receipt proves. Raises `WalletError` (10) when it proves nothing, malformed ones included."""
    from ledger.receipt import verify_receipt
    from ledger.trail import anchor_of

    return judged(lambda: verify_receipt(data, anchor_of(genesis)), "The receipt")


def judged(check: Callable[[], T], what: str) -> T:
    """The result of `check`; whatever it finds wrong is a failed verification (10) of `what`."""
    from ledger.errors import LedgerError

    try:
        return check()
    except LedgerError as error:
        raise verification_error(
            f"{what} does not verify: {error}.",
            remedy="Do not rely on it. Check that the genesis is the right one, and get the file again.",
        ) from None
