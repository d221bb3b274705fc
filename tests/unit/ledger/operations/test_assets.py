"""What operations on assets do."""

from __future__ import annotations

import pytest

from ledger.amounts import Amount
from ledger.events import AssetTouched, BalanceTouched
from ledger.limits import AMOUNT_MAX
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.operations.kinds import Operation
from ledger.refusals import Code, Refusal
from ledger.rows.assets import Asset, Balance, balance_key
from ledger.state import Overlay
from tests.unit.ledger.operations.acting import PLACE, apply, overlay


def held(on: Overlay, asset: str = "euro") -> dict[str, int]:
    """What the accounts of the small ledger hold of an asset, and whose row is gone."""
    found = {name: on.balance(name, asset) for name in ("acme", "alice.acme", "globex", "pair", "org", "mint")}
    return {name: balance.amount for name, balance in found.items() if balance is not None}


def supply(on: Overlay, asset: str = "euro") -> int:
    found = on.asset(asset)
    assert found is not None
    return found.supply


def refused(operation: Operation, on: Overlay) -> Refusal:
    refusal = operation.apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    return refusal


@pytest.mark.parametrize("by", ["mint", "acme"])
def test_an_asset_is_its_definers(by: str) -> None:
    on = overlay()
    assert apply(AssetDefine(by, "gold", 3), on) == (AssetTouched("gold", 4, 2),)
    assert on.asset("gold") == Asset("gold", by, 3, None, (by,), supply=0)
    apply(AssetDefine(by, "gold.old", 0, Amount(7), ("closed", "globex")), on)
    assert on.asset("gold.old") == Asset("gold.old", by, 0, 7, ("closed", "globex"))
    assert refused(AssetIssue(by, "gold.old", "acme", Amount(1)), on).code is Code.ISSUER_NOT_ALLOWED, "owning is less"


def test_an_asset_and_a_stream_may_have_one_name() -> None:
    apply(AssetDefine("mint", "invoices", 0))


def test_issuing_adds_to_a_balance_and_to_the_supply() -> None:
    on = overlay()
    events = apply(AssetIssue("board", "euro", "globex", Amount(500)), on)
    assert events == (AssetTouched("euro", 4, 2), BalanceTouched("globex", "euro", 4, 2))
    assert held(on) == {"alice.acme": 300, "globex": 650, "pair": 50, "org": 0}
    assert on.asset("euro") == Asset("euro", "mint", 2, 1_000, ("board", "mint"), supply=1_000), "up to the cap"
    refusal = refused(AssetIssue("mint", "euro", "globex", Amount(1)), on)
    assert refusal == Refusal(Code.SUPPLY_EXCEEDED, "there are 1000 of euro, and may be 1000: 0 are left to issue")
    apply(AssetBurn("globex", "euro", Amount(1)), on)
    apply(AssetIssue("mint", "euro", "mint", Amount(1)), on)
    assert supply(on) == 1_000, "what is burnt may be issued again, also to oneself"


def test_without_a_cap_there_can_be_what_an_amount_can_say() -> None:
    on = overlay()
    apply(AssetIssue("acme", "point", "globex", Amount(5)), on)
    assert held(on, "point") == {"globex": AMOUNT_MAX}
    assert refused(AssetIssue("acme", "point", "acme", Amount(1)), on).code is Code.SUPPLY_EXCEEDED
    apply(AssetTransfer("globex", "point", "acme", Amount(AMOUNT_MAX)), on)
    assert held(on, "point") == {"acme": AMOUNT_MAX}


def test_a_transfer_moves_an_amount() -> None:
    on = overlay()
    events = apply(AssetTransfer("globex", "euro", "acme", Amount(149)), on)
    assert events == (BalanceTouched("globex", "euro", 4, 2), BalanceTouched("acme", "euro", 4, 2))
    assert held(on) == {"acme": 149, "alice.acme": 300, "globex": 1, "pair": 50, "org": 0}
    assert on.balance("acme", "euro") == Balance("acme", "euro", 149)
    assert supply(on) == 500


def test_a_balance_of_nothing_has_no_row_unless_it_is_frozen() -> None:
    on = overlay()
    apply(AssetTransfer("globex", "euro", "acme", Amount(150)), on)
    assert on.balance("globex", "euro") is None
    apply(AssetTransfer("acme", "euro", "globex", Amount(150)), on)
    assert on.balance("acme", "euro") is None
    assert on.writes()[balance_key("acme", "euro")] is None, "it came and went within the block"
    assert on.balance("org", "euro") == Balance("org", "euro", 0, frozen=True)
    apply(AssetUnfreezeHolder("mint", "euro", "org"), on)
    assert on.balance("org", "euro") is None


def test_burning_takes_from_a_balance_and_from_the_supply() -> None:
    on = overlay()
    events = apply(AssetBurn("globex", "euro", Amount(150)), on)
    assert events == (AssetTouched("euro", 4, 2), BalanceTouched("globex", "euro", 4, 2))
    assert held(on) == {"alice.acme": 300, "pair": 50, "org": 0}
    assert supply(on) == 350


def test_a_frozen_holder_can_use_its_balance_again_once_it_is_unfrozen() -> None:
    on = overlay()
    assert apply(AssetFreezeHolder("mint", "euro", "globex"), on) == (BalanceTouched("globex", "euro", 4, 2),)
    assert on.balance("globex", "euro") == Balance("globex", "euro", 150, frozen=True)
    still: list[Operation] = [
        AssetTransfer("globex", "euro", "acme", Amount(1)),
        AssetTransfer("alice.acme", "euro", "globex", Amount(1)),
        AssetIssue("mint", "euro", "globex", Amount(1)),
        AssetBurn("globex", "euro", Amount(1)),
    ]
    assert {refused(operation, on).code for operation in still} == {Code.HOLDER_FROZEN}
    apply(AssetTransfer("globex", "point", "acme", Amount(1)), on)  # other assets are other owners' business
    assert apply(AssetUnfreezeHolder("mint", "euro", "globex"), on) == (BalanceTouched("globex", "euro", 4, 2),)
    for operation in still:
        apply(operation, on)


def test_the_owner_may_freeze_itself_and_a_suspended_holder() -> None:
    on = overlay()
    for holder in ("mint", "closed"):
        apply(AssetFreezeHolder("mint", "euro", holder), on)
        assert on.balance(holder, "euro") == Balance(holder, "euro", 0, frozen=True)
        apply(AssetUnfreezeHolder("mint", "euro", holder), on)
