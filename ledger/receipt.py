"""Receipts: one file that proves for ever, to somebody with no network, what became of a transaction.

A receipt is one canonical JSON document, in one of two forms. Both begin alike:

    kind, version    "quorum-ledger/receipt", 1
    transaction      the envelope: what was signed, and every signature
    leaf             the log's record of it: height, index, id, envelope hash, result
    path             RFC 6962 inclusion path from the leaf to a header's log root, hex

A **certified** receipt proves its block. It is for whoever pinned genesis, or a checkpoint below the block:

    record           the block's commit record: header, commit certificate, justifications
    trail            the changes of the validator set since the verifier's anchor (`ledger.trail`)

A **pinned** receipt needs no signature of a validator. It is for whoever pinned a checkpoint at the height of the
transaction or above (`ledger.pinned_checkpoint`), whose log has the leaf:

    position         the leaf's number in the log, from 0
    header           the header of the checkpoint's block

Nothing in the file is believed. Certified: the trail leads from the anchor's validator set to the set that signed the
block; the certificate makes the header final. Pinned: the header must be the one that the verifier has. Either way, the
header's log root makes the leaf part of the log, and the leaf names the exact envelope. Every byte of the file is bound
by one of these steps or by the canonical form, but for the trail's steps that a newer anchor makes needless.

What a certified receipt cannot know: whether q keys of an old set were stolen or sold later (README, non-guarantees).
So none is accepted for a block at or below the verifier's checkpoint; a pinned one is asked for instead.
(design section 5; peers' failures with receipts: a missing trail, and a chain id outside the signed bytes)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ledger.block import Header, Leaf, block_hash, encode_header, header_from_json, leaf_from_json, leaf_hash
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.crypto import Verify, verify
from ledger.documents import expect_kind
from ledger.encoding import Json, decode, encode_trusted, expect_fields, expect_integer, expect_list
from ledger.errors import BelowAnchorError, MalformedError, VerificationError
from ledger.limits import ENVELOPE_BYTES_MAX, JSON_DEPTH_MAX, LOG_PATH_MAX, RECEIPT_BYTES_MAX
from ledger.merkle import check_inclusion
from ledger.primitives import Digest, parse_digest
from ledger.refusals import Refusal
from ledger.trail import Anchor, SetChange, follow_trail, parse_trail, verify_at_height
from ledger.transaction import Transaction, parse_transaction
from ledger.validators import ValidatorSet

RECEIPT_KIND = "quorum-ledger/receipt"
VERSION = 1

_COMMON_FIELDS = frozenset({"kind", "version", "transaction", "leaf", "path"})
_CERTIFIED_FIELDS = _COMMON_FIELDS | {"record", "trail"}
_PINNED_FIELDS = _COMMON_FIELDS | {"position", "header"}
_DEPTH_MAX = JSON_DEPTH_MAX + 1  # the envelope stands one level down


@dataclass(frozen=True, slots=True)
class Certified:
    """The block of the transaction is final: these validators signed it, of this set."""

    signers: tuple[str, ...]
    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class Pinned:
    """The transaction is in the log of the block that the verifier pinned, at this position: no signature was asked."""

    position: int


Proof: TypeAlias = Certified | Pinned


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this transaction has this result, in the block at `leaf.height`.

    `header` and `block_hash` are of the block whose log was shown to have the leaf: by a `Certified` proof the
    transaction's own, by a `Pinned` one that of the checkpoint, which is the same or later.
    """

    transaction: Transaction
    leaf: Leaf
    header: Header
    block_hash: Digest
    proof: Proof

    @property
    def signers(self) -> tuple[str, ...]:
        """The validators that signed the transaction's block; empty where no signature was needed."""
        return self.proof.signers if isinstance(self.proof, Certified) else ()


def build_receipt(
    *, envelope: bytes, leaf: Leaf, path: Sequence[Digest], record: CommitRecord, trail: Sequence[SetChange]
) -> bytes:
    """The certified receipt. `envelope` and `record` are as stored; nothing is verified here."""
    return encode_trusted(
        {
            **_common(envelope, leaf, path),
            "record": commit_record_to_json(record),
            "trail": [step.to_json() for step in trail],
        }
    )


def build_pinned_receipt(
    *, envelope: bytes, leaf: Leaf, path: Sequence[Digest], position: int, header: Header
) -> bytes:
    """The receipt for holders of the checkpoint with `header`, whose log has `leaf` at `position`, by `path`."""
    return encode_trusted({**_common(envelope, leaf, path), "position": position, "header": header.to_json()})


def verify_receipt(data: bytes, anchor: Anchor, verify_signature: Verify = verify) -> VerifiedReceipt:
    """What the receipt file `data` proves to a holder of `anchor`.

    Raises `MalformedError` for what is no receipt, and `VerificationError` for one that does not prove what it states:
    `BelowAnchorError` where it could only prove it by signatures of a time that the anchor has made needless.
    """
    fields = _parse_fields(data)
    transaction = _parse_envelope(fields["transaction"])
    leaf = leaf_from_json(fields["leaf"])
    path = [parse_digest(item, "path") for item in expect_list(fields["path"], what="path", items_max=LOG_PATH_MAX)]
    header, position, proof = (
        _verify_certified(fields, leaf, anchor, verify_signature)
        if "record" in fields
        else _verify_pinned(fields, leaf, anchor)
    )
    if not check_inclusion(leaf_hash(leaf), position, header.log_size, path, header.log_root):
        raise VerificationError("the inclusion path does not lead from the leaf to the header's log root")
    _check_transaction(transaction, leaf, anchor, verify_signature)
    return VerifiedReceipt(transaction, leaf, header, block_hash(encode_header(header)), proof)


def _common(envelope: bytes, leaf: Leaf, path: Sequence[Digest]) -> dict[str, Json]:
    """What both forms begin with."""
    return {
        "kind": RECEIPT_KIND,
        "version": VERSION,
        "transaction": decode(envelope, bytes_max=ENVELOPE_BYTES_MAX, what="envelope"),
        "leaf": leaf.to_json(),
        "path": [item.hex() for item in path],
    }


def _parse_fields(data: bytes) -> dict[str, Json]:
    """The fields of a receipt of either form. Raises `MalformedError`."""
    value = decode(data, bytes_max=RECEIPT_BYTES_MAX, what="receipt", depth_max=_DEPTH_MAX)
    document = expect_kind(value, RECEIPT_KIND, VERSION)
    required = _CERTIFIED_FIELDS if "record" in document else _PINNED_FIELDS
    return expect_fields(document, what="receipt", required=required)


def _verify_certified(
    fields: dict[str, Json], leaf: Leaf, anchor: Anchor, verify_signature: Verify
) -> tuple[Header, int, Proof]:
    """The final header of the leaf's block, and the leaf's position in the log by it."""
    record, trail = parse_commit_record(fields["record"]), parse_trail(fields["trail"])
    if leaf.height <= anchor.height:
        raise BelowAnchorError(leaf.height, anchor.height)
    validators = follow_trail(trail, anchor, leaf.height, verify_signature).validators
    header = verify_at_height(record, anchor, leaf.height, validators, verify_signature).header
    if leaf.index >= header.transaction_count:
        raise VerificationError(f"the leaf has index {leaf.index} in a block of {header.transaction_count}")
    signers = validators.names_of(record.certificate.signers)
    return header, header.log_size - header.transaction_count + leaf.index, Certified(signers, validators)


def _verify_pinned(fields: dict[str, Json], leaf: Leaf, anchor: Anchor) -> tuple[Header, int, Proof]:
    """The header that the verifier pinned, and the position in its log that the receipt states."""
    position, header = expect_integer(fields["position"], what="position"), header_from_json(fields["header"])
    if anchor.header is None:
        raise VerificationError(
            f"the receipt is for holders of a checkpoint at height {header.height}, and proves nothing from genesis"
        )
    if header != anchor.header:
        raise VerificationError(
            f"the receipt is for holders of another checkpoint: block {block_hash(encode_header(header)).hex()} "
            f"at height {header.height}, and pinned is one at height {anchor.height}"
        )
    if leaf.height > header.height:
        raise VerificationError(f"the leaf is of height {leaf.height}, above the checkpoint's, {header.height}")
    return header, position, Pinned(position)


def _parse_envelope(value: Json) -> Transaction:
    transaction = parse_transaction(encode_trusted(value))
    if isinstance(transaction, Refusal):
        raise MalformedError(f"the receipt's transaction: {transaction.detail}")
    return transaction


def _check_transaction(transaction: Transaction, leaf: Leaf, anchor: Anchor, verify_signature: Verify) -> None:
    """The envelope is the one that the leaf names, for this chain, and signed by the keys that it lists."""
    if transaction.id != leaf.transaction_id or transaction.envelope_hash != leaf.envelope_hash:
        raise VerificationError("the leaf is of another transaction, or of other signatures")
    if transaction.body.chain != anchor.chain:
        raise VerificationError("the transaction is for another chain")
    signed_bytes = transaction.signed_bytes
    for item in transaction.signatures:
        if not verify_signature(item.key, signed_bytes, item.signature):
            raise VerificationError(f"the transaction's signature by {item.key.hex()} does not verify")
