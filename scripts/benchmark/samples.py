"""How a figure is computed from samples: quantiles, pauses between blocks, and how late a block was. All of it pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Arrival:
    """A block as the event stream told of it: `at` in seconds of a steady clock, and from its header its height, the
    round in which it was fresh, its proposer, and the transactions that the chain has with it."""

    at: float
    height: int
    round: int
    proposer: str
    log_size: int


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` (at least one) that is not below a `share` of them: one that was measured."""
    assert values, "no samples, no quantile"
    assert 0 < share <= 1
    return sorted(values)[math.ceil(share * len(values)) - 1]


def longest_pause(arrivals: Sequence[Arrival], start: float, stop: float) -> float:
    """The longest time in seconds between `start` and `stop` in which no block came; all of it when none did."""
    times = [start, *sorted(arrival.at for arrival in arrivals if start < arrival.at < stop), stop]
    return max(later - earlier for earlier, later in pairwise(times))


def rounds_failed(arrivals: Sequence[Arrival], start: float, stop: float) -> int:
    """How many rounds failed before the blocks that came between `start` and `stop` were fresh."""
    return sum(arrival.round for arrival in arrivals if start < arrival.at < stop)


def rate(arrivals: Sequence[Arrival], start: float, stop: float) -> float:
    """Transactions per second that were committed between `start` and `stop`: 0 when fewer than two blocks came."""
    within = [arrival for arrival in arrivals if start <= arrival.at <= stop]
    if len(within) < 2:
        return 0.0
    return (within[-1].log_size - within[0].log_size) / (within[-1].at - within[0].at)
