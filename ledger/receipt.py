"""Receipts: one file that proves for ever, to somebody with no network, what became of a transaction.

A receipt is one canonical JSON document:

    kind, version    "quorum-ledger/receipt", 1
    transaction      the envelope: what was signed, and every signature
    leaf             the log's record of it: height, index, id, envelope hash, result
    path             RFC 6962 inclusion path from the leaf to the header's log root, hex
    record           the block's commit record: header, commit certificate, justifications
    trail            the changes of the validator set since the verifier's anchor (`ledger.trail`)

Nothing in the file is believed: the trail leads from the anchor's validator set to the set that signed the block; the
certificate makes the header final; the header's log root makes the leaf part of the log; the leaf names the exact
envelope. Every byte of the file is bound by one of these steps or by the canonical form.

What a receipt cannot know: whether q keys of an old set were stolen or sold later (README, non-guarantees).
(design section 5; peers' failures with receipts: a missing trail, and a chain id outside the signed bytes)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.block import Header, Leaf, leaf_from_json, leaf_hash
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.crypto import Verify, verify
from ledger.encoding import Json, decode, encode_trusted, expect_fields, expect_list
from ledger.errors import MalformedError, VerificationError
from ledger.limits import ENVELOPE_BYTES_MAX, JSON_DEPTH_MAX, LOG_PATH_MAX, RECEIPT_BYTES_MAX
from ledger.merkle import check_inclusion
from ledger.primitives import Digest, parse_digest
from ledger.refusals import Refusal
from ledger.trail import Anchor, SetChange, follow_trail, parse_trail, verify_at_height
from ledger.transaction import Transaction, parse_transaction
from ledger.validators import ValidatorSet

RECEIPT_KIND = "quorum-ledger/receipt"
VERSION = 1

_FIELDS = frozenset({"kind", "version", "transaction", "leaf", "path", "record", "trail"})
_DEPTH_MAX = JSON_DEPTH_MAX + 1  # the envelope stands one level down


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this transaction has this result, in this final block, signed by these validators."""

    transaction: Transaction
    leaf: Leaf
    header: Header
    block_hash: Digest
    signers: tuple[str, ...]
    validators: ValidatorSet


def build_receipt(
    *, envelope: bytes, leaf: Leaf, path: Sequence[Digest], record: CommitRecord, trail: Sequence[SetChange]
) -> bytes:
    """The receipt file. `envelope` and `record` are as stored; nothing is verified here."""
    return encode_trusted(
        {
            "kind": RECEIPT_KIND,
            "version": VERSION,
            "transaction": decode(envelope, bytes_max=ENVELOPE_BYTES_MAX, what="envelope"),
            "leaf": leaf.to_json(),
            "path": [item.hex() for item in path],
            "record": commit_record_to_json(record),
            "trail": [step.to_json() for step in trail],
        }
    )


def verify_receipt(data: bytes, anchor: Anchor, verify_signature: Verify = verify) -> VerifiedReceipt:
    """What the receipt file `data` proves to a holder of `anchor`.

    Raises `MalformedError` for what is no receipt, and `VerificationError` for one that does not prove what it states.
    """
    value = decode(data, bytes_max=RECEIPT_BYTES_MAX, what="receipt", depth_max=_DEPTH_MAX)
    if not isinstance(value, dict) or value.get("kind") != RECEIPT_KIND:
        raise MalformedError(f'not a receipt: its "kind" is not "{RECEIPT_KIND}"')
    version = value.get("version")
    if version != VERSION or type(version) is not int:  # True == 1, and it would be a second form of the receipt
        raise MalformedError(f"a receipt of version {version!r}; this software reads version {VERSION}")
    fields = expect_fields(value, what="receipt", required=_FIELDS)
    transaction = _parse_envelope(fields["transaction"])
    leaf = leaf_from_json(fields["leaf"])
    path = [parse_digest(item, "path") for item in expect_list(fields["path"], what="path", items_max=LOG_PATH_MAX)]
    record = parse_commit_record(fields["record"])
    trail = parse_trail(fields["trail"])

    validators = follow_trail(trail, anchor, leaf.height, verify_signature).validators
    certified = verify_at_height(record, anchor, leaf.height, validators, verify_signature)
    _check_leaf(leaf, path, certified.header)
    _check_transaction(transaction, leaf, anchor, verify_signature)
    signers = tuple(validators.validators[item.validator].name for item in record.certificate.signatures)
    return VerifiedReceipt(transaction, leaf, certified.header, certified.block_hash, signers, validators)


def _parse_envelope(value: Json) -> Transaction:
    transaction = parse_transaction(encode_trusted(value))
    if isinstance(transaction, Refusal):
        raise MalformedError(f"the receipt's transaction: {transaction.detail}")
    return transaction


def _check_leaf(leaf: Leaf, path: Sequence[Digest], header: Header) -> None:
    """The leaf is where it says in the log that the header commits to."""
    if leaf.index >= header.transaction_count:
        raise VerificationError(f"the leaf has index {leaf.index} in a block of {header.transaction_count}")
    position = header.log_size - header.transaction_count + leaf.index
    if position < 0 or not check_inclusion(leaf_hash(leaf), position, header.log_size, path, header.log_root):
        raise VerificationError("the inclusion path does not lead from the leaf to the header's log root")


def _check_transaction(transaction: Transaction, leaf: Leaf, anchor: Anchor, verify_signature: Verify) -> None:
    """The envelope is the one that the leaf names, for this chain, and signed by the keys that it lists."""
    if transaction.id != leaf.transaction_id or transaction.envelope_hash != leaf.envelope_hash:
        raise VerificationError("the leaf is of another transaction, or of other signatures")
    if transaction.body.chain != anchor.chain:
        raise VerificationError("the transaction is for another chain")
    for item in transaction.signatures:
        if not verify_signature(item.key, transaction.signed_bytes, item.signature):
            raise VerificationError(f"the transaction's signature by {item.key.hex()} does not verify")
