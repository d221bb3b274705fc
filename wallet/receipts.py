"""Receipts, judged by `ledger.receipt` against what the user pinned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from wallet.exit_codes import verification_error

if TYPE_CHECKING:
    from ledger.receipt import VerifiedReceipt
    from wallet.pinning import Pin

T = TypeVar("T")


def verify(data: bytes, pin: Pin) -> VerifiedReceipt:
    """What the receipt proves. Raises `WalletError` (10) when it proves nothing, malformed ones included."""
    from ledger.receipt import verify_receipt

    return judged(lambda: verify_receipt(data, pin.anchor), "The receipt")


def proof_sentence(verified: VerifiedReceipt) -> str:
    """What shows that a receipt is true, for people."""
    from ledger.receipt import Certified

    proof = verified.proof
    if isinstance(proof, Certified):
        validators = proof.validators
        return f"{len(proof.signers)} of {len(validators)} validators signed, quorum {validators.quorum}"
    header = verified.header
    return f"transaction {proof.position} of the {header.log_size} in the log of the pinned block {header.height}"


def judged(check: Callable[[], T], what: str) -> T:
    """The result of `check`; whatever it finds wrong is a failed verification (10) of `what`."""
    from ledger.errors import BelowAnchorError, LedgerError

    try:
        return check()
    except BelowAnchorError as error:
        raise verification_error(
            f"{what} proves height {error.height} by signatures of back then, and the checkpoint that is pinned is at "
            f"height {error.anchor_height}: those keys may be anybody's by now.",
            code="below_checkpoint",
            remedy="Get it from a node again for this checkpoint (a receipt: quorum-wallet receipt get ID --checkpoint "
            "FILE), or verify it against an earlier one, or with --genesis FILE.",
        ) from None
    except LedgerError as error:
        raise verification_error(
            f"{what} does not verify: {error}.",
            remedy="Do not rely on it. Check that what is pinned is the right one, and get the file again.",
        ) from None
