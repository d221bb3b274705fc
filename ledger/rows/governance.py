"""Proposals, what is open and pending of them, and the candidates that are ready to be validators."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from functools import lru_cache
from typing import Final

from ledger.encoding import Json, decode, expect_fields, expect_integer, expect_list
from ledger.errors import MalformedError
from ledger.governance.changes import Change, parse_changes
from ledger.limits import (
    EVIDENCE_PER_PROPOSAL_MAX,
    MEMO_BYTES_MAX,
    PROPOSALS_OPEN_MAX,
    PROPOSALS_PENDING_MAX,
    VALIDATORS_MAX,
)
from ledger.names import parse_account_name
from ledger.primitives import Digest, parse_digest
from ledger.refusals import Code
from ledger.rows.reading import ROW_BYTES_MAX
from ledger.validators import Validator, parse_validator_entry

GOVERNANCE_KEY: Final = b"governance"
PROPOSAL_PREFIX: Final = b"proposal/"
CANDIDATE_PREFIX: Final = b"candidate/"


@dataclass(frozen=True, slots=True)
class OpenProposal:
    """What is asked of all open proposals at once: whose it is, and the ledger time (ms) at which it expires."""

    number: int
    proposer: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class PendingProposal:
    """A decided proposal, and the first height at which it will be in force."""

    number: int
    activation_height: int


@dataclass(frozen=True, slots=True)
class Governance:
    """How many proposals there were, those that are open (expired ones may be among them), and those to come.

    Open ones ascend by number; pending ones stand in the order in which they were decided.
    """

    count: int = 0
    open: tuple[OpenProposal, ...] = ()
    pending: tuple[PendingProposal, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "count": self.count,
            "open": [
                {"number": item.number, "proposer": item.proposer, "expires": item.expires_ms} for item in self.open
            ],
            "pending": [{"number": item.number, "activation_height": item.activation_height} for item in self.pending],
        }


@unique
class ProposalState(StrEnum):
    """Where a proposal stands. An open one whose time has come expires; its row says so when another is created."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPROVED = "approved"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal: what voters agree to (proposer .. delay, under `digest`), who did, and what came of it.

    `delay` counts heights from the block that decides to the first one where it is in force. Approvals and rejections
    are accounts, ascending. `decided_height` is that of the block in which it was no longer open;
    `activation_height` is there once it is approved. `code` says why it failed.
    """

    number: int
    proposer: str
    changes: tuple[Change, ...]
    evidence: tuple[Digest, ...]
    memo: str | None
    expires_ms: int
    delay: int
    digest: Digest
    created_height: int
    approvals: tuple[str, ...] = ()
    rejections: tuple[str, ...] = ()
    state: ProposalState = ProposalState.OPEN
    decided_height: int | None = None
    activation_height: int | None = None
    code: Code | None = None

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "number": self.number,
            "proposer": self.proposer,
            "changes": [change.to_json() for change in self.changes],
            "evidence": [item.hex() for item in self.evidence],
            "memo": self.memo,
            "expires": self.expires_ms,
            "delay": self.delay,
            "digest": self.digest.hex(),
            "created_height": self.created_height,
            "approvals": list(self.approvals),
            "rejections": list(self.rejections),
            "state": str(self.state),
            "decided_height": self.decided_height,
            "activation_height": self.activation_height,
            "code": None if self.code is None else str(self.code),
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry whose three keys have said that they are ready, and the height of the chain that they had seen."""

    entry: Validator
    height: int
    recorded_height: int

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "entry": self.entry.to_json(),
            "digest": self.entry.digest.hex(),
            "height": self.height,
            "recorded_height": self.recorded_height,
        }


def proposal_key(number: int) -> bytes:
    """The state key of a proposal: keys ascend as numbers do."""
    return b"%b%020d" % (PROPOSAL_PREFIX, number)


def candidate_key(name: str) -> bytes:
    """The state key of the candidate for the validator called `name`."""
    return CANDIDATE_PREFIX + name.encode()


# The row is read at the end of every block, and changes with proposals only.
@lru_cache(maxsize=8)
def parse_governance_row(data: bytes) -> Governance:
    """What is open and pending, from the value of the row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="governance row"),
        what="governance",
        required=frozenset({"count", "open", "pending"}),
    )
    # Beyond PROPOSALS_OPEN_MAX, each validator's operator may have one open.
    open_items = expect_list(fields["open"], what="open", items_max=PROPOSALS_OPEN_MAX + VALIDATORS_MAX)
    pending_items = expect_list(fields["pending"], what="pending", items_max=PROPOSALS_PENDING_MAX)
    return Governance(
        count=expect_integer(fields["count"], what="count"),
        open=tuple(_parse_open(item) for item in open_items),
        pending=tuple(_parse_pending(item) for item in pending_items),
    )


def _parse_open(value: Json) -> OpenProposal:
    fields = expect_fields(value, what="an open proposal", required=frozenset({"number", "proposer", "expires"}))
    return OpenProposal(
        number=expect_integer(fields["number"], what="number", minimum=1),
        proposer=parse_account_name(fields["proposer"], "proposer"),
        expires_ms=expect_integer(fields["expires"], what="expires"),
    )


def _parse_pending(value: Json) -> PendingProposal:
    fields = expect_fields(value, what="a pending proposal", required=frozenset({"number", "activation_height"}))
    return PendingProposal(
        number=expect_integer(fields["number"], what="number", minimum=1),
        activation_height=expect_integer(fields["activation_height"], what="activation_height", minimum=1),
    )


_PROPOSAL_FIELDS = frozenset(
    {
        "number",
        "proposer",
        "changes",
        "evidence",
        "memo",
        "expires",
        "delay",
        "digest",
        "created_height",
        "approvals",
        "rejections",
        "state",
        "decided_height",
        "activation_height",
        "code",
    }
)


def parse_proposal_row(data: bytes) -> Proposal:
    """A proposal from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="proposal row"), what="proposal", required=_PROPOSAL_FIELDS
    )
    evidence = expect_list(fields["evidence"], what="evidence", items_max=EVIDENCE_PER_PROPOSAL_MAX)
    state, code, memo = fields["state"], fields["code"], fields["memo"]
    if not isinstance(state, str) or state not in tuple(ProposalState):
        raise MalformedError(f"state must be one of: {', '.join(ProposalState)}")
    if code is not None and (not isinstance(code, str) or code not in tuple(Code)):
        raise MalformedError("code must be that of a refusal, or null")
    if memo is not None and (not isinstance(memo, str) or len(memo.encode()) > MEMO_BYTES_MAX):
        raise MalformedError(f"memo must be a string of at most {MEMO_BYTES_MAX} bytes, or null")
    return Proposal(
        number=expect_integer(fields["number"], what="number", minimum=1),
        proposer=parse_account_name(fields["proposer"], "proposer"),
        changes=parse_changes(fields["changes"], "changes"),
        evidence=tuple(parse_digest(item, "evidence") for item in evidence),
        memo=memo,
        expires_ms=expect_integer(fields["expires"], what="expires"),
        delay=expect_integer(fields["delay"], what="delay", minimum=1),
        digest=parse_digest(fields["digest"], "digest"),
        created_height=expect_integer(fields["created_height"], what="created_height", minimum=1),
        approvals=_parse_accounts(fields["approvals"], "approvals"),
        rejections=_parse_accounts(fields["rejections"], "rejections"),
        state=ProposalState(state),
        decided_height=_parse_height(fields["decided_height"], "decided_height"),
        activation_height=_parse_height(fields["activation_height"], "activation_height"),
        code=None if code is None else Code(code),
    )


def parse_candidate_row(data: bytes) -> Candidate:
    """A candidate from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="candidate row"),
        what="candidate",
        required=frozenset({"entry", "digest", "height", "recorded_height"}),
    )
    entry = parse_validator_entry(fields["entry"])
    if parse_digest(fields["digest"], "digest") != entry.digest:
        raise MalformedError("the digest of a candidate is not that of its entry")
    return Candidate(
        entry,
        expect_integer(fields["height"], what="height"),
        expect_integer(fields["recorded_height"], what="recorded_height", minimum=1),
    )


def _parse_accounts(value: Json, what: str) -> tuple[str, ...]:
    items = expect_list(value, what=what, items_max=VALIDATORS_MAX)
    return tuple(parse_account_name(item, "an account") for item in items)


def _parse_height(value: Json, what: str) -> int | None:
    return None if value is None else expect_integer(value, what=what, minimum=1)
