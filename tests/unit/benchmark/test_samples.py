"""What a figure says of its samples."""

from __future__ import annotations

import pytest
from benchmark.samples import Arrival, longest_pause, quantile, rate, rounds_failed


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.99, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(number) for number in range(1, 101)], 0.99, 99.0),
        ([float(number) for number in range(1, 101)], 1.0, 100.0),
        ([1.0] * 98 + [50.0, 90.0], 0.99, 50.0),  # two slow ones of a hundred are not hidden
        ([1.0] * 9 + [90.0], 0.99, 90.0),  # and of few samples, the slowest is it
    ],
)
def test_a_quantile_is_a_sample_that_enough_of_them_do_not_exceed(
    values: list[float], share: float, expected: float
) -> None:
    assert quantile(values, share) == expected


def blocks(*came: tuple[float, int, int]) -> list[Arrival]:
    """Blocks by when they came, the round that decided, and the transactions in them."""
    size, arrivals = 0, []
    for height, (at, round, count) in enumerate(came, 1):
        size += count
        arrivals.append(Arrival(at, height, round, "v0", size))
    return arrivals


PAUSED = blocks((1.0, 0, 10), (1.1, 0, 10), (3.6, 1, 30), (3.7, 0, 10), (3.8, 0, 20))


def test_the_longest_pause_is_found_between_blocks_and_at_both_ends() -> None:
    assert longest_pause(PAUSED, 1.0, 3.9) == pytest.approx(2.5)
    assert longest_pause(PAUSED, 1.5, 3.9) == pytest.approx(2.1)  # it had begun before
    assert longest_pause(PAUSED, 3.5, 9.8) == pytest.approx(6.0)  # it had not ended
    assert longest_pause([], 0.0, 4.0) == pytest.approx(4.0)  # no block at all is no good news


def test_failed_rounds_are_counted_of_blocks_within_only() -> None:
    assert rounds_failed(PAUSED, 1.0, 3.9) == 1
    assert rounds_failed(PAUSED, 3.6, 3.9) == 0
    assert rounds_failed(blocks((1.0, 2, 1), (2.0, 1, 1)), 0.0, 3.0) == 3


def test_a_rate_is_of_the_blocks_after_the_first_and_nothing_without_two() -> None:
    assert rate(PAUSED, 3.6, 3.9) == pytest.approx(150.0)
    assert rate(PAUSED, 3.75, 3.9) == 0.0
    assert rate([], 0.0, 1.0) == 0.0
