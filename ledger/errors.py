"""Exceptions of the ledger: for bytes that came from another party and are not what they claim to be.

Expected refusals ("this account does not exist") are values, see `ledger.refusals`. Our own bugs are
`assert`s. What is left is here: input that is malformed, or that does not verify.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Root of what the ledger raises about somebody else's input. The message is for people."""


class MalformedError(LedgerError):
    """Bytes that are not a well-formed value of the expected kind (wrong syntax, size, range or field)."""


class VerificationError(LedgerError):
    """A well-formed value that does not prove what it must: a signature, hash link, quorum or path is wrong."""


class BelowAnchorError(VerificationError):
    """Something of a height at or below the verifier's pinned checkpoint, which only signatures of back then prove.

    Those are not asked: keys of that time may have been stolen or sold since. `height` is what is to be proved, and
    `anchor_height` the checkpoint's.
    """

    def __init__(self, height: int, anchor_height: int) -> None:
        super().__init__(f"height {height} is not above the anchor's, which is {anchor_height}")
        self.height = height
        self.anchor_height = anchor_height
