"""What operations on accounts do."""

from __future__ import annotations

import pytest

from ledger.events import AccountTouched
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.refusals import Code, Refusal
from ledger.rows.accounts import Account
from tests.unit.ledger.members import key_of
from tests.unit.ledger.operations.acting import PLACE, apply, overlay

A, B, C = (key_of(label).public_key for label in "abc")


@pytest.mark.parametrize(
    ("by", "name", "roles"),
    [
        ("acme", "bob", None),
        ("acme", "bob", ("registrar", "treasurer")),
        ("acme", "bob.acme", None),
        ("acme", "bob.globex", ("treasurer",)),
        ("desk", "bob", None),
        ("desk", "bob.acme", None),
        ("acme", "x.alice.acme", None),
        ("globex", "bob.globex", None),
        ("alice.acme", "x.alice.acme", None),
    ],
)
def test_an_account_is_added(by: str, name: str, roles: tuple[str, ...] | None) -> None:
    on = overlay()
    assert apply(AccountAdd(by, name, (C, A, B), 2, roles), on) == (AccountTouched(name, 4, 2),)
    assert on.account(name) == Account(name, tuple(sorted((A, B, C))), 2, roles or (), suspended=False)


def test_a_name_added_in_this_block_is_used() -> None:
    on = overlay()
    apply(AccountAdd("acme", "bob", (A,), 1), on)
    refusal = AccountAdd("acme", "bob", (B,), 1).apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.ACCOUNT_EXISTS


def test_keys_change_and_nothing_else() -> None:
    on = overlay()
    assert apply(AccountKeys("acme", (C, A), 2), on) == (AccountTouched("acme", 4, 2),)
    assert on.account("acme") == Account("acme", tuple(sorted((A, C))), 2, ("administrator",))
