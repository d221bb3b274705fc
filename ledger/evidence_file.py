"""Evidence in a file: proves for ever, to somebody with no network, that a validator signed two contradictory things.

It is one canonical JSON document:

    kind, version                    "quorum-ledger/evidence", 1
    chain                            hash of genesis, hex
    validator, key, first, second    the evidence (`ledger.evidence`)
    trail                            the changes of the validator set below the height (`ledger.trail`)
    record                           the commit record of the block before the height, which says which set signs at it;
                                     null where the trail, or the anchor, ends with that block

The verifier brings the anchor. Trail and record lead to the set that signs at the height of the statements; the key
must be the consensus key of the accused there; and both signatures must verify under it. So nobody can be accused with
a key that was not theirs yet or any more, and nothing in the file is believed. It does not matter whether the ledger
has recorded the evidence: a network that has come to a stop because of it can still be told of it.

What the file cannot know is what a receipt cannot know: whether q keys of an old set were stolen or sold later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.block import parse_header
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.crypto import Verify, verify
from ledger.documents import expect_kind
from ledger.encoding import Json, decode, encode_trusted, expect_fields
from ledger.errors import BelowAnchorError, VerificationError
from ledger.evidence import EVIDENCE_FIELDS, Evidence, parse_evidence, signatures_verify
from ledger.limits import EVIDENCE_FILE_BYTES_MAX
from ledger.primitives import Digest, parse_digest
from ledger.trail import Anchor, SetChange, follow_trail, parse_trail, verify_at_height
from ledger.validators import ValidatorSet

EVIDENCE_KIND = "quorum-ledger/evidence"
VERSION = 1

_FIELDS = EVIDENCE_FIELDS | {"kind", "version", "chain", "trail", "record"}


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """What an evidence file proves: `evidence` holds, and its validator was one of `validators` at its height."""

    evidence: Evidence
    chain: Digest
    validators: ValidatorSet


def build_evidence_file(
    *, evidence: Evidence, chain: Digest, trail: Sequence[SetChange], record: CommitRecord | None
) -> bytes:
    """The evidence file. Nothing is verified here."""
    return encode_trusted(
        {
            "kind": EVIDENCE_KIND,
            "version": VERSION,
            "chain": chain.hex(),
            **evidence.to_json(),
            "trail": [step.to_json() for step in trail],
            "record": None if record is None else commit_record_to_json(record),
        }
    )


def verify_evidence_file(data: bytes, anchor: Anchor, verify_signature: Verify = verify) -> VerifiedEvidence:
    """What the evidence file `data` proves to a holder of `anchor`.

    Raises `MalformedError` for what is no evidence, and `VerificationError` for what does not prove what it states.
    """
    value = decode(data, bytes_max=EVIDENCE_FILE_BYTES_MAX, what="evidence file")
    fields = expect_fields(expect_kind(value, EVIDENCE_KIND, VERSION), what="evidence file", required=_FIELDS)
    evidence = parse_evidence({name: fields[name] for name in EVIDENCE_FIELDS})
    chain = parse_digest(fields["chain"], "chain")
    trail, record = parse_trail(fields["trail"]), _parse_record(fields["record"])

    if chain != anchor.chain:
        raise VerificationError("the evidence is for another chain")
    validators = _set_at(evidence.height, trail, record, anchor, verify_signature)
    accused = next((item for item in validators.validators if item.consensus_key == evidence.key), None)
    if accused is None or accused.name != evidence.validator:
        raise VerificationError(
            f"at height {evidence.height} the key was not the consensus key of {evidence.validator}: nobody is accused"
        )
    if not signatures_verify(evidence, anchor.context, verify_signature):
        raise VerificationError(f"{evidence.validator} did not sign both statements for this chain")
    return VerifiedEvidence(evidence, chain, validators)


def _parse_record(value: Json) -> CommitRecord | None:
    return None if value is None else parse_commit_record(value)


def _set_at(
    height: int, trail: Sequence[SetChange], record: CommitRecord | None, anchor: Anchor, verify_signature: Verify
) -> ValidatorSet:
    """The set that signs at `height`, by trail and the record of the block before."""
    if height <= anchor.height:
        raise BelowAnchorError(height, anchor.height)
    reached = follow_trail(trail, anchor, height, verify_signature)
    if reached.since == height - 1:
        if record is not None and (anchor.header is None or parse_header(record.header) != anchor.header):
            raise VerificationError("the record of the block before is there twice")
        return reached.validators  # a record of the pinned block itself says what the holder knows
    if record is None:
        raise VerificationError("the record of the block before is missing: the trail alone does not show who signs")
    header = verify_at_height(record, anchor, height - 1, reached.validators, verify_signature).header
    if header.next_validators_hash != reached.validators.hash:
        raise VerificationError(f"the trail lacks the change of the validator set at height {height - 1}")
    return reached.validators
