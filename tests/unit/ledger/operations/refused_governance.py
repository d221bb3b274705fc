"""Proposals, votes and joiners that are refused: what is wrong with each, its code, and the state it is done on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from msgspec.structs import replace as changed

from ledger.governance.changes import ParameterSet, SuspendAccount, ValidatorAdd
from ledger.governance.readiness import ReadyProofs, sign_ready
from ledger.limits import (
    PROPOSAL_OPEN_MS_MAX,
    PROPOSALS_OPEN_MAX,
    PROPOSALS_OPEN_PER_PROPOSER_MAX,
    PROPOSALS_PENDING_MAX,
    READY_HEIGHTS_MAX,
)
from ledger.operations.governance import ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation
from ledger.operations.validators import ValidatorReady
from ledger.primitives import PublicKey
from ledger.refusals import Code, Refusal
from ledger.rows.governance import GOVERNANCE_KEY, OpenProposal, proposal_key
from ledger.state import Overlay
from ledger.validators import Validator
from tests.unit.ledger.council import EXPIRES_MS, council, create, digest_of, ready, validator, vote, votes
from tests.unit.ledger.governance_cases import ADD, CASES, NEVER, Case
from tests.unit.ledger.members import CHAIN, key_of
from tests.unit.ledger.operations.acting import PLACE

RefusedOn: TypeAlias = tuple[str, Operation, Code, Callable[[], Overlay]]
"""As `RefusedOperation`, with what makes the state."""

SUSPEND = SuspendAccount("member")
PROPOSED = create(SUSPEND, by="op1")
QUOTA = [create(ParameterSet("sender_quota", number), by="op1", delay=9) for number in range(1, 40)]


def spoilt(case: Case, *operations: Operation) -> Overlay:
    """The network after `operations`, and after what makes the changes of `case` impossible."""
    state = council(*operations)
    case.spoil(state)
    return state


def of_changes() -> list[RefusedOn]:
    """Every case, proposed when it is too late, and voted on when it is."""
    rows: list[RefusedOn] = []
    for case in CASES:
        proposed = create(*case.changes, by="op1", delay=case.delay)
        before = (proposed, *votes(proposed, "op1", "op2"))
        rows += [
            (f"proposing: {case.name}", proposed, case.code, lambda case=case: spoilt(case)),  # type: ignore[misc]
            (
                f"deciding: {case.name}",
                vote("op3", proposed),
                case.code,
                lambda case=case, before=before: spoilt(case, *before),  # type: ignore[misc]
            ),
        ]
    return rows + [
        (f"proposing: {name}", create(*changes, delay=delay), code, council) for name, changes, delay, code in NEVER
    ]


def with_open(count: int, proposer: str = "deputy") -> Overlay:
    """The network with `count` open proposals."""
    state = council()
    opened = tuple(OpenProposal(number, proposer, EXPIRES_MS) for number in range(1, count + 1))
    state.put(GOVERNANCE_KEY, replace(state.governance(), count=count, open=opened))
    return state


def with_pending(count: int) -> Overlay:
    """The network with `count` decided proposals, and one that lacks the third vote."""
    operations: list[Operation] = []
    for number, proposed in enumerate(QUOTA[:count], 1):
        operations += [proposed, *votes(proposed, "op1", "op2", "op3", number=number)]
    return council(*operations, PROPOSED, *votes(PROPOSED, "op1", "op2", number=count + 1))


def with_set_change() -> Overlay:
    """The network with a decided change of the set, and another that lacks the third vote."""
    first, second = create(ADD, delay=9), create(ValidatorAdd("v5", ADD.entry), delay=5)
    return council(first, second, *votes(first, "op1", "op2", "op3"), *votes(second, "op1", "op2", number=2))


def proposals(*operations: Operation) -> Callable[[], Overlay]:
    """The network with PROPOSED, of the block before, and after `operations`."""

    def prepare() -> Overlay:
        state = council(PROPOSED)
        proposal = state.proposal(1)
        assert proposal is not None
        state.put(proposal_key(1), replace(proposal, created_height=PLACE.height - 1))
        for operation in operations:
            outcome = operation.apply(state, PLACE)
            assert not isinstance(outcome, Refusal), outcome
        return state

    return prepare


def expired() -> Overlay:
    """The network with PROPOSED, whose time has come."""
    state = council(PROPOSED)
    proposal = state.proposal(1)
    assert proposal is not None
    state.put(proposal_key(1), replace(proposal, expires_ms=PLACE.time_ms))
    return state


def with_entry(entry: Validator, by: str | None = None, height: int = PLACE.height - 1) -> ValidatorReady:
    """A ready statement of `entry` that v5's keys have signed."""
    keys = {f"{purpose}_key": key_of(f"v5 {purpose}") for purpose in ("consensus", "node", "cosigning")}
    return ValidatorReady(by or entry.operator, entry, height, sign_ready(CHAIN, entry, height, **keys))


V5, READY = validator(5), ready(5)
OTHER_SIGNATURE = sign_ready(
    CHAIN, V5, PLACE.height - 2, **{f"{p}_key": key_of(f"v5 {p}") for p in ("consensus", "node", "cosigning")}
)


def with_proofs(**changes: bytes) -> ValidatorReady:
    """A ready statement with other proofs."""
    return changed(READY, proofs=ReadyProofs(**{**vars_of(READY.proofs), **changes}))  # type: ignore[arg-type]


def vars_of(proofs: ReadyProofs) -> dict[str, bytes]:
    return {"consensus": proofs.consensus, "node": proofs.node, "cosigning": proofs.cosigning}


REFUSED: Final[list[RefusedOn]] = [
    *of_changes(),
    # proposal.create: who may
    *(
        (f"{by} proposes", create(SUSPEND, by=by), Code.PERMISSION_DENIED, council)
        for by in ("member", "desk", "vault", "op5")
    ),
    # proposal.create: when it expires
    ("expiring now", create(SUSPEND, expires_ms=PLACE.time_ms), Code.PROPOSAL_EXPIRY_WRONG, council),
    (
        "open for ever",
        create(SUSPEND, expires_ms=PLACE.time_ms + PROPOSAL_OPEN_MS_MAX + 1),
        Code.PROPOSAL_EXPIRY_WRONG,
        council,
    ),
    # proposal.create: how many
    (
        "one more of the same proposer",
        create(SUSPEND),
        Code.PROPOSALS_OPEN_FULL,
        lambda: with_open(PROPOSALS_OPEN_PER_PROPOSER_MAX, "chief"),
    ),
    (
        "one more of the same operator",
        create(SUSPEND, by="op1"),
        Code.PROPOSALS_OPEN_FULL,
        lambda: with_open(PROPOSALS_OPEN_PER_PROPOSER_MAX, "op1"),
    ),
    ("one more of anybody", create(SUSPEND), Code.PROPOSALS_OPEN_FULL, lambda: with_open(PROPOSALS_OPEN_MAX)),
    (
        "one more than the row can hold",
        create(SUSPEND, by="op1"),
        Code.PROPOSALS_OPEN_FULL,
        lambda: with_open(PROPOSALS_OPEN_MAX + 100),
    ),
    # proposal.vote
    *(
        (f"{by} votes", vote(by, PROPOSED), Code.PERMISSION_DENIED, proposals())
        for by in ("chief", "member", "desk", "op5")
    ),
    ("voting on nothing", vote("op1", PROPOSED, 2), Code.PROPOSAL_UNKNOWN, proposals()),
    ("voting on what one did not see", vote("op2", create(SUSPEND)), Code.PROPOSAL_CHANGED, proposals()),
    (
        "voting when it is decided",
        vote("op4", PROPOSED),
        Code.PROPOSAL_CLOSED,
        proposals(*votes(PROPOSED, "op1", "op2", "op3")),
    ),
    (
        "voting when it is rejected",
        vote("op4", PROPOSED),
        Code.PROPOSAL_CLOSED,
        proposals(vote("op1", PROPOSED, approve=False), vote("op2", PROPOSED, approve=False)),
    ),
    ("voting when it is withdrawn", vote("op4", PROPOSED), Code.PROPOSAL_CLOSED, proposals(ProposalWithdraw("op1", 1))),
    ("voting too late", vote("op2", PROPOSED), Code.PROPOSAL_EXPIRED, expired),
    (
        "deciding one too many",
        vote("op3", PROPOSED, PROPOSALS_PENDING_MAX + 1),
        Code.PROPOSALS_PENDING_FULL,
        lambda: with_pending(PROPOSALS_PENDING_MAX),
    ),
    (
        "a second change of the set",
        ProposalVote("op3", 2, digest_of(create(ADD, delay=5)), True),
        Code.SET_CHANGE_PENDING,
        with_set_change,
    ),
    # proposal.withdraw
    ("withdrawing another's", ProposalWithdraw("chief", 1), Code.PERMISSION_DENIED, proposals()),
    ("withdrawing nothing", ProposalWithdraw("op1", 2), Code.PROPOSAL_UNKNOWN, proposals()),
    ("withdrawing at once", ProposalWithdraw("op1", 1), Code.PROPOSAL_NEW, lambda: council(PROPOSED)),
    ("withdrawing twice", ProposalWithdraw("op1", 1), Code.PROPOSAL_CLOSED, proposals(ProposalWithdraw("op1", 1))),
    ("withdrawing too late", ProposalWithdraw("op1", 1), Code.PROPOSAL_EXPIRED, expired),
    (
        "withdrawing what is decided",
        ProposalWithdraw("op1", 1),
        Code.PROPOSAL_CLOSED,
        proposals(*votes(PROPOSED, "op1", "op2", "op3")),
    ),
    # validator.ready
    ("a member is ready", with_entry(replace(V5, operator="member")), Code.PERMISSION_DENIED, council),
    ("an administrator is ready", with_entry(replace(V5, operator="chief")), Code.PERMISSION_DENIED, council),
    ("ready for another operator", with_entry(V5, by="op1"), Code.PERMISSION_DENIED, council),
    ("another's validator", with_entry(replace(V5, name="v1")), Code.VALIDATOR_NAME_TAKEN, council),
    ("another's candidate", with_entry(replace(V5, operator="op1")), Code.VALIDATOR_NAME_TAKEN, council),
    ("a height to come", ready(5, height=PLACE.height), Code.READY_HEIGHT_WRONG, council),
    (
        "a height of the past",
        changed(READY, height=PLACE.height - READY_HEIGHTS_MAX - 1),
        Code.READY_HEIGHT_WRONG,
        council,
    ),
    (
        "a key of small order",
        with_entry(replace(V5, node_key=PublicKey((1).to_bytes(32, "little")))),
        Code.KEY_UNACCEPTABLE,
        council,
    ),
    (
        "another validator's key",
        with_entry(replace(V5, node_key=validator(1).consensus_key)),
        Code.KEY_RETIRED,
        council,
    ),
    ("the keys that it has", changed(ready(1), by="op1"), Code.KEY_RETIRED, council),
    *(
        (
            f"a {purpose} proof for another height",
            with_proofs(**{purpose: vars_of(OTHER_SIGNATURE)[purpose]}),
            Code.READY_PROOF_INVALID,
            council,
        )
        for purpose in ("consensus", "node", "cosigning")
    ),
    ("proofs of another entry", changed(READY, entry=replace(V5, address="h:1")), Code.READY_PROOF_INVALID, council),
    ("proofs by one another", with_proofs(node=READY.proofs.consensus), Code.READY_PROOF_INVALID, council),
]
