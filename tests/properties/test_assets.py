"""Properties of assets: random blocks, sensible and not, against a model of dicts that is too simple to be wrong."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.amounts import Amount
from ledger.conservation import check_supplies
from ledger.execution import APPLIED, Execution, execute
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
from ledger.primitives import successor
from ledger.rows.assets import ASSET_PREFIX, BALANCE_PREFIX, parse_asset_row, parse_balance_row
from ledger.state import State
from tests.unit.ledger.members import CHAIN, Rows, rows, sent

SENDERS = ("acme", "mint", "globex", "alice.acme")
ACCOUNTS = (*SENDERS, "closed", "nobody")
ASSETS = ("euro", "gold", "tin")
AMOUNTS = st.one_of(
    st.integers(1, 12), st.sampled_from([2**53, AMOUNT_MAX - 3, AMOUNT_MAX]), st.integers(1, AMOUNT_MAX)
).map(Amount)

_by, _asset, _account = st.sampled_from(SENDERS), st.sampled_from(ASSETS), st.sampled_from(ACCOUNTS)
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(
        AssetDefine,
        st.sampled_from(["acme", "mint", "mint", "globex"]),
        _asset,
        st.integers(0, 18),
        st.none() | st.integers(1, 20).map(Amount),
        st.none() | st.sets(_account, min_size=1, max_size=2).map(lambda names: tuple(sorted(names))),
    ),
    st.builds(AssetIssue, _by, _asset, _account, AMOUNTS),
    st.builds(AssetTransfer, _by, _asset, _account, AMOUNTS),
    st.builds(AssetTransfer, _by, _asset, _account, AMOUNTS),
    st.builds(AssetBurn, _by, _asset, AMOUNTS),
    st.builds(AssetFreezeHolder, _by, _asset, _account),
    st.builds(AssetUnfreezeHolder, _by, _asset, _account),
)
BLOCKS = st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), max_size=8)


@dataclass
class Model:
    """Who holds how much, who is frozen, and what each asset is: (owner, the most there may be, issuers)."""

    assets: dict[str, tuple[str, int, tuple[str, ...]]] = field(default_factory=dict)
    supplies: Counter[str] = field(default_factory=Counter)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    frozen: set[tuple[str, str]] = field(default_factory=set)

    def transaction(self, operations: list[Operation]) -> bool:
        """Do all of them, or nothing."""
        before = deepcopy(self)
        if all(self.apply(operation) for operation in operations):
            return True
        self.assets, self.supplies, self.held, self.frozen = before.assets, before.supplies, before.held, before.frozen
        return False

    def apply(self, operation: Operation) -> bool:
        match operation:
            case AssetDefine(by, name, _, cap, issuers):
                if by not in ("acme", "mint") or name in self.assets or "nobody" in (issuers or ()):
                    return False
                self.assets[name] = (by, cap or AMOUNT_MAX, issuers or (by,))
                return True
            case AssetIssue(by, asset, to, amount):
                if asset not in self.assets or by not in self.assets[asset][2]:
                    return False
                if self.supplies[asset] + amount > self.assets[asset][1] or not self.reaches(to, asset):
                    return False
                self.supplies[asset] += amount
                self.held[to, asset] += amount
                return True
            case AssetTransfer(by, asset, to, amount):
                if by == to or not self.has(by, asset, amount) or not self.reaches(to, asset):
                    return False
                self.held[by, asset] -= amount
                self.held[to, asset] += amount
                return True
            case AssetBurn(by, asset, amount):
                if not self.has(by, asset, amount):
                    return False
                self.held[by, asset] -= amount
                self.supplies[asset] -= amount
                return True
            case AssetFreezeHolder(by, asset, holder) | AssetUnfreezeHolder(by, asset, holder):
                wanted = isinstance(operation, AssetFreezeHolder)
                if asset not in self.assets or self.assets[asset][0] != by or holder == "nobody":
                    return False
                if ((holder, asset) in self.frozen) == wanted:
                    return False
                self.frozen ^= {(holder, asset)}
                return True
            case _:
                raise AssertionError(operation)

    def has(self, holder: str, asset: str, amount: int) -> bool:
        return (holder, asset) not in self.frozen and self.held[holder, asset] >= amount

    def reaches(self, receiver: str, asset: str) -> bool:
        return receiver not in ("closed", "nobody") and (receiver, asset) not in self.frozen


def check(view: Rows, model: Model) -> None:
    """The rows of `view` are what the model says, and nothing but it."""
    check_supplies(view)
    found = {}
    for key, value in view.range(BALANCE_PREFIX, successor(BALANCE_PREFIX)):
        balance = parse_balance_row(value)
        assert key == b"balance/%b/%b" % (balance.account.encode(), balance.asset.encode())
        found[balance.account, balance.asset] = (balance.amount, balance.frozen)
    expected = {place: (amount, place in model.frozen) for place, amount in model.held.items() if amount}
    expected |= {place: (model.held[place], True) for place in model.frozen}
    assert found == expected
    for _, value in view.range(ASSET_PREFIX, successor(ASSET_PREFIX)):
        asset = parse_asset_row(value)
        assert (asset.owner, asset.supply_max, asset.issuers) == model.assets[asset.name]
        assert 0 <= asset.supply == model.supplies[asset.name] <= asset.supply_max


def run(view: Rows, block: list[list[Operation]], height: int) -> Execution:
    transactions = [sent(operations, nonce=nonce) for nonce, operations in enumerate(block)]
    return execute(State(view), chain=CHAIN, height=height, time_ms=height, transactions=transactions)


class AssetMachine(RuleBasedStateMachine):
    """A ledger that executes block after block, and the model beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.view = rows()
        self.model = Model()
        self.height = 0
        self.block([[AssetDefine("mint", "euro", 2, Amount(20), ("acme", "mint"))], [AssetDefine("acme", "gold", 0)]])

    @rule(block=BLOCKS)
    def block(self, block: list[list[Operation]]) -> None:
        expected = [self.model.transaction(operations) for operations in block]
        self.height += 1
        execution = run(self.view, block, self.height)
        assert [result == APPLIED for result in execution.results] == expected
        self.view = self.view.after(execution.writes)

    @invariant()
    def the_same(self) -> None:
        check(self.view, self.model)


TestAssets = AssetMachine.TestCase
TestAssets.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)


@given(BLOCKS, st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_two_blocks_leave_the_same_state_as_one(block: list[list[Operation]], cut: int) -> None:
    view = rows()
    whole = run(view, block, 1)
    first = run(view, block[:cut], 1)
    middle = view.after(first.writes)
    second = run(middle, block[cut:], 1)
    assert first.results + second.results == whole.results
    assert middle.after(second.writes).rows == view.after(whole.writes).rows
