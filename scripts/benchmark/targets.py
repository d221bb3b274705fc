"""The table of targets: each figure that the ledger is held against, what it is to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique


@unique
class Bound(Enum):
    """Whether a figure is good when it is high, or when it is low."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure by its name in `--output json`, what it is in words, and what it is to reach."""

    figure: str
    words: str
    bound: Bound
    value: float

    def reached(self, measured: float) -> bool:
        """Whether a measured value is as it should be."""
        return measured >= self.value if self.bound is Bound.AT_LEAST else measured <= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """A target, and what was measured; None when this run did not measure it."""

    target: Target
    measured: float | None

    @property
    def verdict(self) -> str:
        """`yes`, `no`, or a dash."""
        if self.measured is None:
            return "-"
        return "yes" if self.target.reached(self.measured) else "no"


def _at_least(figure: str, words: str, value: float) -> Target:
    return Target(figure, words, Bound.AT_LEAST, value)


def _at_most(figure: str, words: str, value: float) -> Target:
    return Target(figure, words, Bound.AT_MOST, value)


TARGETS = (
    _at_least("efficiency", "E: share of the validators' work that is unavoidable verification", 0.60),
    _at_least("ratio", "R: committed transactions/s x n to the all-core verification rate", 0.55),
    _at_most(
        "overhead_microseconds_per_transaction_and_validator", "us per transaction and validator, nothing verified", 35
    ),
    _at_least("operations_per_second", "operations/s with 32 in a transaction", 30_000),
    _at_least("singles_per_second", "transactions/s one by one over 32 connections", 1_500),
    _at_most("commit_ms_p50", "ms until a commit, one client, p50", 10),
    _at_most("commit_ms_p99", "ms until a commit, one client, p99", 40),
    _at_most("half_load_ms_p99", "ms until a commit at half of the maximum load, p99", 250),
    _at_most("follower_killed_pause_timeouts", "base timeouts without a block, a follower killed", 1),
    _at_most("leader_killed_pause_timeouts", "base timeouts without a block, the leader killed", 2),
    _at_most("killed_rounds_failed_max", "rounds that failed because of a dead validator", 1),
    _at_least("catch_up_ratio", "catch-up of an empty node to the all-core verification rate", 0.8),
    _at_least("audit_ratio", "quorum-audit ledger of an export to the all-core verification rate", 0.8),
    _at_most("query_ms_p99", "ms of a query at 32 connections and half load, p99", 10),
    _at_most("query_p99_ratio_long", "the same, a million transactions to ten thousand", 2),
    _at_most("state_root_microseconds_per_key", "us of the state root per touched key, a million keys", 8),
    _at_most("disk_bytes_per_transaction_long", "bytes on disk per transaction and node, compacted", 1_200),
    _at_most("memory_megabytes_long", "MB of memory of a validator with a million transactions", 250),
    _at_most("start_seconds_long", "s until a node with a million transactions is ready", 5),
    _at_most("flood_delay_blocks_max", "blocks that a transaction waits while another sender floods", 2),
)


def table(figures: Mapping[str, object]) -> tuple[Row, ...]:
    """Every target with what `figures` has of it."""
    rows = []
    for target in TARGETS:
        value = figures.get(target.figure)
        assert value is None or (isinstance(value, int | float) and not isinstance(value, bool)), target.figure
        rows.append(Row(target, value))
    return tuple(rows)


def render(rows: tuple[Row, ...]) -> str:
    """The table as text, of what was measured; the last line says how many targets were not."""
    measured = [row for row in rows if row.measured is not None]
    width = max((len(row.target.words) for row in measured), default=0)
    lines = [f"{'figure':<{width}}  {'measured':>10}  {'to reach':>17}  reached"]
    lines += [
        f"{row.target.words:<{width}}  {row.measured:>10,}  {row.target.bound.value:>8} {row.target.value:>8,}"
        f"  {row.verdict}"
        for row in measured
    ]
    if left := len(rows) - len(measured):
        lines.append(f"{left} of {len(rows)} targets were not measured in this run")
    return "\n".join(lines)
