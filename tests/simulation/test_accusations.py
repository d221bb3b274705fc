"""Twins and liars end on the ledger, by themselves: every honest node has the evidence, once, and it names no other.

What is on the ledger, and that no honest validator is among the accused, is asked by `checkers.accusations` in every
run of every test; that it gets there by the liveness phase.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.plan import Plan
from tests.simulation.run import run

LIAR = 2


@pytest.mark.parametrize("kind", ["twin", "liar"])
def test_who_signs_two_things_is_recorded(kind: str) -> None:
    def adjust(plan: Plan) -> Plan:
        return replace(plan, byzantine=((LIAR, kind),), dead=(), lively=True, lie_rate=0.3, transactions=10)

    found = [run(seed, n=4, q=3, adjust=adjust).accusations for seed in range(10)]
    assert sum(count > 0 for count in found) >= 5, found


def test_nobody_is_recorded_where_nobody_lies() -> None:
    def adjust(plan: Plan) -> Plan:
        return replace(plan, byzantine=())

    assert [run(seed, n=4, q=3, adjust=adjust).accusations for seed in range(10)] == [0] * 10
