"""Damage on a simulated disk is put right by peers, while everything else goes wrong as ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.simulation.incidents import Incident
from tests.simulation.plan import Plan
from tests.simulation.run import run

SEEDS = range(6)
DAMAGED = 2
TIMES = 3
SAFETY_MS = 4_000


def run_damaged(kind: str) -> Counter[str]:
    """Four validators of whom nobody lies; bits of one's rows are flipped while it runs, again and again. What came of
    it: no checker of the simulator sees anything wrong said, served or signed."""
    events: Counter[str] = Counter()

    def adjust(plan: Plan) -> Plan:
        step_ms = SAFETY_MS // (TIMES + 1)
        damage = tuple(Incident((number + 1) * step_ms, kind, DAMAGED, 0) for number in range(TIMES))
        plan = replace(
            plan, safety_ms=SAFETY_MS, heartbeat_ms=300, loss=min(plan.loss, 0.02)
        )  # so that there are blocks
        return replace(plan, byzantine=(), dead=(), lively=True, damage=damage, quiet=False)

    def show(line: str) -> None:
        events.update(event for event in ("block_replaced", "database_rebuilt") if f" {event} " in line)

    for seed in SEEDS:
        report = run(seed, n=4, q=3, adjust=adjust, show=show)
        events.update({name: count for name, count in report.faults.items() if name.startswith("damaged ")})
    print(dict(events))
    return events


def test_damaged_blocks_are_put_back() -> None:
    events = run_damaged("bit flipped in a block")
    assert events["block_replaced"]
    assert events["damaged machine goes on"] == len(SEEDS)


def test_a_database_that_is_damaged_anywhere_is_made_anew() -> None:
    events = run_damaged("bit flipped in a row")
    assert events["damaged database made anew"]
    assert events["database_rebuilt"]
    assert events["damaged machine goes on"]
