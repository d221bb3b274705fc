"""Transaction files: a body with any number of signatures, also none yet.

A file has the form of the envelope (`ledger.transaction`), so that the last signature makes it ready to submit. It
travels between machines that never see a network: built on one, signed on others, combined, submitted. Everything
about it is known offline except what the ledger says: whose keys these are, and how many must sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.crypto import check_public_key, verify
from ledger.encoding import decode_object, encode, expect_fields, expect_list
from ledger.errors import MalformedError
from ledger.limits import ENVELOPE_BYTES_MAX, SIGNATURES_PER_TRANSACTION_MAX
from ledger.primitives import Digest, parse_public_key, parse_signature
from ledger.refusals import Refusal
from ledger.transaction import (
    KeySignature,
    Transaction,
    TransactionBody,
    assemble,
    parse_body,
    parse_transaction,
    sign_body,
    transaction_id,
)
from wallet.exit_codes import usage_error, verification_error
from wallet.files import read_bounded

if TYPE_CHECKING:
    from ledger.crypto import SigningKey
    from ledger.encoding import Json


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction on its way: the exact body, parsed, its id, and the signatures so far."""

    body_bytes: bytes
    body: TransactionBody
    id: Digest
    signatures: tuple[KeySignature, ...]

    @property
    def envelope(self) -> bytes:
        """The file: canonical, without a line break at its end."""
        return assemble(self.body_bytes, self.signatures)

    def good(self, item: KeySignature) -> bool:
        """Whether a signature is its key's over this body."""
        transaction = parse_transaction(assemble(self.body_bytes, (item,)))
        return (
            isinstance(transaction, Transaction)
            and check_public_key(item.key)
            and verify(item.key, transaction.signed_bytes, item.signature)
        )


def draft_of(body_bytes: bytes) -> Draft:
    """A draft without signatures. Raises `WalletError` (2) when the body is not one."""
    return Draft(body_bytes, _body(body_bytes), transaction_id(body_bytes), ())


def parse_draft(data: bytes, *, what: str) -> Draft:
    """The draft in a file's content; a line break at the end is forgiven. Raises `WalletError` (2), naming `what`."""
    try:
        fields = expect_fields(
            decode_object(data.rstrip(b"\r\n"), bytes_max=ENVELOPE_BYTES_MAX, what=what),
            what=what,
            required=frozenset({"body", "signatures"}),
        )
        body_bytes = encode(fields["body"])
        items = expect_list(fields["signatures"], what="signatures", items_max=SIGNATURES_PER_TRANSACTION_MAX)
        signatures = tuple(_signature(item) for item in items)
    except MalformedError as error:
        raise usage_error(
            f"{what} is not a transaction file: {error}",
            code="transaction_malformed",
            remedy="Transaction files are written by: quorum-wallet tx build, or any command with --out FILE",
        ) from None
    return replace(draft_of(body_bytes), signatures=signatures)


def read_draft(source: str) -> Draft:
    """The draft in the file `source` (`-` is stdin). Raises `WalletError` (2)."""
    return parse_draft(read_bounded(source, ENVELOPE_BYTES_MAX + 2), what="stdin" if source == "-" else source)


def sign(draft: Draft, keys: Iterable[SigningKey]) -> Draft:
    """`draft` with a signature by each of `keys` added. Raises `WalletError` (10) when one in it is not good."""
    check(draft)
    return _with_signatures(draft, [*draft.signatures, *(sign_body(draft.body_bytes, key) for key in keys)])


def combine(drafts: Sequence[Draft]) -> Draft:
    """One draft with the signatures of all. Raises `WalletError`: different bodies (2), a bad signature (10)."""
    first = drafts[0]
    for other in drafts:
        if other.body_bytes != first.body_bytes:
            raise usage_error(
                f"These are different transactions ({first.id.hex()} and {other.id.hex()}).",
                remedy="Only copies of one transaction combine; a changed body needs all signatures anew.",
            )
        check(other)
    return _with_signatures(first, [item for draft in drafts for item in draft.signatures])


def check(draft: Draft) -> None:
    """Raise `WalletError` (10) unless every signature is its key's over the body."""
    for item in draft.signatures:
        if not draft.good(item):
            raise verification_error(
                f"The signature by {item.key.hex()} does not verify over this transaction.",
                code="signature_invalid",
                remedy="The body was changed after signing, or the file is damaged. Sign the exact body again.",
            )


def finished(draft: Draft) -> Transaction:
    """`draft` as a transaction to submit. Raises `WalletError`: unsigned (2), a bad signature (10)."""
    check(draft)
    if not draft.signatures:
        raise usage_error("The transaction is not signed.", remedy="Sign it: quorum-wallet tx sign FILE")
    transaction = parse_transaction(draft.envelope)
    if isinstance(transaction, Refusal):
        raise usage_error(transaction.detail, code=str(transaction.code))
    return transaction


def _with_signatures(draft: Draft, signatures: Sequence[KeySignature]) -> Draft:
    by_key = {item.key: item for item in signatures}
    if len(by_key) > SIGNATURES_PER_TRANSACTION_MAX:
        raise usage_error(f"A transaction has at most {SIGNATURES_PER_TRANSACTION_MAX} signatures.")
    return replace(draft, signatures=tuple(by_key[key] for key in sorted(by_key)))


def _body(body_bytes: bytes) -> TransactionBody:
    body = parse_body(body_bytes)
    if isinstance(body, Refusal):
        raise usage_error(f"This is not the body of a transaction: {body.detail}", code=str(body.code))
    return body


def _signature(value: Json) -> KeySignature:
    fields = expect_fields(value, what="a signature", required=frozenset({"key", "signature"}))
    return KeySignature(
        parse_public_key(fields["key"], "the key of a signature"), parse_signature(fields["signature"], "a signature")
    )
