"""What operations on other members do."""

from __future__ import annotations

import pytest

from ledger.events import AccountTouched
from ledger.execution import APPLIED, execute
from ledger.operations.kinds import Operation
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.refusals import Code, Refusal
from tests.unit.ledger.members import CHAIN, account, sent, state
from tests.unit.ledger.operations.acting import PLACE, apply, overlay


@pytest.mark.parametrize("by", ["acme", "desk"])
def test_an_account_is_suspended_and_reinstated(by: str) -> None:
    on = overlay()
    assert apply(AccountSuspend(by, "board"), on) == (AccountTouched("board", 4, 2),)
    assert on.account("board") == account("board", "b1", "b2", "b3", threshold=2, suspended=True)
    assert apply(AccountReinstate(by, "board"), on) == (AccountTouched("board", 4, 2),)
    assert on.account("board") == account("board", "b1", "b2", "b3", threshold=2)


def test_a_role_comes_and_goes_and_roles_stay_in_order() -> None:
    on = overlay()
    assert apply(RoleGrant("acme", "globex", "treasurer"), on) == (AccountTouched("globex", 4, 2),)
    apply(RoleGrant("acme", "globex", "registrar"), on)
    assert on.account("globex") == account("globex", roles=("registrar", "treasurer"))
    apply(AccountSuspend("globex", "board"), on)
    assert apply(RoleRevoke("acme", "globex", "registrar"), on) == (AccountTouched("globex", 4, 2),)
    assert on.account("globex") == account("globex", roles=("treasurer",))
    refusal = AccountReinstate("globex", "board").apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.PERMISSION_DENIED


def test_nothing_keeps_the_roles_of_who_is_suspended_not_even_a_friend_in_the_same_block() -> None:
    """Both registrars were admitted on the parent's state; had they kept their roles, they would undo it at once."""
    steps: list[tuple[Operation, str]] = [
        (RoleGrant("acme", "globex", "registrar"), APPLIED),
        (AccountSuspend("acme", "globex"), APPLIED),
        (AccountSuspend("acme", "desk"), APPLIED),
        (AccountReinstate("globex", "desk"), Code.PERMISSION_DENIED),
        (AccountReinstate("desk", "globex"), Code.PERMISSION_DENIED),
    ]
    transactions = [sent([operation], nonce=nonce) for nonce, (operation, _) in enumerate(steps)]
    execution = execute(state(), chain=CHAIN, height=1, time_ms=1, transactions=transactions)
    assert list(execution.results) == [result for _, result in steps]
