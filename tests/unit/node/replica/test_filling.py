"""Who waits for whom, and how long, before a block is proposed."""

from __future__ import annotations

import pytest

from ledger.limits import BLOCK_ANSWERS_SHARE
from node.replica.filling import Filling

ROOM, BASE_TIMEOUT_MS = 1_000, 2_000


def after_a_block(transactions: int, *, left: int, took_ms: int) -> Filling:
    """At time 10,000 a block with so many transactions was appended."""
    filling = Filling(0)
    filling.heard(10_000 - took_ms)
    filling.appended(transactions, left=left, now_ms=10_000)
    return filling


@pytest.mark.parametrize(
    ("transactions", "left", "took_ms", "pending", "until_ms"),
    [
        pytest.param(1, 0, 20, 1, None, id="a sender alone"),
        pytest.param(16, 16, 20, 16, 10_020, id="two halves become one"),
        pytest.param(16, 16, 20, 32, None, id="all have come"),
        pytest.param(32, 0, 20, 31, 10_020, id="one is missing"),
        pytest.param(32, 0, 20, 0, None, id="nobody has come"),
        pytest.param(32, 0, 5_000, 1, 10_000 + BASE_TIMEOUT_MS // BLOCK_ANSWERS_SHARE, id="far apart"),
        pytest.param(1, 19, 20, 19, None, id="a sender whose quota is one block of one"),
        pytest.param(100, 300, 20, 300, None, id="transactions whose bytes fill blocks"),
        pytest.param(700, 600, 20, ROOM, None, id="a full block"),
    ],
)
def test_others_are_waited_for(transactions: int, left: int, took_ms: int, pending: int, until_ms: int | None) -> None:
    filling = after_a_block(transactions, left=left, took_ms=took_ms)
    assert filling.until_ms(pending, room=ROOM, base_timeout_ms=BASE_TIMEOUT_MS) == until_ms


def test_nobody_waits_longer_than_others_give_a_leader() -> None:
    filling = after_a_block(32, left=0, took_ms=500)
    assert filling.until_ms(1, room=ROOM, base_timeout_ms=600) == 10_006
    filling.backlog = True
    assert filling.until_ms(1, room=ROOM, base_timeout_ms=60) == 10_030


def test_a_block_that_nobody_heard_of_before_says_nothing_about_how_long_one_takes() -> None:
    """One that was fetched from a peer, say."""
    filling = Filling(0)
    filling.appended(32, left=0, now_ms=10_000)
    assert filling.until_ms(1, room=ROOM, base_timeout_ms=BASE_TIMEOUT_MS) == 10_000
