"""The other half of the scenarios, which v2 or v3 begins, and drawn ones. A file of its own runs beside the first."""

from __future__ import annotations

import pytest

from tests.twins.exhaustive import FOUR
from tests.twins.sampling import run_samples
from tests.twins.test_scenarios import check_led_by

CHUNK = 500


@pytest.mark.parametrize("second", range(FOUR.n))
@pytest.mark.parametrize("first", [2, 3])
def test_nothing_is_violated_whoever_leads_and_whoever_hears_whom(first: int, second: int) -> None:
    check_led_by(first, second)


@pytest.mark.parametrize("first", range(0, 3_000, CHUNK))
def test_nothing_is_violated_when_kinds_of_messages_are_lost(first: int) -> None:
    outcome = run_samples(first, first + CHUNK)
    assert not outcome.violations, "\n".join(outcome.violations)
    assert outcome.counts["scenarios"] == CHUNK
    assert outcome.counts["decided"] > CHUNK // 5
    assert outcome.counts["recovered"] > CHUNK // 20
