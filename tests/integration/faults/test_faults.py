"""A minute of real faults, of every kind, from one seed; `scripts/soak` runs other seeds, and for longer."""

from __future__ import annotations

from pathlib import Path

from tests.integration.faults.plan import draw_plan
from tests.integration.faults.run import run

SEED = 2
SECONDS = 60


async def test_a_minute_of_faults_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    report = await run(draw_plan(SEED, SECONDS), tmp_path, print)
    print(report)
    assert report.acknowledged >= 20
    assert report.answers_checked >= 200
    assert len(report.faults) == 10
