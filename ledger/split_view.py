"""Split views in a file: two certified blocks of one height, which proves to anybody that there are two chains.

It is one canonical JSON document:

    kind, version    "quorum-ledger/split-view", 1
    chain            hash of genesis, hex
    first, second    {"record": ..., "trail": [...]}: the commit record of a block, and the changes of the validator set
                     that lead to who signed it (`ledger.trail`)

Each side is verified by itself, from the anchor that the verifier brings. Which of the two chains is the right one it
does not say, and nothing can: it is for people to decide. Where one set signed both, it names who did so; by the quorum
rule those are at least 2q - n. What no file can know is whether keys of an old set were stolen or sold later.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.block import parse_header
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.evidence import find_evidence, statements_of_record
from ledger.consensus.messages import CommitRecord
from ledger.consensus.record import CertifiedHeader
from ledger.crypto import Verify, verify
from ledger.documents import expect_kind
from ledger.encoding import Json, decode, encode_trusted, expect_fields
from ledger.errors import VerificationError
from ledger.limits import SPLIT_VIEW_BYTES_MAX
from ledger.primitives import Digest, parse_digest
from ledger.trail import Anchor, SetChange, follow_trail, parse_trail, verify_at_height
from ledger.validators import ValidatorSet

SPLIT_VIEW_KIND = "quorum-ledger/split-view"
VERSION = 1

_FIELDS = frozenset({"kind", "version", "chain", "first", "second"})


@dataclass(frozen=True, slots=True)
class Side:
    """A block as somebody showed it: its commit record, and the trail from the anchor to the set that signed it."""

    record: CommitRecord
    trail: tuple[SetChange, ...]

    def to_json(self) -> dict[str, Json]:
        """The side as it stands in a file."""
        return {"record": commit_record_to_json(self.record), "trail": [step.to_json() for step in self.trail]}


@dataclass(frozen=True, slots=True)
class SplitView:
    """What a file proves: two blocks of one height, both certified, and the validators that signed both."""

    chain: Digest
    first: CertifiedHeader
    second: CertifiedHeader
    accused: tuple[str, ...]


def build_split_view(chain: Digest, first: Side, second: Side) -> bytes:
    """The file. Nothing is verified here."""
    return encode_trusted(
        {
            "kind": SPLIT_VIEW_KIND,
            "version": VERSION,
            "chain": chain.hex(),
            "first": first.to_json(),
            "second": second.to_json(),
        }
    )


def verify_split_view(data: bytes, anchor: Anchor, verify_signature: Verify = verify) -> SplitView:
    """What the file `data` proves to a holder of `anchor`.

    Raises `MalformedError` for what is no such file, and `VerificationError` for what does not prove what it states.
    """
    value = decode(data, bytes_max=SPLIT_VIEW_BYTES_MAX, what="split view")
    fields = expect_fields(expect_kind(value, SPLIT_VIEW_KIND, VERSION), what="split view", required=_FIELDS)
    first, second = (_parse_side(fields[name]) for name in ("first", "second"))
    if parse_digest(fields["chain"], "chain") != anchor.chain:
        raise VerificationError("the split view is of another chain")
    one, validators = _certified(first, anchor, verify_signature)
    other, other_validators = _certified(second, anchor, verify_signature)
    if one.header.height != other.header.height:
        raise VerificationError("its two blocks are of different heights")
    if one.block_hash == other.block_hash:
        raise VerificationError("its two blocks are the same")
    accused = who_signed_both(first.record, second.record, validators) if validators == other_validators else ()
    return SplitView(anchor.chain, one, other, accused)


def who_signed_both(one: CommitRecord, other: CommitRecord, validators: ValidatorSet) -> tuple[str, ...]:
    """The names of those of `validators` who contradict themselves in two records of one height, both verified."""
    found = find_evidence((*statements_of_record(one), *statements_of_record(other)))
    return validators.names_of(dict.fromkeys(signed.validator for signed, _ in found))


def _certified(side: Side, anchor: Anchor, verify_signature: Verify) -> tuple[CertifiedHeader, ValidatorSet]:
    """The header of a side, and the set that signed it. Raises `MalformedError` or `VerificationError`."""
    height = parse_header(side.record.header).height
    validators = follow_trail(side.trail, anchor, height, verify_signature).validators
    return verify_at_height(side.record, anchor, height, validators, verify_signature), validators


def _parse_side(value: Json) -> Side:
    fields = expect_fields(value, what="side of a split view", required=frozenset({"record", "trail"}))
    return Side(parse_commit_record(fields["record"]), parse_trail(fields["trail"]))
