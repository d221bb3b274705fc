"""Balances and holders: each list, at every height, is what the model of that height says, and costs what is on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from ledger.amounts import Amount
from ledger.operations.assets import AssetBurn, AssetDefine, AssetFreezeHolder, AssetIssue, AssetTransfer
from ledger.operations.kinds import Operation
from ledger.rows.assets import Balance
from node.storage import paging
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.paging import Page, PageRequest
from node.storage.queries import Queries
from tests.unit.node.storage.chains import commit, new_chain, transaction

ACCOUNTS = tuple(f"org{number}" for number in range(4))
ASSETS = ("coin", "coin-2", "coin.x", "tin")

STORY: tuple[tuple[Operation, ...], ...] = (
    tuple(AssetDefine("org0", asset, 0) for asset in ASSETS),
    tuple(AssetIssue("org0", asset, "org0", Amount(10)) for asset in ASSETS[:3]),
    tuple(AssetTransfer("org0", "coin", account, Amount(2)) for account in ACCOUNTS[1:]),
    (AssetTransfer("org1", "coin", "org2", Amount(2)), AssetTransfer("org0", "coin-2", "org1", Amount(10))),
    (AssetBurn("org3", "coin", Amount(2)), AssetFreezeHolder("org0", "coin", "org3")),
    (AssetBurn("org0", "coin", Amount(4)), AssetTransfer("org2", "coin", "org1", Amount(1))),
    (AssetTransfer("org1", "coin", "org0", Amount(1)), AssetTransfer("org0", "coin", "org2", Amount(1))),
)
"""One block each; in the last, what org1 has left comes to org0 and goes on."""

HELD: dict[int, dict[tuple[str, str], int]] = {
    1: {},
    2: {("org0", "coin"): 10, ("org0", "coin-2"): 10, ("org0", "coin.x"): 10},
    5: {
        ("org0", "coin"): 4,
        ("org2", "coin"): 4,
        ("org3", "coin"): 0,
        ("org1", "coin-2"): 10,
        ("org0", "coin.x"): 10,
    },
    7: {("org2", "coin"): 4, ("org3", "coin"): 0, ("org1", "coin-2"): 10, ("org0", "coin.x"): 10},
}


@cache
def store() -> MemoryStore:
    made = MemoryStore()
    chain = new_chain(made)
    for nonce, operations in enumerate(STORY):
        sender = int(operations[0].by[3:])
        others = {operation.by for operation in operations} - {operations[0].by}
        cosigner = int(others.pop()[3:]) if others else None
        block = commit(chain, [transaction(*operations, sender=sender, cosigner=cosigner, nonce=nonce)])
        assert block.results == ("applied",)
    return made


def all_pages(ask: Callable[[PageRequest], Page[Balance]], limit: int, *, reverse: bool) -> list[Balance]:
    items: list[Balance] = []
    after: bytes | None = None
    while True:
        page = ask(PageRequest(limit, after, reverse))
        assert len(page.items) <= limit
        items += page.items
        if page.next is None:
            return items
        after = page.next


def expected(height: int, of: Callable[[tuple[str, str]], bool]) -> list[Balance]:
    """What is held after a height: by account, then by asset."""
    return [
        Balance(*place, amount, frozen=place == ("org3", "coin"))
        for place, amount in sorted(HELD[height].items())
        if of(place)
    ]


@pytest.mark.parametrize("height", HELD)
@pytest.mark.parametrize("limit", [1, 2, 200])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seeks_max", [1, 2, 2_000])
def test_holders_and_balances_are_those_of_the_height(
    monkeypatch: pytest.MonkeyPatch, height: int, limit: int, reverse: bool, seeks_max: int
) -> None:
    monkeypatch.setattr(paging, "QUERY_SEEKS_MAX", seeks_max)
    asked = Queries(open_chain(store()))
    at = None if height == len(STORY) else height
    for asset in (*ASSETS, "nothing"):
        wanted = expected(height, lambda place, asset=asset: place[1] == asset)
        found = all_pages(lambda page, asset=asset: asked.holders(asset, page, height=at), limit, reverse=reverse)
        assert found == (wanted[::-1] if reverse else wanted)
    for account in (*ACCOUNTS, "org", "nobody"):
        wanted = expected(height, lambda place, account=account: place[0] == account)
        found = all_pages(
            lambda page, account=account: asked.balances(account, page, height=at), limit, reverse=reverse
        )
        assert found == (wanted[::-1] if reverse else wanted)


def test_a_list_of_what_is_gone_gives_up_a_page_and_says_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four accounts have held the asset, none of them at the height: no page looks at more than three."""
    monkeypatch.setattr(paging, "QUERY_SEEKS_MAX", 3)
    asked = Queries(open_chain(store()))
    first = asked.holders("coin", PageRequest(1, None, reverse=False), height=1)
    assert first == Page((), b"org2"), "three were looked at, and none held any yet"
    assert asked.holders("coin", PageRequest(1, first.next, reverse=False), height=1) == Page((), None)
    assert asked.asset_names(PageRequest(9, None, reverse=False), height=0) == Page((), b"coin.x")
    assert asked.asset_names(PageRequest(9, b"coin.x", reverse=False), height=0) == Page((), None)
