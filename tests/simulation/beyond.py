"""Runs beyond the bound: 2q - n validators, or more, sign two different things, and the chain can fork.

Either all of them split the chain on purpose (`byzantine.splitter`), in a network that delivers, where they nearly
always can; or each lies in its own way, in whatever network is drawn. Nobody promises that such a chain goes on.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tests.campaigns.campaign import Outcome
from tests.simulation.plan import Plan
from tests.simulation.run import Report, run
from tests.simulation.violation import Violation

BEYOND = ((3, 2, 1), (4, 3, 2), (5, 3, 1), (5, 4, 3), (7, 5, 3))
"""(n, q, how many sign two different things)."""

SPLITTERS = ("splitter",)
LIARS = ("splitter", "twin", "twin", "liar", "framer", "forgetful")

_SAFETY_MS = 1_500
_FIRST_SEED = 2_000_000
"""Of the campaign; far from those of the tests."""


def attack(n: int, q: int, count: int, seed: int, kinds: tuple[str, ...]) -> Report:
    """One run in which `count` drawn validators are of drawn `kinds`. Raises `Violation`."""
    lie = _lying(count, seed, kinds)
    return run(seed, n=n, q=q, adjust=lambda plan: lie(_calm(plan) if kinds == SPLITTERS else plan))


def run_attacks(first: int, last: int) -> Outcome:
    """The units from `first` to `last` - 1 of the campaign: a seed each, every network and both sorts in turn."""
    counts: Counter[str] = Counter()
    violations: list[str] = []
    for unit in range(first, last):
        n, q, count = BEYOND[unit % len(BEYOND)]
        kinds = LIARS if unit // len(BEYOND) % 2 else SPLITTERS
        seed = _FIRST_SEED + unit
        try:
            report = attack(n, q, count, seed, kinds)
        except Violation as violation:
            again = f"attack({n}, {q}, {count}, {seed}, {kinds})"
            violations.append(f"{violation}; from tests.simulation.beyond import *; {again}")
            continue
        sort = "splitters" if kinds == SPLITTERS else "liars"
        counts[f"runs with {sort}"] += 1
        counts[f"runs with {sort} that forked"] += bool(report.forks)
        counts["forks"] += len(report.forks)
        counts["culprits named"] += sum(len(fork.culprits) for fork in report.forks)
        counts["events"] += report.events
    return Outcome(dict(sorted(counts.items())), {}, tuple(violations))


def _lying(count: int, seed: int, kinds: tuple[str, ...]) -> Callable[[Plan], Plan]:
    """`count` validators lie."""
    rng = random.Random(seed)

    def adjust(plan: Plan) -> Plan:
        byzantine = tuple(sorted((index, rng.choice(kinds)) for index in rng.sample(range(plan.n), count)))
        return replace(plan, byzantine=byzantine, dead=(), lively=False, safety_ms=_SAFETY_MS, transactions=10)

    return adjust


def _calm(plan: Plan) -> Plan:
    """A network that delivers: what splitting needs most. Power is cut all the same."""
    return replace(plan.calm(), delay_ms=2, clocks=plan.clocks, cut_rate=0.002)
