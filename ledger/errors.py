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
