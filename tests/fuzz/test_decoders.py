"""Every decoder is given what it must refuse, for a while; `scripts/fuzz` goes on for as long as one likes."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.bounds import feed, feed_counted, feed_measured
from tests.fuzz.mutation import mutated, pumped
from tests.fuzz.target import Target
from tests.fuzz.targets import all_targets

EXAMPLES = 150
MEASURED = 25

every_target = pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)


@every_target
def test_what_is_valid_is_accepted(target: Target) -> None:
    examples = target.examples()
    assert examples, "a target without a valid example proves little"
    accepted = [feed(target, data) for data in examples]
    assert any(accepted), "it accepts none of its examples"


@every_target
def test_nothing_but_what_is_documented_comes_out(target: Target) -> None:
    examples = target.examples()

    @settings(max_examples=EXAMPLES, database=None)
    @given(st.one_of(st.randoms(use_true_random=False).map(lambda rng: mutated(rng, target, examples)), st.binary()))
    @example(b"")
    def holds(data: bytes) -> None:
        feed(target, data)

    holds()


@every_target
def test_work_and_memory_are_bounded_by_the_size(target: Target) -> None:
    examples, rng = target.examples(), random.Random(target.name)
    for data in [*examples[:4], *pumped(examples), *(mutated(rng, target, examples) for _ in range(MEASURED))]:
        feed_counted(target, data)
        feed_measured(target, data)
