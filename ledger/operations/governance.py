"""Operations on proposals: creating one, voting, withdrawing. The rules behind them stand in `ledger.governance`."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from msgspec import Struct

from ledger.events import AccountTouched, Event, ProposalTouched, ValidatorTouched
from ledger.governance.changes import CHANGES, Change, accounts_named, changes_set, parse_changes, validators_named
from ledger.governance.draft import check_changes
from ledger.governance.proposals import decided_set_change, proposal_digest, tally
from ledger.limits import (
    CHANGES_PER_PROPOSAL_MAX,
    INTEGER_MAX,
    PROPOSAL_DELAY_HEIGHTS_MAX,
    PROPOSAL_OPEN_MS_MAX,
    PROPOSALS_OPEN_MAX,
    PROPOSALS_OPEN_PER_PROPOSER_MAX,
    PROPOSALS_PENDING_MAX,
    VALIDATORS_MAX,
)
from ledger.operations import fields
from ledger.operations.fields import Field, FieldType
from ledger.operations.kinds import OperationKind, Place
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.roles import Permission
from ledger.rows.governance import (
    GOVERNANCE_KEY,
    Governance,
    OpenProposal,
    PendingProposal,
    Proposal,
    ProposalState,
    proposal_key,
)
from ledger.state import Overlay


class ProposalCreate(Struct, frozen=True, gc=False):
    """Propose `changes`, to be voted on until ledger time `expires` (ms), in force `delay` heights after decision."""

    kind: ClassVar[OperationKind]

    by: str
    changes: tuple[Change, ...]
    expires: int
    delay: int
    evidence: tuple[Digest, ...] | None = None
    memo: str | None = None

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        actor = state.account(self.by)
        assert actor is not None, "admission requires it"
        operates = self.by in state.electorate().weights
        if not operates and not actor.may(Permission.PROPOSE_CHANGES):
            return Refusal(Code.PERMISSION_DENIED, "only an administrator or the operator of a validator proposes")
        latest_ms = place.time_ms + PROPOSAL_OPEN_MS_MAX
        if not place.time_ms < self.expires <= latest_ms:
            return Refusal(
                Code.PROPOSAL_EXPIRY_WRONG, f"it must be after {place.time_ms} and not after {latest_ms} (ms)"
            )
        governance = state.governance()
        still_open = tuple(item for item in governance.open if place.time_ms < item.expires_ms)
        if refusal := _check_room(still_open, self.by, operates=operates):
            return refusal
        activation_height = place.height + self.delay
        if refusal := check_changes(
            state,
            self.changes,
            created_height=place.height,
            delay=self.delay,
            activation_height=activation_height,
        ):
            return refusal
        for item in governance.open:
            if item not in still_open:
                _put_closed(state, item.number, ProposalState.EXPIRED, place)
        proposal = self._proposal(governance.count + 1, place)
        opened = OpenProposal(proposal.number, self.by, self.expires)
        state.put(GOVERNANCE_KEY, Governance(proposal.number, (*still_open, opened), governance.pending))
        state.put(proposal_key(proposal.number), proposal)
        at = place.transaction_index, place.operation_index
        expired = (item.number for item in governance.open if item not in still_open)
        return (
            *(ProposalTouched(number, *at) for number in (*expired, proposal.number)),
            *(ValidatorTouched(name, *at) for name in validators_named(self.changes)),
        )

    def _proposal(self, number: int, place: Place) -> Proposal:
        evidence = self.evidence or ()
        digest = proposal_digest(
            chain=place.chain,
            proposer=self.by,
            changes=self.changes,
            expires_ms=self.expires,
            delay=self.delay,
            evidence=evidence,
            memo=self.memo,
        )
        return Proposal(
            number=number,
            proposer=self.by,
            changes=self.changes,
            evidence=evidence,
            memo=self.memo,
            expires_ms=self.expires,
            delay=self.delay,
            digest=digest,
            created_height=place.height,
        )


class ProposalVote(Struct, frozen=True, gc=False):
    """Approve or reject `proposal`, whose content is the one with this `digest`; a later vote replaces an earlier."""

    kind: ClassVar[OperationKind]

    by: str
    proposal: int
    digest: Digest
    approve: bool

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        electorate = state.electorate()
        if self.by not in electorate.weights:
            return Refusal(Code.PERMISSION_DENIED, f"{self.by} operates no validator of the set in force")
        proposal = _find_open(state, self.proposal, place)
        if isinstance(proposal, Refusal):
            return proposal
        if self.digest != proposal.digest:
            return Refusal(
                Code.PROPOSAL_CHANGED,
                f"the vote is on {self.digest.hex()}, proposal {self.proposal} is {proposal.digest.hex()}",
            )
        own = {self.by}
        others = electorate.operators - own
        proposal = replace(
            proposal,
            approvals=tuple(sorted(others & set(proposal.approvals) | (own if self.approve else set()))),
            rejections=tuple(sorted(others & set(proposal.rejections) | (set() if self.approve else own))),
        )
        outcome = tally(electorate, proposal)
        if outcome.approved:
            return _decide(state, proposal, place)
        state.put(proposal_key(proposal.number), proposal)
        if outcome.rejected:
            _close(state, proposal.number, ProposalState.REJECTED, place)
        return (ProposalTouched(proposal.number, place.transaction_index, place.operation_index),)


class ProposalWithdraw(Struct, frozen=True, gc=False):
    """Take back `proposal` while it is open."""

    kind: ClassVar[OperationKind]

    by: str
    proposal: int

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        proposal = _find_open(state, self.proposal, place)
        if isinstance(proposal, Refusal):
            return proposal
        if proposal.proposer != self.by:
            return Refusal(Code.PERMISSION_DENIED, f"proposal {self.proposal} is {proposal.proposer}'s")
        # Or one account could have a block check thousands of them, one after the other.
        if proposal.created_height == place.height:
            return Refusal(Code.PROPOSAL_NEW, f"proposal {self.proposal} was created in this very block")
        _close(state, proposal.number, ProposalState.WITHDRAWN, place)
        return (ProposalTouched(proposal.number, place.transaction_index, place.operation_index),)


def _check_room(still_open: tuple[OpenProposal, ...], proposer: str, *, operates: bool) -> Refusal | None:
    """Why `proposer` may not open one more, or None. Who operates a validator always has one: nobody locks it out."""
    own = sum(item.proposer == proposer for item in still_open)
    if own >= PROPOSALS_OPEN_PER_PROPOSER_MAX:
        return Refusal(Code.PROPOSALS_OPEN_FULL, f"{own} proposals of {proposer} are open")
    maximum = PROPOSALS_OPEN_MAX + (VALIDATORS_MAX if operates and own == 0 else 0)
    if len(still_open) >= maximum:
        return Refusal(Code.PROPOSALS_OPEN_FULL, f"{len(still_open)} proposals are open")
    return None


def _find_open(state: Overlay, number: int, place: Place) -> Proposal | Refusal:
    """Proposal `number`, if it is open at the block's time."""
    proposal = state.proposal(number)
    if proposal is None:
        return Refusal(Code.PROPOSAL_UNKNOWN, f"there is no proposal {number}")
    if proposal.state is not ProposalState.OPEN:
        return Refusal(Code.PROPOSAL_CLOSED, f"proposal {number} is {proposal.state}")
    if place.time_ms >= proposal.expires_ms:
        return Refusal(Code.PROPOSAL_EXPIRED, f"proposal {number} expired at {proposal.expires_ms} (ms)")
    return proposal


def _decide(state: Overlay, proposal: Proposal, place: Place) -> tuple[Event, ...] | Refusal:
    """Decide an approved proposal: its activation is pending from here on. Refused if it could not come into force."""
    governance = state.governance()
    if len(governance.pending) >= PROPOSALS_PENDING_MAX:
        return Refusal(Code.PROPOSALS_PENDING_FULL, f"{len(governance.pending)} proposals wait for their height")
    if changes_set(proposal.changes) and (other := decided_set_change(state)) is not None:
        return Refusal(
            Code.SET_CHANGE_PENDING, f"proposal {other.number} changes the set at height {other.activation_height}"
        )
    activation_height = place.height + proposal.delay
    if refusal := check_changes(
        state,
        proposal.changes,
        created_height=proposal.created_height,
        delay=proposal.delay,
        activation_height=activation_height,
    ):
        return refusal
    state.put(proposal_key(proposal.number), replace(proposal, activation_height=activation_height))
    _close(state, proposal.number, ProposalState.APPROVED, place)
    governance = state.governance()
    pending = PendingProposal(proposal.number, activation_height)
    state.put(GOVERNANCE_KEY, replace(governance, pending=(*governance.pending, pending)))
    at = place.transaction_index, place.operation_index
    return (
        ProposalTouched(proposal.number, *at),
        *(AccountTouched(name, *at) for name in accounts_named(proposal.changes)),
        *(ValidatorTouched(name, *at) for name in validators_named(proposal.changes)),
    )


def _close(state: Overlay, number: int, how: ProposalState, place: Place) -> None:
    """End the time in which proposal `number` is open."""
    governance = state.governance()
    still_open = tuple(item for item in governance.open if item.number != number)
    state.put(GOVERNANCE_KEY, replace(governance, open=still_open))
    _put_closed(state, number, how, place)


def _put_closed(state: Overlay, number: int, how: ProposalState, place: Place) -> None:
    proposal = state.proposal(number)
    assert proposal is not None, "an open proposal has its row"
    state.put(proposal_key(number), replace(proposal, state=how, decided_height=place.height))


_CHANGES: Final = FieldType(
    parse_changes,
    {
        "type": "array",
        "items": {"oneOf": [kind.schema for kind in CHANGES.values()]},
        "minItems": 1,
        "maxItems": CHANGES_PER_PROPOSAL_MAX,
    },
)
_NUMBER: Final = Field("proposal", fields.integer(1, INTEGER_MAX), "The proposal's number.")
_EXAMPLE_DIGEST: Final = "6a2da20943931e9834fc12cfe5bb47bbd9ae43489a30726962b576f4e3993e50"

_CHANGE_CODES: Final = frozenset(
    {
        Code.ACCOUNT_UNKNOWN,
        Code.ADMINISTRATORS_FULL,
        Code.ADMINISTRATOR_LAST,
        Code.ALREADY_SUSPENDED,
        Code.KEY_RETIRED,
        Code.NOT_SUSPENDED,
        Code.OPERATOR_UNFIT,
        Code.OPERATORS_TOO_FEW,
        Code.PARAMETER_IMPOSSIBLE,
        Code.PROTOCOL_VERSION_WRONG,
        Code.QUORUM_IMPOSSIBLE,
        Code.ROLE_HELD,
        Code.ROLE_NOT_HELD,
        Code.VALIDATOR_EXISTS,
        Code.VALIDATOR_NOT_READY,
        Code.VALIDATOR_UNKNOWN,
        Code.VALIDATORS_FULL,
    }
)
"""What changes are refused with, whenever they are checked."""
_KEY_CODES: Final = frozenset({Code.KEY_IN_USE, Code.KEY_UNACCEPTABLE, Code.THRESHOLD_IMPOSSIBLE})
"""What is so whatever the state: asked for the first time when it is proposed, and so never after."""

ProposalCreate.kind = OperationKind(
    type="proposal.create",
    operation=ProposalCreate,
    summary="Proposes changes of the chain itself, all or none of them; refused if they could not come into force now.",
    fields=(
        Field("changes", _CHANGES, "The changes, in the order in which they are applied."),
        Field("expires", fields.integer(1, INTEGER_MAX), "Ledger time (ms) from which nobody votes on it any more."),
        Field(
            "delay",
            fields.integer(1, PROPOSAL_DELAY_HEIGHTS_MAX),
            "Heights from the block that decides it to the first one at which it is in force.",
        ),
        Field("evidence", fields.DIGESTS, "Digests of the evidence that it cites, ascending.", required=False),
        Field("memo", fields.TEXT, "Why, for those who vote.", required=False),
    ),
    permission="Administrators, and the operator accounts of validators in the set.",
    codes=_CHANGE_CODES | _KEY_CODES | {Code.PERMISSION_DENIED, Code.PROPOSAL_EXPIRY_WRONG, Code.PROPOSALS_OPEN_FULL},
    example={
        "type": "proposal.create",
        "by": "acme",
        "changes": [
            {"type": "validator.add", "validator": "v5", "entry": _EXAMPLE_DIGEST},
            {"type": "quorum.set", "quorum": 4},
        ],
        "expires": 1_800_000_000_000,
        "delay": 100,
        "memo": "dock joins",
    },
)

ProposalVote.kind = OperationKind(
    type="proposal.vote",
    operation=ProposalVote,
    summary="Approves or rejects a proposal; the vote that makes the approvals a quorum of validators decides it.",
    fields=(
        _NUMBER,
        Field("digest", fields.DIGEST, "The digest of the proposal that the voter saw."),
        Field("approve", fields.TRUTH, "Whether to approve; false rejects."),
    ),
    permission="The operator accounts of validators in the set: one vote for each validator.",
    codes=_CHANGE_CODES
    | {
        Code.PERMISSION_DENIED,
        Code.PROPOSAL_CHANGED,
        Code.PROPOSAL_CLOSED,
        Code.PROPOSAL_EXPIRED,
        Code.PROPOSAL_UNKNOWN,
        Code.PROPOSALS_PENDING_FULL,
        Code.SET_CHANGE_PENDING,
    },
    example={"type": "proposal.vote", "by": "org", "proposal": 3, "digest": _EXAMPLE_DIGEST, "approve": True},
)

ProposalWithdraw.kind = OperationKind(
    type="proposal.withdraw",
    operation=ProposalWithdraw,
    summary="Takes back a proposal that is open, from the block after it was created on.",
    fields=(_NUMBER,),
    permission="The account that proposed it.",
    codes=frozenset(
        {Code.PERMISSION_DENIED, Code.PROPOSAL_CLOSED, Code.PROPOSAL_EXPIRED, Code.PROPOSAL_NEW, Code.PROPOSAL_UNKNOWN}
    ),
    example={"type": "proposal.withdraw", "by": "acme", "proposal": 3},
)

KINDS: Final = (ProposalCreate.kind, ProposalVote.kind, ProposalWithdraw.kind)
