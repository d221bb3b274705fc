"""Making signed transactions in a program. Whatever signs is behind a port: a key in memory, a device, a service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ledger.crypto import Signer, check_public_key, verify
from ledger.errors import MalformedError
from ledger.limits import NONCE_BYTES
from ledger.refusals import Refusal
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body

if TYPE_CHECKING:
    from ledger.operations.kinds import Operation
    from ledger.primitives import Digest

__all__ = ["Signer", "build_transaction"]


def build_transaction(
    *operations: Operation,
    chain: Digest,
    sender: str,
    valid_until_ms: int,
    signers: Sequence[Signer],
    cosigners: tuple[str, ...] = (),
    memo: str | None = None,
) -> Transaction:
    """A signed transaction with a nonce of its own, ready to submit, now and again.

    `valid_until_ms` is the ledger time from which on it never acts. Raises `MalformedError` for what no transaction may
    be, also when a signer gives a signature that does not verify.
    """
    body = build_body(
        chain=chain,
        sender=sender,
        nonce=os.urandom(NONCE_BYTES),
        valid_until_ms=valid_until_ms,
        operations=operations,
        cosigners=tuple(sorted(cosigners)),
        memo=memo,
    )
    transaction = parse_transaction(assemble(body, [sign_body(body, signer) for signer in signers]))
    if isinstance(transaction, Refusal):
        raise MalformedError(transaction.detail)
    signed_bytes = transaction.signed_bytes
    for item in transaction.signatures:
        if not (check_public_key(item.key) and verify(item.key, signed_bytes, item.signature)):
            raise MalformedError(f"the signer of the key {item.key.hex()} gave a signature that does not verify")
    return transaction
