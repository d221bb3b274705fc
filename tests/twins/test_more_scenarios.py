"""The other half of the scenarios, which v2 or v3 begins, and drawn ones. A file of its own runs beside the first."""

from __future__ import annotations

import pytest

from tests.twins.exhaustive import FOUR, sequences
from tests.twins.sampling import run_samples
from tests.twins.test_scenarios import HALF, PHASES, check_led_by

CHUNK = 500


@pytest.mark.parametrize("leaders", sequences(FOUR, PHASES)[HALF:])
def test_nothing_is_violated_whoever_leads_and_whoever_hears_whom(leaders: tuple[int, ...]) -> None:
    check_led_by(leaders)


@pytest.mark.parametrize("first", range(0, 3_000, CHUNK))
def test_nothing_is_violated_when_kinds_of_messages_are_lost(first: int) -> None:
    outcome = run_samples(first, first + CHUNK)
    assert not outcome.violations, "\n".join(outcome.violations)
    assert outcome.counts["scenarios"] == CHUNK
    assert outcome.counts["decided"] > CHUNK // 5
    assert outcome.counts["recovered"] > CHUNK // 20
