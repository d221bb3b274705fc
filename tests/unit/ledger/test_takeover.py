"""An attacker's suite: whoever is short of a quorum tries to become those who govern, and fails.

The attackers are an administrator, a registrar, a treasurer, a member, and two of the four operators (two votes; the
quorum is three), all together. They may change their own keys and look after ordinary members. What they must not
change, whatever they try, is what `crown` shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from ledger.admission import AdmissionContext, check_authority
from ledger.execution import APPLIED
from ledger.governance.changes import (
    Change,
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
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.governance import ProposalCreate, ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.operations.streams import StreamCreate
from ledger.parameters import Parameters
from ledger.primitives import PublicKey
from ledger.refusals import Code
from ledger.roles import ROLES
from ledger.rows.accounts import Account, parse_account_row
from ledger.state import State
from ledger.validators import parse_quorum
from tests.unit.ledger.council import ACCOUNTS, Council, create, digest_of, ready, validator, vote, votes
from tests.unit.ledger.members import CHAIN, account, body, key_of, signed

ATTACKERS: Final = ("chief", "desk", "member", "op1", "op2", "vault")
VICTIMS: Final = ("closed", "deputy", "op3", "op4", "op5")
EVIL: Final = (key_of("evil").public_key,)


def crown(state: State, everybody: list[Account]) -> dict[str, object]:
    """What may not change: the chain itself, who governs, and the accounts of those who do and are not attackers."""
    return {
        "validators": state.validators(),
        "parameters": state.parameters(),
        "administrators": state.administrators(),
        "governing": {
            row.name: replace(row, keys=(), threshold=0) if row.name in ATTACKERS else row
            for row in everybody
            if row.governs
        },
        "pending": state.governance().pending,
    }


def everybody(council: Council) -> list[Account]:
    return [parse_account_row(value) for _, value in council.view.range(b"account/", b"account0")]


def names_to_take() -> Iterator[str]:
    for name in (*VICTIMS, *ATTACKERS):
        yield from (name, f"x.{name}", f"{name}.chief", f"{name}.op1")
    yield from ("op6", "validator", "root", "administrator", "x.nobody")


def changes_to_want() -> Iterator[Change]:
    """Every type of change, as attackers would like it."""
    yield from (ValidatorAdd("v5", validator(5).digest), ValidatorAdd("v6", validator(6, "op1").digest))
    yield from (ValidatorRemove("v3"), ValidatorRemove("v4"), ValidatorRekey("v1", validator(1, None, " new").digest))
    yield from (QuorumSet(parse_quorum(number)) for number in (1, 2, 3, 4, "majority"))
    yield from (ParameterSet("sender_quota", 1), ParameterSet("block_transactions_max", 1))
    for name in (*VICTIMS, *ATTACKERS):
        yield from (GrantRole(name, role) for role in ROLES)
        yield from (RevokeRole(name, role) for role in ROLES)
        yield from (SuspendAccount(name), ReinstateAccount(name), RecoverAccount(name, EVIL, 1))


def attempts(by: str) -> Iterator[Operation]:
    """Every operation on members and on governance, by one attacker, at everything that there is."""
    for name in (*VICTIMS, *ATTACKERS):
        yield from (AccountSuspend(by, name), AccountReinstate(by, name))
        for role in ROLES:
            yield from (RoleGrant(by, name, role), RoleRevoke(by, name, role))
    for name in names_to_take():
        yield from (AccountAdd(by, name, EVIL, 1), *(AccountAdd(by, name, EVIL, 1, (role,)) for role in ROLES))
    for change in changes_to_want():
        proposed = create(change, by=by)
        for number in (1, 2, 3):
            yield from (proposed, vote(by, proposed, number), ProposalWithdraw(by, number))
    for number in range(1, 7):
        for generation in ("", " new"):
            yield ready(number, generation=generation, by=by, height=0)
            yield changed(ready(number, generation=generation, height=0), by=by)
    yield AccountKeys(by, EVIL, 1)


ATTEMPTS: Final = {by: tuple(attempts(by)) for by in ATTACKERS}


def prepared() -> Council:
    """The network with an honest proposal that lacks one vote, and one that has none."""
    council = Council()
    council.ready(5)
    wanted = create(SuspendAccount("op2"), by="op3")
    council.block(wanted, *votes(wanted, "op3", "op4"), create(RevokeRole("chief", "administrator"), by="op4"))
    return council


@pytest.mark.parametrize("by", ATTACKERS)
def test_no_single_operation_gets_an_attacker_anywhere(by: str) -> None:
    council = prepared()
    before = crown(council.state, everybody(council))
    for start in range(0, len(ATTEMPTS[by]), 100):
        results = council.block(*ATTEMPTS[by][start : start + 100])
        assert len(results) <= 100
        assert crown(council.state, everybody(council)) == before


def test_nor_do_all_of_them_after_one_another_in_any_order() -> None:
    council = prepared()
    before = crown(council.state, everybody(council))
    for attempt in zip(*(ATTEMPTS[by] for by in ATTACKERS), strict=False):
        council.block(council.transaction(*attempt), *attempt)
        council.block(*attempt[::-1])
    council.idle(3)
    assert crown(council.state, everybody(council)) == before


ANY_ATTEMPT = st.sampled_from(ATTACKERS).flatmap(lambda by: st.sampled_from(ATTEMPTS[by]))


@given(st.lists(st.lists(st.lists(ANY_ATTEMPT, min_size=1, max_size=5), max_size=4), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_nor_any_combination_in_transactions_of_several(blocks: list[list[list[Operation]]]) -> None:
    council = prepared()
    before = crown(council.state, everybody(council))
    for block in blocks:
        council.block(*(council.transaction(*operations) for operations in block))
        assert crown(council.state, everybody(council)) == before
    council.idle(2)
    assert crown(council.state, everybody(council)) == before


# ---- plans that look promising


def refused(council: Council, *operations: Operation) -> str:
    """The result of one transaction of several operations; the state is as before."""
    before = dict(council.view.rows)
    (result,) = council.block(council.transaction(*operations))
    assert result != APPLIED
    assert council.view.rows == before
    return result


def test_an_administrator_makes_itself_an_operator() -> None:
    council = Council()
    assert refused(council, RoleGrant("chief", "chief", "operator")) == Code.PERMISSION_DENIED
    add = AccountAdd("chief", "puppet", EVIL, 1)
    assert refused(council, add, RoleGrant("chief", "puppet", "operator")) == Code.ROLE_GOVERNED
    assert refused(council, AccountAdd("chief", "puppet", EVIL, 1, ("operator",))) == Code.ROLE_GOVERNED
    registrar = AccountAdd("chief", "puppet", EVIL, 1, ("registrar",))
    assert refused(council, registrar, RoleGrant("chief", "puppet", "administrator")) == Code.ROLE_GOVERNED


def test_an_administrator_strips_the_operators_of_their_role_by_way_of_another() -> None:
    """Were a further role enough to touch the account, it could be revoked together with the governed one."""
    council = Council()
    assert refused(council, RoleGrant("chief", "op3", "treasurer")) == Code.ROLE_GOVERNED
    assert refused(council, RoleRevoke("chief", "op3", "operator")) == Code.ROLE_GOVERNED
    council.decide(GrantRole("op3", "treasurer"))
    assert refused(council, RoleRevoke("chief", "op3", "treasurer")) == Code.ROLE_GOVERNED


def test_a_registrar_suspends_those_who_would_vote_against_it() -> None:
    council = Council()
    for name in ("op1", "op2", "op3", "op4", "chief", "deputy"):
        assert refused(council, AccountSuspend("desk", name)) == Code.ROLE_GOVERNED


def test_an_account_under_an_operators_name_is_not_that_operator() -> None:
    council = Council()
    assert council.block(AccountAdd("desk", "x.op3", EVIL, 1)) == [APPLIED]
    proposed = council.propose(SuspendAccount("op4"))
    with_child = [
        ProposalVote("x.op3", 1, digest_of(proposed), True),
        AccountKeys("x.op3", EVIL, 1),
    ]
    evil = signed(body("x.op3", with_child, nonce=99), "evil")
    assert council.block(evil) == [Code.PERMISSION_DENIED]
    assert council.state.account("op3") == account("op3", roles=("operator",))


def test_a_parent_does_not_act_for_who_stands_below_it_and_governs() -> None:
    council = Council(accounts=(*ACCOUNTS, account("sub.member", roles=("operator",))))
    assert refused(council, AccountSuspend("member", "sub.member")) == Code.PERMISSION_DENIED
    assert refused(council, RoleRevoke("member", "sub.member", "operator")) == Code.PERMISSION_DENIED
    assert refused(council, AccountAdd("member", "sub.member", EVIL, 1)) == Code.ACCOUNT_EXISTS


def test_nobody_signs_for_an_account_with_keys_that_it_has_not() -> None:
    council = Council()
    context = AdmissionContext(CHAIN, council.height + 1, council.time_ms, Parameters())
    for signers in (("evil",), ("chief",), ("chief", "desk")):
        stolen = signed(body("op3", [AccountKeys("op3", EVIL, 1)]), *signers)
        refusal = check_authority(stolen, council.state, context)
        assert refusal is not None
        assert refusal.code is Code.SIGNATURE_SURPLUS
    own = signed(body("op3", [AccountKeys("op3", EVIL, 1)]), "op3")
    assert check_authority(own, council.state, context) is None


def test_an_operator_votes_twice_or_for_others() -> None:
    council = Council()
    proposed = council.propose(SuspendAccount("op4"), by="op1")
    digest = digest_of(proposed)
    council.block(*(vote("op1", proposed) for _ in range(5)), council.transaction(*[vote("op1", proposed)] * 5))
    council.block(vote("op2", proposed))
    assert council.proposal(1).approvals == ("op1", "op2")
    assert refused(council, ProposalVote("op5", 1, digest, True)) == Code.PERMISSION_DENIED
    assert refused(council, ProposalVote("chief", 1, digest, True)) == Code.PERMISSION_DENIED


def test_a_proposal_is_swapped_after_the_voters_saw_it() -> None:
    """The proposer withdraws and proposes something else: its number is another, and so is its digest."""
    council = Council()
    harmless = council.propose(ParameterSet("sender_quota", 900), by="op1")
    evil = create(GrantRole("member", "operator"), by="op1")
    assert council.block(ProposalWithdraw("op1", 1), evil) == [APPLIED] * 2
    assert council.block(vote("op3", harmless, 1), vote("op3", harmless, 2)) == [
        Code.PROPOSAL_CLOSED,
        Code.PROPOSAL_CHANGED,
    ]


def test_votes_of_the_suspended_and_of_the_removed_are_not_counted() -> None:
    council = Council()
    evil = council.propose(GrantRole("member", "operator"), by="op1")
    council.block(*votes(evil, "op1", "op2"))
    council.decide(SuspendAccount("op1"), by="op3")
    council.block(vote("op3", evil))  # a mistake that alone must not be enough
    assert council.proposal(1).approvals == ("op1", "op2", "op3")
    member = council.state.account("member")
    assert member is not None
    assert not member.governs


def test_votes_that_a_thief_cast_are_gone_when_the_account_is_recovered() -> None:
    council = Council()
    evil = council.propose(GrantRole("member", "operator"), by="op1")
    council.block(*votes(evil, "op1", "op4"), vote("op2", evil, approve=False))
    council.decide(RecoverAccount("op4", (key_of("new").public_key,), 1), by="op3")
    assert (council.proposal(1).approvals, council.proposal(1).rejections) == (("op1",), ("op2",))
    council.block(vote("op3", evil))
    assert council.proposal(1).state == "open"


def test_votes_to_remove_a_validator_are_not_on_another_that_has_its_name() -> None:
    council = Council()
    removal = council.propose(ValidatorRemove("v4"), by="op1")
    council.block(*votes(removal, "op1", "op2"))
    council.decide(ValidatorRemove("v4"), by="op3")
    entry = council.ready(4, generation=" new", by="op5")
    council.decide(ValidatorAdd("v4", entry), by="op3")
    assert council.block(vote("op3", removal)) == [Code.VALIDATOR_UNKNOWN]
    assert [item.operator for item in council.state.validators().validators] == ["op1", "op2", "op3", "op5"]
    council.decide(ValidatorRemove("v4"), by="op3")
    assert [item.operator for item in council.state.validators().validators] == ["op1", "op2", "op3"]


def test_an_attacker_takes_the_name_of_a_validator_to_come_or_of_one_that_wants_new_keys() -> None:
    council = Council()
    council.ready(5)
    assert refused(council, ready(5, generation=" evil", by="op1", height=council.height)) == Code.VALIDATOR_NAME_TAKEN
    assert refused(council, ready(3, generation=" evil", by="op1", height=council.height)) == Code.VALIDATOR_NAME_TAKEN
    council.ready(3, generation=" new")


def test_an_attacker_claims_keys_that_it_does_not_hold() -> None:
    council = Council()
    honest = ready(5, height=0)
    stolen = changed(honest, by="op1", entry=replace(honest.entry, operator="op1", name="v6"))
    assert refused(council, stolen) == Code.READY_PROOF_INVALID
    someones = replace(ready(6, by="op1", height=0).entry, node_key=validator(3).node_key)
    assert refused(council, changed(ready(6, by="op1", height=0), entry=someones)) == Code.KEY_RETIRED


def test_the_last_administrator_is_neither_revoked_nor_suspended_one_after_the_other() -> None:
    council = Council()
    council.decide(SuspendAccount("deputy"))
    for change in (SuspendAccount("chief"), RevokeRole("chief", "administrator")):
        assert refused(council, create(change, by="op1")) == Code.ADMINISTRATOR_LAST
    council.decide(ReinstateAccount("deputy"), RevokeRole("chief", "administrator"))
    assert council.state.administrators().names == ("deputy",)


def test_a_quorum_does_not_lock_itself_out_one_after_the_other() -> None:
    council = Council()
    council.decide(SuspendAccount("op4"))
    assert refused(council, create(SuspendAccount("op3"))) == Code.OPERATORS_TOO_FEW
    assert refused(council, create(QuorumSet(parse_quorum(4)))) == Code.OPERATORS_TOO_FEW
    assert refused(council, create(ValidatorRemove("v3"))) == Code.OPERATORS_TOO_FEW, "3 of 3, one of them suspended"
    council.decide(ValidatorRemove("v4"))
    assert council.state.validators().quorum == 3


def test_attackers_fill_what_is_open_and_operators_propose_nevertheless() -> None:
    council = Council(accounts=(*ACCOUNTS, *(account(f"a{n:02}", roles=("administrator",)) for n in range(20))))
    spam = [
        ProposalCreate(f"a{n:02}", (ParameterSet("sender_quota", index + 1),), council.time_ms + 90_000_000, 1)
        for n in range(20)
        for index in range(5)
    ]
    results = council.block(*spam)
    assert results.count(APPLIED) == 64
    assert set(results) == {APPLIED, Code.PROPOSALS_OPEN_FULL}
    suspended = [SuspendAccount(f"a{n:02}") for n in range(8)]
    proposal = council.decide(*suspended, by="op1")
    assert proposal.state == "active"


def test_every_key_of_an_account_is_one_that_its_owner_gave() -> None:
    """What an attacker may do to ordinary members stops at their keys, too."""
    council = Council()
    before: dict[str, tuple[PublicKey, ...]] = {row.name: row.keys for row in everybody(council)}
    for by in ("chief", "desk"):
        council.block(
            *(attempt for attempt in ATTEMPTS[by] if attempt.by == by and not isinstance(attempt, AccountKeys))
        )
    after = {row.name: row.keys for row in everybody(council)}
    assert {name: keys for name, keys in after.items() if name in before} == before
    assert council.block(StreamCreate("op3", "mine")) == [APPLIED]
