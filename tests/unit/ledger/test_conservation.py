"""No asset becomes more or less by itself: what each block is held against, and what an audit adds up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ledger.amounts import Amount
from ledger.conservation import assert_conserved, check_supplies
from ledger.encoding import encode_trusted
from ledger.errors import VerificationError
from ledger.execution import APPLIED, execute
from ledger.limits import AMOUNT_MAX
from ledger.operations import assets
from ledger.operations.assets import AssetBurn, AssetDefine, AssetFreezeHolder, AssetIssue, AssetTransfer
from ledger.operations.kinds import Operation
from ledger.rows.assets import Asset, Balance, asset_key, balance_key
from ledger.state import Overlay, State
from tests.unit.ledger.members import CHAIN, Rows, rows, sent

EURO = Asset("euro", "mint", 2, 100, ("mint",), supply=60)
POINT = Asset("point", "mint", 0, None, ("mint",), supply=0)


def ledger_of(*holdings: Balance, euro: Asset = EURO) -> Rows:
    """The small ledger with two assets and these balances."""
    view = rows()
    view.rows[asset_key("euro")] = encode_trusted(euro.to_json())
    view.rows[asset_key("point")] = encode_trusted(POINT.to_json())
    for balance in holdings:
        view.rows[balance_key(balance.account, balance.asset)] = encode_trusted(balance.to_json())
    return view


SOUND = ledger_of(Balance("acme", "euro", 50), Balance("globex", "euro", 10), Balance("org", "euro", 0, frozen=True))


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [Balance("acme", "euro", 49), Balance("globex", "euro", 11)],
        [Balance("acme", "euro", 49, frozen=True), Balance("pair", "euro", 1)],
        [replace(EURO, supply=100), Balance("pair", "euro", 40)],
        [replace(EURO, supply=50), Balance("acme", "euro", 40)],
        [replace(POINT, supply=AMOUNT_MAX), Balance("acme", "point", AMOUNT_MAX)],
        [Balance("org", "euro", 0)],
    ],
)
def test_changes_that_add_up(changes: list[Asset | Balance]) -> None:
    overlay = Overlay(State(SOUND))
    for row in changes:
        overlay.put(asset_key(row.name) if isinstance(row, Asset) else balance_key(row.account, row.asset), row)
    assert_conserved(overlay)


def test_a_removed_balance_counts_as_nothing() -> None:
    overlay = Overlay(State(SOUND))
    overlay.put(balance_key("globex", "euro"), None)
    with pytest.raises(AssertionError, match=r"supply minus balances has changed: \{'euro': 10\}"):
        assert_conserved(overlay)
    overlay.put(balance_key("acme", "euro"), Balance("acme", "euro", 60))
    assert_conserved(overlay)


@pytest.mark.parametrize(
    "change",
    [
        Balance("acme", "euro", 51),
        Balance("acme", "euro", 49),
        Balance("pair", "euro", 1),
        Balance("pair", "point", 1),
        replace(EURO, supply=61),
        replace(EURO, supply=59),
        replace(POINT, supply=1),
    ],
)
def test_one_row_alone_cannot_change(change: Asset | Balance) -> None:
    overlay = Overlay(State(SOUND))
    key = asset_key(change.name) if isinstance(change, Asset) else balance_key(change.account, change.asset)
    overlay.put(key, change)
    with pytest.raises(AssertionError, match="supply minus balances has changed"):
        assert_conserved(overlay)


def test_what_is_missing_in_one_asset_is_not_made_up_by_another() -> None:
    overlay = Overlay(State(SOUND))
    overlay.put(balance_key("acme", "euro"), Balance("acme", "euro", 49))
    overlay.put(balance_key("acme", "point"), Balance("acme", "point", 1))
    with pytest.raises(AssertionError, match="has changed"):
        assert_conserved(overlay)


@pytest.mark.parametrize(
    "changes",
    [
        [replace(EURO, supply=101), Balance("acme", "euro", 91)],
        [replace(POINT, supply=AMOUNT_MAX + 1), Balance("acme", "point", AMOUNT_MAX + 1)],
    ],
)
def test_what_adds_up_may_still_be_too_much(changes: list[Asset | Balance]) -> None:
    overlay = Overlay(State(SOUND))
    for row in changes:
        overlay.put(asset_key(row.name) if isinstance(row, Asset) else balance_key(row.account, row.asset), row)
    with pytest.raises(AssertionError, match="more than there may be"):
        assert_conserved(overlay)


def test_a_balance_below_nothing_is_noticed_even_if_it_adds_up() -> None:
    overlay = Overlay(State(SOUND))
    overlay.put(balance_key("acme", "euro"), Balance("acme", "euro", -1))
    overlay.put(balance_key("globex", "euro"), Balance("globex", "euro", 61))
    with pytest.raises(AssertionError, match="less than nothing"):
        assert_conserved(overlay)


def test_every_block_is_held_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a rule stops whoever executes the block, rather than making money."""
    define = sent([AssetDefine("mint", "euro", 2), AssetIssue("mint", "euro", "acme", Amount(5))])
    assert execute(State(rows()), chain=CHAIN, height=1, time_ms=1, transactions=[define]).results == (APPLIED,)
    honest = assets._put_balance

    def generous(state: Overlay, balance: Balance) -> None:
        honest(state, replace(balance, amount=balance.amount + 1))

    monkeypatch.setattr(assets, "_put_balance", generous)
    with pytest.raises(AssertionError, match="supply minus balances has changed"):
        execute(State(rows()), chain=CHAIN, height=1, time_ms=1, transactions=[define])


def test_what_a_failed_transaction_did_does_not_count() -> None:
    operations: list[Operation] = [
        AssetDefine("mint", "euro", 2),
        AssetIssue("mint", "euro", "mint", Amount(5)),
        AssetTransfer("mint", "euro", "acme", Amount(2)),
        AssetBurn("mint", "euro", Amount(9)),
    ]
    execution = execute(State(rows()), chain=CHAIN, height=1, time_ms=1, transactions=[sent(operations)])
    assert execution.results == ("balance_insufficient",)
    assert execution.writes == {}
    assert execution.events == ()


def test_the_cost_goes_with_what_the_block_changed() -> None:
    view = ledger_of(*(Balance(f"holder-n{number}", "point", 1) for number in range(500)))
    state = State(view)
    transaction = sent([AssetFreezeHolder("mint", "euro", "globex")])
    view.reads.clear()
    assert execute(state, chain=CHAIN, height=1, time_ms=1, transactions=[transaction]).results == (APPLIED,)
    assert len(view.reads) < 10


def test_a_sound_state_adds_up() -> None:
    check_supplies(rows())
    check_supplies(SOUND)


@pytest.mark.parametrize(
    ("view", "problem"),
    [
        (lambda: ledger_of(Balance("acme", "euro", 59)), "accounts hold 59 of euro, and its supply is 60"),
        (lambda: ledger_of(Balance("acme", "euro", 61)), "accounts hold 61 of euro, and its supply is 60"),
        (ledger_of, "accounts hold 0 of euro, and its supply is 60"),
        (
            lambda: ledger_of(Balance("acme", "euro", 60), Balance("acme", "point", 1)),
            "accounts hold 1 of point, and its supply is 0",
        ),
        (
            lambda: ledger_of(Balance("acme", "euro", 60), Balance("acme", "gold", 1)),
            "accounts hold gold, which is no asset",
        ),
        (
            lambda: ledger_of(Balance("acme", "euro", 101), euro=replace(EURO, supply=101)),
            "there are 101 of euro, more than 100",
        ),
    ],
)
def test_a_state_that_does_not_add_up_names_the_asset(view: Callable[[], Rows], problem: str) -> None:
    with pytest.raises(VerificationError, match=problem):
        check_supplies(view())
