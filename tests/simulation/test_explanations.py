"""In runs in which enough goes wrong for long enough, heights wait longer than patience lasts, and the doctor says why.

That what it finds is so is asked in every run (`checkers.explanations`); here the safety phase is long, so that there
are stalls to be explained.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from node.doctor import FindingCode
from tests.simulation import run as simulation
from tests.simulation.plan import Plan
from tests.simulation.world import World

_SEEDS = range(9_006, 9_011)


def test_stalls_that_were_drawn_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[World] = []

    def kept(*arguments: object) -> World:
        worlds.append(World(*arguments))  # type: ignore[arg-type]  # passed through
        return worlds[-1]

    monkeypatch.setattr(simulation, "World", kept)
    for seed in _SEEDS:
        simulation.run(seed, adjust=_long)
    explained = sum(world.checkers.explanations.explained for world in worlds)
    found = sum((world.checkers.explanations.findings for world in worlds), Counter[FindingCode]())
    assert explained >= 8, "so many were looked at that every one of them had its explanation"
    assert found.keys() >= {FindingCode.STALLED, FindingCode.VALIDATORS_SILENT, FindingCode.QUORUM_UNREACHABLE}


def _long(plan: Plan) -> Plan:
    return replace(plan, safety_ms=12_000, loss=0.4, partition_every_ms=4_000)
