"""Who waits for whom, and how long, before a block is proposed."""

from __future__ import annotations

import pytest

from ledger.limits import BLOCK_ANSWERS_SHARE
from node.replica.filling import Filling

ROOM, BASE_TIMEOUT_MS = 1_000, 2_000


def after_a_block(transactions: int, *, left: int, took_ms: int) -> Filling:
    """At time 10,000 a block with so many transactions was appended."""
    filling = Filling()
    filling.heard(10_000 - took_ms)
    filling.appended(transactions, left=left, now_ms=10_000)
    return filling


def until_ms(filling: Filling, pending: int, *, base_timeout_ms: int = BASE_TIMEOUT_MS) -> int | None:
    """Asked at the height that began when that block was appended."""
    return filling.until_ms(pending, room=ROOM, begun_at_ms=10_000, base_timeout_ms=base_timeout_ms)


@pytest.mark.parametrize(
    ("transactions", "left", "took_ms", "pending", "expected_ms"),
    [
        pytest.param(1, 0, 8, 1, None, id="a sender alone"),
        pytest.param(16, 16, 4, 16, 10_012, id="two halves become one"),
        pytest.param(16, 16, 8, 32, None, id="all have come"),
        pytest.param(32, 0, 6, 31, 10_018, id="one is missing"),
        pytest.param(32, 0, 8, 0, None, id="nobody has come"),
        pytest.param(32, 0, 5_000, 1, 10_000 + BASE_TIMEOUT_MS // BLOCK_ANSWERS_SHARE, id="far apart"),
        pytest.param(1, 19, 8, 19, None, id="a sender whose quota is one block of one"),
        pytest.param(100, 300, 8, 300, None, id="transactions whose bytes fill blocks"),
        pytest.param(700, 600, 8, ROOM, None, id="a full block"),
    ],
)
def test_others_are_waited_for(
    transactions: int, left: int, took_ms: int, pending: int, expected_ms: int | None
) -> None:
    filling = after_a_block(transactions, left=left, took_ms=took_ms)
    assert until_ms(filling, pending) == expected_ms


def test_nobody_waits_longer_than_others_give_a_leader() -> None:
    filling = after_a_block(32, left=0, took_ms=500)
    assert until_ms(filling, 1, base_timeout_ms=600) == 10_006
    filling.backlog = True
    assert until_ms(filling, 1, base_timeout_ms=60) == 10_030


def test_a_block_that_nobody_heard_of_before_says_nothing_about_how_long_one_takes() -> None:
    """One that was fetched from a peer, say."""
    filling = Filling()
    filling.appended(32, left=0, now_ms=10_000)
    assert until_ms(filling, 1) == 10_000
