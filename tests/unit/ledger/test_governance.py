"""The life of proposals on a network of four operators, block by block: votes, decisions, and what comes into force."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from ledger.encoding import encode_trusted
from ledger.events import AccountTouched, ProposalTouched
from ledger.execution import APPLIED
from ledger.governance.activation import UnknownRules, unknown_rules
from ledger.governance.changes import (
    GrantRole,
    ParameterSet,
    QuorumSet,
    RecoverAccount,
    ReinstateAccount,
    RevokeRole,
    SuspendAccount,
    ValidatorAdd,
    ValidatorRekey,
    ValidatorRemove,
)
from ledger.governance.proposals import Tally, tally
from ledger.limits import PROPOSALS_OPEN_MAX
from ledger.operations.governance import ProposalCreate, ProposalWithdraw
from ledger.operations.members import AccountSuspend
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Code
from ledger.rows.accounts import Administrators
from ledger.rows.governance import (
    GOVERNANCE_KEY,
    Governance,
    OpenProposal,
    PendingProposal,
    Proposal,
    ProposalState,
    proposal_key,
)
from ledger.rows.settings import PARAMETERS_KEY
from ledger.rows.validator_keys import ValidatorKey
from ledger.state import Overlay
from ledger.validators import KeyPurpose, parse_quorum
from tests.unit.ledger.council import ACCOUNTS, Council, create, digest_of, ready, validator, validators, vote, votes
from tests.unit.ledger.governance_cases import CASES, Case
from tests.unit.ledger.members import account, key_of

SUSPEND = SuspendAccount("member")


# ---- votes


def test_a_proposal_is_decided_by_the_vote_that_makes_a_quorum_and_in_force_when_it_says() -> None:
    council = Council()
    proposed = council.propose(SUSPEND, delay=3)
    assert council.state.governance() == Governance(1, (OpenProposal(1, "chief", proposed.expires),))
    assert council.block(*votes(proposed, "op1", "op4")) == [APPLIED] * 2
    assert council.proposal(1).approvals == ("op1", "op4")
    assert council.proposal(1).state is ProposalState.OPEN
    execution = council.execute(vote("op2", proposed))
    assert execution.results == (APPLIED,)
    assert execution.events == (ProposalTouched(1, 0, 0), AccountTouched("member", 0, 0)), (
        "the history of the account names the decision"
    )
    decided = council.proposal(1)
    assert (decided.state, decided.decided_height, decided.activation_height) == (ProposalState.APPROVED, 3, 6)
    assert council.state.governance() == Governance(1, (), (PendingProposal(1, 6),))
    for height in (4, 5):
        member = council.state.account("member")
        assert member is not None
        assert not member.suspended, "in force from height 6 on, and so in the state after height 5"
        council.idle(1)
        assert council.height == height
    assert council.state.account("member") == account("member", suspended=True)
    assert council.proposal(1) == replace(decided, state=ProposalState.ACTIVE)
    assert council.state.governance() == Governance(1)


def test_with_a_delay_of_one_it_is_in_force_at_the_next_height() -> None:
    council = Council()
    proposal = council.decide(SUSPEND, delay=1)
    assert (proposal.state, proposal.decided_height, proposal.activation_height) == (
        ProposalState.ACTIVE,
        council.height,
        council.height + 1,
    )
    assert council.state.account("member") == account("member", suspended=True)


def test_everything_can_happen_in_one_transaction_if_all_of_them_sign_it() -> None:
    council = Council()
    proposed = create(SUSPEND)
    together = council.transaction(proposed, *votes(proposed, "op1", "op2", "op3"))
    assert council.block(together) == [APPLIED]
    assert council.proposal(1).state is ProposalState.ACTIVE


def test_an_account_weighs_as_much_as_the_validators_that_it_operates() -> None:
    council = Council(validators(5, "bft", operators=2))  # op1 operates three, op2 two; the quorum is four
    proposed = council.propose(SUSPEND)
    council.block(vote("op1", proposed))
    assert tally(council.state.electorate(), council.proposal(1)) == Tally(
        approvals=3, rejections=0, validators=5, quorum=4
    )
    council.block(vote("op2", proposed))
    assert council.proposal(1).state is ProposalState.ACTIVE


def test_a_vote_may_be_changed_while_the_proposal_is_open_and_counts_once() -> None:
    council = Council()
    proposed = council.propose(SUSPEND)
    for _ in range(3):
        assert council.block(vote("op1", proposed)) == [APPLIED]
    assert council.proposal(1).approvals == ("op1",)
    council.block(vote("op1", proposed, approve=False))
    assert (council.proposal(1).approvals, council.proposal(1).rejections) == ((), ("op1",))
    council.block(vote("op1", proposed), *votes(proposed, "op2"))
    assert (council.proposal(1).approvals, council.proposal(1).rejections) == (("op1", "op2"), ())


def test_a_proposal_is_rejected_once_the_others_are_no_quorum() -> None:
    council = Council()
    proposed = council.propose(SUSPEND)
    council.block(vote("op1", proposed, approve=False), vote("op2", proposed))
    assert council.proposal(1).state is ProposalState.OPEN
    council.block(vote("op3", proposed, approve=False))
    rejected = council.proposal(1)
    assert (rejected.state, rejected.decided_height) == (ProposalState.REJECTED, council.height)
    assert rejected.rejections == ("op1", "op3")
    assert council.state.governance() == Governance(1)


def test_votes_are_weighed_against_the_set_and_the_accounts_as_they_are_at_each_vote() -> None:
    council = Council()
    proposed = council.propose(SUSPEND, delay=5)
    council.block(*votes(proposed, "op1", "op2"))
    council.decide(ValidatorRemove("v1"), SuspendAccount("op2"), QuorumSet(parse_quorum("majority")))
    assert tally(council.state.electorate(), council.proposal(1)) == Tally(
        approvals=0, rejections=0, validators=3, quorum=2
    )
    assert council.block(vote("op1", proposed)) == [Code.PERMISSION_DENIED], "it operates none any more"
    council.block(vote("op3", proposed))
    assert council.proposal(1).approvals == ("op2", "op3"), "who left is forgotten; who is suspended weighs nothing"
    assert council.proposal(1).state is ProposalState.OPEN
    council.decide(ReinstateAccount("op2"))
    assert council.proposal(1).state is ProposalState.OPEN, "nothing is counted but at a vote"
    council.block(vote("op3", proposed))
    assert council.proposal(1).state is ProposalState.APPROVED


# ---- the end of proposals that were not decided


def test_a_proposal_is_withdrawn_by_its_proposer() -> None:
    council = Council()
    council.propose(SUSPEND, by="op1")
    assert council.block(ProposalWithdraw("op1", 1)) == [APPLIED]
    assert council.proposal(1).state is ProposalState.WITHDRAWN
    assert council.state.governance() == Governance(1)


def test_expiry_is_the_first_ledger_time_at_which_nobody_votes() -> None:
    for early_ms, result in ((1, APPLIED), (0, Code.PROPOSAL_EXPIRED)):
        council = Council()
        proposed = create(SUSPEND, expires_ms=council.time_ms + 10_000)
        council.block(proposed)
        council.time_ms = proposed.expires - early_ms - 1_000  # a block takes a second
        assert council.block(vote("op1", proposed)) == [result]


def test_expired_proposals_make_room_when_another_is_created() -> None:
    council = Council()
    old = create(SUSPEND, by="op1", expires_ms=council.time_ms + 5_000)
    council.block(old, changed(old, expires=old.expires + 60_000), changed(old, by="op2"))
    council.time_ms = old.expires
    council.block(create(SUSPEND))
    assert [council.proposal(number).state for number in (1, 2, 3, 4)] == [
        ProposalState.EXPIRED,
        ProposalState.OPEN,
        ProposalState.EXPIRED,
        ProposalState.OPEN,
    ]
    assert council.proposal(1).decided_height == council.height
    assert [item.number for item in council.state.governance().open] == [2, 4]


def test_whoever_operates_a_validator_can_always_propose_whatever_others_do() -> None:
    council = Council()
    spam = tuple(OpenProposal(number, f"a{number}", 2**53 - 1) for number in range(1, PROPOSALS_OPEN_MAX + 1))
    governance = Governance(len(spam), spam)
    council.view = council.view.after({GOVERNANCE_KEY: encode_trusted(governance.to_json())})
    assert council.block(create(SUSPEND)) == [Code.PROPOSALS_OPEN_FULL]
    assert council.block(create(SUSPEND, by="op1")) == [APPLIED]
    assert council.block(create(SUSPEND, by="op1")) == [Code.PROPOSALS_OPEN_FULL]
    assert council.block(create(SUSPEND, by="op2")) == [APPLIED]


# ---- the validator set


def key_rows(council: Council, number: int, generation: str = "") -> set[ValidatorKey | None]:
    return {council.state.validator_key(key) for _, key in validator(number, generation=generation).keys}


def expected_rows(name: str, since: int, until: int | None = None) -> set[ValidatorKey | None]:
    return {ValidatorKey(name, purpose, since, until) for purpose in KeyPurpose}


def test_a_candidate_joins_at_the_end_of_the_set() -> None:
    council = Council()
    council.idle(3)
    entry = council.ready(5)
    proposal = council.decide(ValidatorAdd("v5", entry), delay=2)
    assert proposal.activation_height == council.height + 2
    assert council.state.validators() == validators()
    assert key_rows(council, 5) == {None}
    council.idle(1)
    now = council.state.validators()
    assert now.validators == (*validators().validators, validator(5))
    assert (len(now), now.quorum) == (5, 4)
    assert key_rows(council, 5) == expected_rows("v5", since=council.height + 1)
    assert council.state.candidate("v5") is None, "it is no candidate any more"


def test_who_leaves_takes_its_keys_out_of_use_for_ever() -> None:
    council = Council()
    council.idle(4)
    council.decide(ValidatorRemove("v2"))
    last = council.height
    assert [item.name for item in council.state.validators().validators] == ["v1", "v3", "v4"]
    assert key_rows(council, 2) == expected_rows("v2", since=1, until=last)
    again = ready(2, height=council.height)
    assert council.block(again) == [Code.KEY_RETIRED]
    assert council.block(ready(2, generation=" new", height=council.height)) == [APPLIED]


def test_a_validator_gets_new_keys_and_keeps_its_name_its_operator_and_its_place() -> None:
    council = Council()
    entry = council.ready(2, generation=" new")
    council.decide(ValidatorRekey("v2", entry), delay=1)
    first = council.height + 1
    names = [item.name for item in council.state.validators().validators]
    assert names == ["v1", "v2", "v3", "v4"]
    assert council.state.validators().validators[1] == validator(2, generation=" new")
    assert key_rows(council, 2) == expected_rows("v2", since=1, until=first - 1)
    assert key_rows(council, 2, " new") == expected_rows("v2", since=first)
    assert council.block(ready(2, height=council.height)) == [Code.KEY_RETIRED]


def test_a_candidate_may_change_its_mind_until_it_is_in_force() -> None:
    council = Council()
    council.ready(5, generation=" lost")
    entry = council.ready(5)
    lost = ValidatorAdd("v5", validator(5, generation=" lost").digest)
    assert council.block(create(lost)) == [Code.VALIDATOR_NOT_READY]
    council.decide(ValidatorAdd("v5", entry), delay=2)
    council.ready(5, generation=" other")
    failed = council.proposal(1)
    assert (failed.state, failed.code) == (ProposalState.FAILED, Code.VALIDATOR_NOT_READY)
    assert council.state.validators() == validators()


def test_changes_that_are_only_possible_together_are_possible_together() -> None:
    council = Council()
    entry = council.ready(5)
    alone, together = QuorumSet(parse_quorum(5)), (QuorumSet(parse_quorum(5)), ValidatorAdd("v5", entry))
    assert council.block(create(alone)) == [Code.QUORUM_IMPOSSIBLE]
    council.decide(*together)
    assert (len(council.state.validators()), council.state.validators().quorum) == (5, 5)


def test_a_new_operator_and_its_validator_in_one_proposal() -> None:
    council = Council()
    council.decide(GrantRole("member", "operator"))
    entry = validator(6, "member")
    assert council.block(ready(6, by="member", height=council.height)) == [APPLIED]
    council.decide(ValidatorAdd("v6", entry.digest), ValidatorRemove("v1"), RevokeRole("op1", "operator"))
    assert [item.operator for item in council.state.validators().validators] == ["op2", "op3", "op4", "member"]
    assert council.state.account("op1") == account("op1")


def test_there_is_one_decided_change_of_the_set_at_a_time() -> None:
    council = Council()
    council.decide(ValidatorRemove("v4"), delay=5)
    second = council.propose(QuorumSet(parse_quorum("majority")))
    council.block(*votes(second, "op1", "op2", number=2))
    assert council.block(vote("op3", second, 2)) == [Code.SET_CHANGE_PENDING]
    assert council.proposal(2).approvals == ("op1", "op2"), "nothing of the refused vote is recorded"
    other = council.decide(ParameterSet("sender_quota", 7), delay=1)
    assert other.state is ProposalState.ACTIVE, "what is not about the set is not held up"
    while council.proposal(1).state is ProposalState.APPROVED:
        council.idle(1)
    assert council.block(vote("op3", second, 2)) == [APPLIED]
    assert council.proposal(2).state is ProposalState.ACTIVE
    assert (len(council.state.validators()), council.state.validators().quorum) == (3, 2)


def test_what_was_decided_in_one_block_comes_into_force_in_the_order_in_which_it_was() -> None:
    council = Council()
    first, second = create(ParameterSet("sender_quota", 5)), create(ParameterSet("sender_quota", 6))
    approvals = [*votes(second, "op1", "op2", "op3", number=2), *votes(first, "op1", "op2", "op3", number=1)]
    assert set(council.block(first, second, *approvals)) == {APPLIED}
    assert council.state.parameters().sender_quota == 5


# ---- members


def test_roles_suspensions_and_recoveries_of_those_who_govern_are_decided_by_a_quorum() -> None:
    council = Council()
    council.decide(GrantRole("member", "administrator"), RevokeRole("deputy", "administrator"))
    assert council.state.administrators() == Administrators(("chief", "member"))
    assert council.state.account("member") == account("member", roles=("administrator",))
    assert council.state.account("deputy") == account("deputy")
    council.decide(SuspendAccount("chief"), by="op1")
    assert council.state.account("chief") == account("chief", roles=("administrator",), suspended=True)
    assert council.state.administrators() == Administrators(("chief", "member")), "suspended, it is one still"
    council.decide(RecoverAccount("op4", (key_of("x").public_key, key_of("w").public_key), 2), by="op1")
    assert council.state.account("op4") == account("op4", "w", "x", threshold=2, roles=("operator",))


def test_a_recovery_keeps_roles_and_suspension() -> None:
    council = Council()
    council.decide(RecoverAccount("closed", (key_of("x").public_key,), 1))
    assert council.state.account("closed") == account("closed", "x", suspended=True)


def test_what_another_proposal_has_done_in_the_meantime_can_make_one_fail() -> None:
    council = Council()
    council.decide(RevokeRole("chief", "administrator"), ParameterSet("sender_quota", 5), delay=9)
    council.decide(SuspendAccount("deputy"), by="op1", delay=1)
    while council.proposal(1).state is ProposalState.APPROVED:
        council.idle(1)
    assert (council.proposal(1).state, council.proposal(1).code) == (ProposalState.FAILED, Code.ADMINISTRATOR_LAST)
    assert council.state.account("chief") == account("chief", roles=("administrator",))
    assert council.state.parameters().sender_quota == 1_000, "all or nothing"
    assert council.state.governance().pending == ()


# ---- parameters and the protocol version


def test_parameters_change_together() -> None:
    council = Council()
    alone = ParameterSet("base_timeout_ms", 100_000)
    assert council.block(create(alone)) == [Code.PARAMETER_IMPOSSIBLE]
    council.decide(alone, ParameterSet("timeout_ms_max", 200_000))
    parameters = council.state.parameters()
    assert (parameters.base_timeout_ms, parameters.timeout_ms_max) == (100_000, 200_000)


def test_no_parameter_can_be_set_so_low_that_it_could_not_be_changed_again() -> None:
    """Founders may choose less: they see at once whether it works, and have no chain to lose."""
    council = Council()
    lowest = {"base_timeout_ms": 500, "timeout_ms_max": 10_000, "valid_window_ms": 600_000}
    council.decide(*(ParameterSet(name, value) for name, value in lowest.items()))
    assert council.state.parameters() == Parameters(**lowest)
    founded = Parameters(base_timeout_ms=50, timeout_ms_max=200)
    council.view = council.view.after({PARAMETERS_KEY: encode_trusted(founded.to_json())})
    council.decide(ParameterSet("sender_quota", 5))
    assert council.state.parameters() == replace(founded, sender_quota=5)


def test_a_chain_goes_on_to_rules_that_this_software_does_not_know_and_it_says_from_when() -> None:
    council = Council()
    assert unknown_rules(council.state, council.height) is None
    council.decide(ParameterSet("sender_quota", 5), delay=300)
    proposal = council.decide(ParameterSet("protocol_version", 2), delay=100)
    height = proposal.activation_height
    assert height == council.height + 100
    assert unknown_rules(council.state, council.height) == UnknownRules(2, height)
    council.idle(99)
    assert council.state.parameters().protocol_version == 2
    assert unknown_rules(council.state, council.height) == UnknownRules(2, height)
    assert council.height + 1 == height


# ---- what has become impossible


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_has_become_impossible_fails_when_it_is_due_and_changes_nothing(case: Case) -> None:
    council = Council()
    council.ready(5)
    council.ready(1, generation=" new")
    delay = max(case.delay, 2)
    council.decide(*case.changes, by="op1", delay=delay)
    assert council.proposal(1).state is ProposalState.APPROVED
    council.idle(delay - 2)
    overlay = Overlay(council.state)
    case.spoil(overlay)
    council.view = council.view.after(overlay.writes())
    execution = council.execute()
    assert execution.writes.keys() == {GOVERNANCE_KEY, proposal_key(1)}, "nothing else changes"
    failed = council.proposal(1)
    assert (failed.state, failed.code, failed.activation_height) == (
        ProposalState.FAILED,
        case.code,
        council.height + 1,
    )


# ---- digests


def test_the_digest_binds_everything_that_a_voter_sees() -> None:
    proposed = create(SUSPEND, by="op1", memo="why")
    variants: list[ProposalCreate] = [
        proposed,
        changed(proposed, by="op2"),
        changed(proposed, changes=(SuspendAccount("op3"),)),
        changed(proposed, changes=(SUSPEND, SUSPEND)),
        changed(proposed, expires=proposed.expires + 1),
        changed(proposed, delay=2),
        changed(proposed, memo=None),
        changed(proposed, memo="why not"),
        changed(proposed, evidence=(Digest(bytes(32)),)),
    ]
    assert len({digest_of(item) for item in variants}) == len(variants)


def test_a_proposal_keeps_what_it_was_made_of() -> None:
    council = Council()
    proposed = changed(create(SUSPEND, by="op1", delay=4, memo="why"), evidence=(Digest(bytes(32)),))
    council.block(proposed)
    assert council.proposal(1) == Proposal(
        number=1,
        proposer="op1",
        changes=(SUSPEND,),
        evidence=(Digest(bytes(32)),),
        memo="why",
        expires_ms=proposed.expires,
        delay=4,
        digest=digest_of(proposed),
        created_height=1,
    )


def test_a_ready_statement_and_a_vote_are_for_one_chain() -> None:
    council = Council()
    here, there = ready(5, height=0), ready(5, height=0, chain=Digest(bytes(32)))
    assert here.entry == there.entry
    assert council.block(there, here) == [Code.READY_PROOF_INVALID, APPLIED]
    proposed = create(SUSPEND)
    assert digest_of(proposed) != digest_of(proposed, chain=Digest(bytes(32)))


def test_a_suspension_by_an_operation_takes_no_vote() -> None:
    council = Council((validators()), (*ACCOUNTS, account("op9")))
    assert council.block(AccountSuspend("chief", "op1"), AccountSuspend("chief", "op9")) == [
        Code.ROLE_GOVERNED,
        APPLIED,
    ]
