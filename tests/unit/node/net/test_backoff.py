"""Delays between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN
from node.net.backoff import Backoff


def test_delays_double_up_to_the_limit_and_start_again() -> None:
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.next_ms() for _ in range(10)]
    assert delays == [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]
    backoff.reset()
    assert backoff.next_ms() == RECONNECT_DELAY_MS_MIN


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_jitter_keeps_at_least_half(numbers: list[float]) -> None:
    source = iter(numbers)
    backoff = Backoff(lambda: next(source))
    ceiling = RECONNECT_DELAY_MS_MIN
    for _ in numbers:
        assert ceiling / 2 <= backoff.next_ms() <= ceiling
        ceiling = min(2 * ceiling, RECONNECT_DELAY_MS_MAX)
