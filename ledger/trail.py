"""From what a verifier trusts to who may sign at a height: the trail of validator sets in receipts and evidence files.

The verifier brings an **anchor** from elsewhere: genesis, or a later block that it has reason to trust. A **trail** has
a step for each change of the validator set since the anchor, oldest first: the commit record of the block that decided
it, and the set that signs from the next height on. Each step is certified by the set before it, so nothing in a trail
is believed. That none is left out at the end does not follow from the trail itself: a certified header of the height,
or of the one before, says which set signs there.

A trail that begins below the anchor is followed from the anchor on. Of the steps at or below it no signature is
verified and nothing is learned; they must only fit each other and the anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ledger.block import Header, parse_header
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.consensus.record import CertifiedHeader, verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys
from ledger.crypto import Verify
from ledger.encoding import Json, expect_fields, expect_list
from ledger.errors import BelowAnchorError, VerificationError
from ledger.genesis import Genesis
from ledger.limits import TRAIL_STEPS_MAX
from ledger.primitives import Digest
from ledger.validators import ValidatorSet, parse_validator_set


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where trust starts: a chain, and the validator set that signs from the height after `height` on.

    `header` is the block at `height`, for those whose trust is in a block and not in genesis: what it commits to, above
    all the log of every transaction up to there, is trusted with it.
    """

    chain: Digest
    epoch: int
    height: int
    validators: ValidatorSet
    header: Header | None = None

    @property
    def context(self) -> SigningContext:
        """What binds statements to the chain."""
        return SigningContext(self.chain, self.epoch)


def anchor_of(genesis: Genesis) -> Anchor:
    """The anchor that a pinned genesis document gives."""
    return Anchor(genesis.chain, 0, 0, genesis.validators)


@dataclass(frozen=True, slots=True)
class SetChange:
    """One step of a trail: the record of the block that decided a change, and the set that it put in force."""

    record: CommitRecord
    validators: ValidatorSet

    def to_json(self) -> dict[str, Json]:
        """The step as it stands in a file."""
        return {"record": commit_record_to_json(self.record), "validators": self.validators.to_json()}


@dataclass(frozen=True, slots=True)
class SetInForce:
    """Where a trail leads: `validators` sign from the height after `since` on, by the block at `since`."""

    validators: ValidatorSet
    since: int


def parse_trail(value: Json) -> tuple[SetChange, ...]:
    """A trail from its JSON form, unverified. Raises `MalformedError`."""
    return tuple(_parse_step(item) for item in expect_list(value, what="trail", items_max=TRAIL_STEPS_MAX))


def follow_trail(trail: Sequence[SetChange], anchor: Anchor, height: int, verify_signature: Verify) -> SetInForce:
    """The validator set that signs at `height`, each change above the anchor certified by the set before it.

    Raises `MalformedError` or `VerificationError`. See the module's docstring for what this alone does not show.
    """
    reached = SetInForce(anchor.validators, anchor.height)
    headers = [parse_header(step.record.header) for step in trail]
    if any(left >= right for left, right in pairwise([0, *(header.height for header in headers)])):
        raise VerificationError("the trail of validator sets is not in order of height")  # height 0 decides nothing
    below = [(step, header) for step, header in zip(trail, headers, strict=True) if header.height <= anchor.height]
    _check_below(below, anchor)
    for step, stated in zip(trail[len(below) :], headers[len(below) :], strict=True):
        if stated.height >= height:
            raise VerificationError("the trail of validator sets is not in order of height")
        header = verify_at_height(step.record, anchor, stated.height, reached.validators, verify_signature).header
        _check_step(step, header)
        reached = SetInForce(step.validators, stated.height)
    return reached


def verify_at_height(
    record: CommitRecord, anchor: Anchor, height: int, validators: ValidatorSet, verify_signature: Verify
) -> CertifiedHeader:
    """The header that `record` makes final at `height`, which must be above the anchor.

    Raises `MalformedError` or `VerificationError`; `BelowAnchorError` when it is not above.
    """
    if height <= anchor.height:
        raise BelowAnchorError(height, anchor.height)
    keys = HeightKeys(anchor.context, height, validators, verify_signature)
    return verify_commit_record(record, keys=keys, parent_hash=None)


def _check_step(step: SetChange, header: Header) -> None:
    """The step is one: its block decided another set, which is the one that it puts in force."""
    if header.next_validators_hash == header.validators_hash:
        raise VerificationError(f"the trail lists height {header.height}, where the validator set did not change")
    if step.validators.hash != header.next_validators_hash:
        raise VerificationError(f"the trail puts another validator set in force than height {header.height} decided")


def _check_below(steps: Sequence[tuple[SetChange, Header]], anchor: Anchor) -> None:
    """Steps that the verifier needs not, because its anchor is newer: they must be the way to the anchor's set."""
    before: Header | None = None
    for step, header in steps:
        _check_step(step, header)
        if header.chain != anchor.chain or (before and before.next_validators_hash != header.validators_hash):
            raise VerificationError(f"the trail's step at height {header.height} does not follow from the one before")
        if anchor.header is not None and header.height == anchor.height and header != anchor.header:
            raise VerificationError(f"the trail has another block {header.height} than the one that is pinned")
        before = header
    if before is not None and before.next_validators_hash != anchor.validators.hash:
        raise VerificationError("the trail up to the pinned height does not lead to the validator set that is pinned")


def _parse_step(value: Json) -> SetChange:
    fields = expect_fields(value, what="step of the trail", required=frozenset({"record", "validators"}))
    return SetChange(parse_commit_record(fields["record"]), parse_validator_set(fields["validators"]))
