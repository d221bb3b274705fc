"""Conservation: what there is of an asset is the sum of what accounts hold of it.

`assert_conserved` holds each block's changes against each other as it is executed: whoever executes a block, and every
validator does before it votes, would stop there rather than sign money out of nothing. What it costs goes with the
rows that the block changed. `check_supplies` adds up the whole state, for audits, which believe nobody. (design
section 6)
"""

from __future__ import annotations

from collections import Counter

from ledger.errors import VerificationError
from ledger.primitives import successor
from ledger.rows.assets import ASSET_PREFIX, BALANCE_PREFIX, parse_asset_row, parse_balance_row
from ledger.state import Overlay, StateView


def assert_conserved(block: Overlay) -> None:
    """Assert of each asset that its supply changed by the sum of what its balances changed by, and is within its cap.

    No operation can break this: only a bug of ours.
    """
    unexplained: Counter[str] = Counter()
    for _, before, now in block.changes(ASSET_PREFIX, parse_asset_row):
        assert now is not None, "assets are never removed"
        assert 0 <= now.supply <= now.supply_max, f"{now.supply} of {now.name} is more than there may be"
        unexplained[now.name] += now.supply - (0 if before is None else before.supply)
    for key, old, new in block.changes(BALANCE_PREFIX, parse_balance_row):
        amount = 0 if new is None else new.amount
        assert amount >= 0, f"less than nothing under {key!r}"
        asset = key.rpartition(b"/")[2].decode()
        unexplained[asset] -= amount - (0 if old is None else old.amount)
    wrong = {asset: difference for asset, difference in unexplained.items() if difference}
    assert not wrong, f"supply minus balances has changed: {wrong}"


def check_supplies(state: StateView) -> None:
    """Check of each asset of a whole state that all balances of it make its supply, and that it is within its cap.

    Raises `VerificationError`, naming the asset, and `MalformedError` for a row that is none.
    """
    held: Counter[str] = Counter()
    for _, value in state.range(BALANCE_PREFIX, successor(BALANCE_PREFIX)):
        balance = parse_balance_row(value)
        held[balance.asset] += balance.amount
    for _, value in state.range(ASSET_PREFIX, successor(ASSET_PREFIX)):
        asset = parse_asset_row(value)
        if asset.supply > asset.supply_max:
            raise VerificationError(f"there are {asset.supply} of {asset.name}, more than {asset.supply_max}")
        if (sum_of_balances := held.pop(asset.name, 0)) != asset.supply:
            raise VerificationError(
                f"accounts hold {sum_of_balances} of {asset.name}, and its supply is {asset.supply}"
            )
    if held:
        raise VerificationError(f"accounts hold {', '.join(sorted(held))}, which is no asset")
