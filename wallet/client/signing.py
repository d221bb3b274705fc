"""Making signed transactions in a program. Whatever signs is behind a port: a key in memory, a device, a service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ledger.admission import check_signatures
from ledger.errors import MalformedError
from ledger.limits import NONCE_BYTES
from ledger.refusals import Refusal
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body

if TYPE_CHECKING:
    from ledger.operations.kinds import Operation
    from ledger.primitives import Digest, PublicKey, Signature


class Signer(Protocol):
    """What signs with one Ed25519 key. `ledger.crypto.SigningKey` is one; so is anything that has these two."""

    @property
    def public_key(self) -> PublicKey:
        """The key's public half, 32 bytes."""
        ...

    def sign(self, message: bytes) -> Signature:
        """The signature over `message` (RFC 8032), 64 bytes."""
        ...


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
    refusal = transaction if isinstance(transaction, Refusal) else check_signatures(transaction)
    if isinstance(transaction, Refusal) or refusal is not None:
        raise MalformedError(f"no transaction: {refusal}")
    return transaction
