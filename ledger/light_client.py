"""A light client: what a holder of an anchor knows of a chain without its blocks, and how it learns more.

It starts at an **anchor** (`ledger.trail`) and holds the newest header that it has seen certified, its **head**. What
a node says is held against that: a receipt, a state proof, a size of the log. It learns by

* `advance`: a **light update** from any node leads from what is known to a later header, over any number of heights,
  whose certificate is of the set in force there; the log under that header must have the log under the head as its
  beginning, so that no certificate of whatever quorum takes back a transaction that was seen;
* `append`: the next block's commit record, which must build on the head.

It never goes back: an update below the head is a `BehindError`, from a node that lags or was rolled back, and nothing
changes. Two certified headers that cannot be of one chain are a `ForkError`, which has both and names who signed both.

A light update is one canonical JSON document:

    kind, version    "quorum-ledger/light-update", 1
    trail            the changes of the validator set above the height that was asked from, oldest first
    record           the commit record of the block that it leads to
    consistency      RFC 6962 consistency path from the log of the size that was asked from to that of the block, hex

It has at most `LIGHT_UPDATE_STEPS_MAX` changes. Where there were more, it leads to the block of the next change, and is
asked for again from there. What a light client cannot know is whether there is a newer block than nodes show it: its
holder looks at the head's time. (design sections 1 and 5)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, unique

from ledger.block import Header, block_hash, encode_header, parse_header
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.consensus.record import CertifiedHeader
from ledger.crypto import Verify, verify
from ledger.documents import expect_kind
from ledger.encoding import decode, encode_trusted, expect_fields, expect_list
from ledger.errors import VerificationError
from ledger.limits import (
    LIGHT_HEADERS_REMEMBERED_MAX,
    LIGHT_UPDATE_BYTES_MAX,
    LIGHT_UPDATE_STEPS_MAX,
    LOG_PATH_MAX,
)
from ledger.merkle import check_consistency
from ledger.primitives import Digest, parse_digest
from ledger.split_view import who_signed_both
from ledger.trail import Anchor, SetChange, SetInForce, follow_trail, parse_trail, verify_at_height
from ledger.validators import ValidatorSet

LIGHT_UPDATE_KIND = "quorum-ledger/light-update"
VERSION = 1

_FIELDS = frozenset({"kind", "version", "trail", "record", "consistency"})


@dataclass(frozen=True, slots=True)
class LightUpdate:
    """A light update as it was read, unverified."""

    trail: tuple[SetChange, ...]
    record: CommitRecord
    consistency: tuple[Digest, ...]


def build_light_update(*, trail: Sequence[SetChange], record: CommitRecord, consistency: Sequence[Digest]) -> bytes:
    """The document. Everything is as stored; nothing is verified here."""
    assert len(trail) <= LIGHT_UPDATE_STEPS_MAX
    return encode_trusted(
        {
            "kind": LIGHT_UPDATE_KIND,
            "version": VERSION,
            "trail": [step.to_json() for step in trail],
            "record": commit_record_to_json(record),
            "consistency": [item.hex() for item in consistency],
        }
    )


def parse_light_update(data: bytes) -> LightUpdate:
    """The document `data`, unverified. Raises `MalformedError`."""
    value = decode(data, bytes_max=LIGHT_UPDATE_BYTES_MAX, what="light update")
    fields = expect_fields(expect_kind(value, LIGHT_UPDATE_KIND, VERSION), what="light update", required=_FIELDS)
    path = expect_list(fields["consistency"], what="consistency", items_max=LOG_PATH_MAX)
    steps = expect_list(fields["trail"], what="trail of a light update", items_max=LIGHT_UPDATE_STEPS_MAX)
    return LightUpdate(
        trail=parse_trail(steps),
        record=parse_commit_record(fields["record"]),
        consistency=tuple(parse_digest(item, "consistency") for item in path),
    )


class BehindError(VerificationError):
    """An update leads below the head: the node that gave it lags, or was rolled back."""

    def __init__(self, shown: int, head: int) -> None:
        super().__init__(f"height {shown} is shown as the newest, and height {head} is known to be certified")
        self.shown = shown
        self.head = head


class LogError(VerificationError):
    """The logs under two certified headers are not shown to be one: the shorter the beginning of the longer."""


class ForkError(VerificationError):
    """Two headers that quorums have certified cannot be of one chain.

    `known` and `other` are their commit records (None for a block that was pinned and not seen with one); `accused` are
    the validators that two records of one height show to have signed both. Neither is any more true than the other.
    """

    def __init__(self, reason: str, known: CommitRecord | None, other: CommitRecord, accused: Sequence[str]) -> None:
        named = f"; {', '.join(accused)} signed both" if accused else ""
        super().__init__(f"the chain is forked: {reason}{named}")
        self.known = known
        self.other = other
        self.accused = tuple(accused)


@unique
class Progress(Enum):
    """What an update did."""

    ADVANCED = "advanced"
    KNOWN = "known"
    """It leads to the head: there is nothing newer."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A header that was certified, with what certified it: None for the pinned one."""

    certified: CertifiedHeader
    record: CommitRecord | None


class LightClient:
    """What is known of one chain. Methods change nothing when they raise."""

    def __init__(self, anchor: Anchor, verify_signature: Verify = verify) -> None:
        self.anchor = anchor
        self._verify = verify_signature
        self._in_force = SetInForce(anchor.validators, anchor.height)
        self._seen: OrderedDict[int, _Seen] = OrderedDict()
        self.head: CertifiedHeader | None = None
        if anchor.header is not None:
            self._take(CertifiedHeader(anchor.header, block_hash(encode_header(anchor.header))), None)

    def fork(self) -> LightClient:
        """Another light client that knows the same, and goes its own way from here."""
        copy = LightClient(self.anchor, self._verify)
        copy.head, copy._in_force, copy._seen = self.head, self._in_force, self._seen.copy()
        return copy

    @property
    def height(self) -> int:
        """The height of the head, or of the anchor before there is one."""
        return self.anchor.height if self.head is None else self.head.header.height

    @property
    def from_height(self) -> int:
        """The height above which changes of the validator set are not known: what an update is asked from."""
        return self._in_force.since

    @property
    def log_size(self) -> int:
        """The size of the log under the head: what an update is asked from; 0 before there is a head."""
        return 0 if self.head is None else self.head.header.log_size

    @property
    def validators(self) -> ValidatorSet | None:
        """The set that signs the block after the head; None when the head has decided another, which is not known."""
        if self.head is None or self.head.header.next_validators_hash == self._in_force.validators.hash:
            return self._in_force.validators
        return None

    def advance(self, update: LightUpdate) -> Progress:
        """Follow `update` to the header that it leads to.

        Raises `MalformedError`; `BehindError`, when it leads below the head; `ForkError`; `LogError`, when its log is
        not shown to continue that of the head; and `VerificationError` when anything else does not hold.
        """
        height = parse_header(update.record.header).height
        if height <= self._in_force.since:
            return self._look_back(update.record, height)
        in_force = follow_trail(update.trail, self._known_anchor, height, self._verify)
        self._check_passes_head(update.trail, height)
        certified = verify_at_height(update.record, self._known_anchor, height, in_force.validators, self._verify)
        if height > self.height:
            self._check_continues(certified, update.record, update.consistency)
            self._in_force = in_force
            self._take(certified, update.record)
            return Progress.ADVANCED
        self.compare(certified, update.record)
        if height < self.height:
            raise BehindError(height, self.height)
        return Progress.KNOWN

    def append(self, record: CommitRecord) -> CertifiedHeader:
        """The header of the block after the head, by its commit record. The set that signs it must be known.

        Raises as `advance` does.
        """
        validators, height = self.validators, self.height + 1
        assert validators is not None, "an update is needed first"
        certified = verify_at_height(record, self._known_anchor, height, validators, self._verify)
        self._check_continues(certified, record, None)
        self._take(certified, record)
        return certified

    def remembered(self, height: int) -> tuple[CertifiedHeader, CommitRecord | None] | None:
        """The header of this height, if it was seen and is remembered, with its record: None for the pinned one."""
        seen = self._seen.get(height)
        return None if seen is None else (seen.certified, seen.record)

    def certify(self, record: CommitRecord, trail: Sequence[SetChange]) -> CertifiedHeader:
        """The header that `record`, of any height above the anchor, makes final; nothing is learned from it.

        `trail` has the changes of the set since the anchor, or since `from_height` for a block above that. Raises
        `MalformedError`, `VerificationError`, and `ForkError` when another block of its height is remembered.
        """
        height = parse_header(record.header).height
        anchor = self._known_anchor if height > self._in_force.since else self.anchor
        validators = follow_trail(trail, anchor, height, self._verify).validators
        self._check_passes_head(trail, height)
        certified = verify_at_height(record, anchor, height, validators, self._verify)
        self.compare(certified, record)
        return certified

    def compare(self, certified: CertifiedHeader, record: CommitRecord) -> bool:
        """Whether this header, which `record` certifies, is remembered; False when none of its height is.

        Raises `ForkError` when another one is.
        """
        height = certified.header.height
        seen = self._seen.get(height)
        if seen is None:
            return False
        if seen.certified.block_hash == certified.block_hash:
            return True
        raise ForkError(
            f"two blocks of height {height} are certified", seen.record, record, self._accused(seen, record)
        )

    def check_in_log(self, header: Header, path: Sequence[Digest]) -> None:
        """Check that the log under `header`, which was verified and is not above the head, began that of the head.

        `path` is the RFC 6962 consistency path from its size to the head's. Raises `LogError`.
        """
        assert self.head is not None, "there is a head"
        head = self.head.header
        if not check_consistency(header.log_size, head.log_size, header.log_root, head.log_root, path):
            raise LogError(
                f"the log of {header.log_size} transactions under block {header.height} is not shown to be the "
                f"beginning of that of {head.log_size} under block {head.height}"
            )

    @property
    def _known_anchor(self) -> Anchor:
        """The anchor moved to where the newest known change of the validator set took place."""
        return Anchor(self.anchor.chain, self.anchor.epoch, self._in_force.since, self._in_force.validators)

    def _check_passes_head(self, trail: Sequence[SetChange], height: int) -> None:
        """A trail to above the head, which was followed from what is known, has the sets that the head names.

        A set that the head has put out of force signs nothing any more, even where the trail leaves the change out.
        """
        head, since = self.head, self._in_force.since
        if head is None or not since < head.header.height < height:
            return
        before = after = self._in_force.validators.hash
        for step in trail:
            header = parse_header(step.record.header)
            if since < header.height <= head.header.height:
                self.compare(CertifiedHeader(header, block_hash(step.record.header)), step.record)
                before, after = header.validators_hash, header.next_validators_hash
                if header.height < head.header.height:
                    before = after
        if (before, after) != (head.header.validators_hash, head.header.next_validators_hash):
            raise VerificationError(f"the trail of validator sets is not that of the known block {head.header.height}")

    def _check_continues(
        self, certified: CertifiedHeader, record: CommitRecord, consistency: Sequence[Digest] | None
    ) -> None:
        """The block above the head is one that can come after it; without `consistency` it must be the next one."""
        if self.head is None:
            return
        head, header = self.head.header, certified.header
        if header.height == head.height + 1 and header.parent_hash != self.head.block_hash:
            reason = f"the certified block {header.height} builds on another block {head.height} than the certified one"
            raise ForkError(reason, self._seen[head.height].record, record, ())
        if header.height == head.height + 1 and header.log_size != head.log_size + header.transaction_count:
            raise LogError(
                f"block {header.height} has {header.transaction_count} transactions, and the log goes from "
                f"{head.log_size} to {header.log_size}"
            )
        if header.time_ms <= head.time_ms:
            raise VerificationError(f"block {header.height} has no later time than block {head.height}")
        if consistency is not None and not check_consistency(
            head.log_size, header.log_size, head.log_root, header.log_root, consistency
        ):
            raise LogError(
                f"the log of {header.log_size} transactions under block {header.height} is not shown to begin with "
                f"that of {head.log_size} under block {head.height}"
            )

    def _look_back(self, record: CommitRecord, height: int) -> Progress:
        """An update to a height of which the signers are not known any more: nothing is learned of it."""
        if self.head is not None and block_hash(record.header) == self.head.block_hash:
            return Progress.KNOWN  # the pinned block is still the newest one
        raise BehindError(height, self.height)

    def _take(self, certified: CertifiedHeader, record: CommitRecord | None) -> None:
        self.head = certified
        self._seen[certified.header.height] = _Seen(certified, record)
        if len(self._seen) > LIGHT_HEADERS_REMEMBERED_MAX:
            self._seen.popitem(last=False)

    def _accused(self, seen: _Seen, record: CommitRecord) -> tuple[str, ...]:
        """Who signed both of two verified records of one height, as far as the set of that height is known."""
        known = seen.record
        validators = self._in_force.validators
        if known is None or any(
            parse_header(item.header).validators_hash != validators.hash for item in (known, record)
        ):
            return ()
        return who_signed_both(known, record, validators)
