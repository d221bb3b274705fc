"""The table of targets: what is measured is judged, and what is not is never taken for reached."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmark.targets import TARGETS, Bound, Target, render, table


@pytest.mark.parametrize(
    ("bound", "measured", "reached"),
    [
        (Bound.AT_LEAST, 0.59, False),
        (Bound.AT_LEAST, 0.6, True),
        (Bound.AT_MOST, 0.6, True),
        (Bound.AT_MOST, 0.61, False),
    ],
)
def test_a_bound_itself_is_reached_and_nothing_beyond_it(bound: Bound, measured: float, reached: bool) -> None:
    assert Target("figure", "words", bound, 0.6).reached(measured) is reached


def test_every_target_has_its_row_measured_or_not() -> None:
    rows = table({"efficiency": 0.7, "ratio": 0.5, "platform": "linux"})
    verdicts = {row.target.figure: row.verdict for row in rows}
    assert verdicts.keys() == {target.figure for target in TARGETS}
    assert (verdicts["efficiency"], verdicts["ratio"]) == ("yes", "no")
    assert Counter(verdicts.values()) == {"yes": 1, "no": 1, "-": len(TARGETS) - 2}


def test_no_figure_has_two_targets() -> None:
    assert len({target.figure for target in TARGETS}) == len(TARGETS)


def test_the_text_has_what_was_measured_and_counts_the_rest() -> None:
    lines = render(table({"efficiency": 0.7, "start_seconds_long": 9.5})).splitlines()
    assert [line.split()[-1] for line in lines[1:-1]] == ["yes", "no"]
    assert lines[-1] == f"{len(TARGETS) - 2} of {len(TARGETS)} targets were not measured in this run"


def test_a_figure_that_is_no_number_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="ratio"):
        table({"ratio": "0.7"})
