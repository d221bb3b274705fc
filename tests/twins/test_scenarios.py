"""Every scenario of three phases, of four validators with one twin: here those that v0, the twin, or v1 begins."""

from __future__ import annotations

import random
from ast import literal_eval

import pytest

from tests.simulation.violation import Violation
from tests.twins.exhaustive import BEYOND, FOUR, sequences
from tests.twins.instance import Setting
from tests.twins.outcome import facts_of
from tests.twins.scenarios import Tree, scenario, splits

PHASES = 3
HALF = 32
"""Of the 64 choices of leaders; `test_more_scenarios` has the others."""


def check_led_by(leaders: tuple[int, ...]) -> None:
    """Run all scenarios of these, and see that they do what scenarios are for: most decide, some only when whole."""
    totals = Tree(FOUR, leaders).run()
    assert totals.scenarios == len(splits(FOUR)) ** PHASES
    assert totals.scenarios > totals.decided > 0.9 * totals.scenarios
    assert totals.recovered > 0


@pytest.mark.parametrize("leaders", sequences(FOUR, PHASES)[:HALF])
def test_nothing_is_violated_whoever_leads_and_whoever_hears_whom(leaders: tuple[int, ...]) -> None:
    check_led_by(leaders)


def test_the_whole_set_has_262144_scenarios() -> None:
    assert len(splits(FOUR)) ** PHASES * len(sequences(FOUR, PHASES)) == 262_144
    assert len(set(splits(FOUR))) == 16
    assert all(sorted(one + other) == list(range(5)) for one, other in splits(FOUR))


def test_a_scenario_played_by_itself_ends_as_it_is_counted() -> None:
    """What stands in the package's docstring, tried: nothing that is shared between scenarios changes one."""
    rng = random.Random(11)
    for _ in range(2):
        leaders = tuple(rng.randrange(FOUR.n) for _ in range(PHASES))
        tree = Tree(FOUR, leaders)
        found = {tuple(item.fingerprint() for item in tree.instances(network)) for network in tree.outcomes()}
        ended = set()
        for _ in range(60):
            chosen = tuple(rng.choice(splits(FOUR)) for _ in range(PHASES))
            ended.add(tuple(item.fingerprint() for item in scenario(FOUR, leaders, chosen)))
        assert len(ended) > 5
        assert ended <= found


@pytest.mark.parametrize(("setting", "phases"), BEYOND)
def test_beyond_the_bound_there_are_forks_and_each_convicts_enough_and_nobody_honest(
    setting: Setting, phases: int
) -> None:
    forks = 0
    for leaders in sequences(setting, phases)[::4]:
        forks += Tree(setting, leaders, forks=True).run().forked
    assert forks > 100


def test_a_violation_names_its_scenario() -> None:
    with pytest.raises(Violation, match=r"agreement: .* led by \(0, 0, 0\), split \(") as caught:
        Tree(BEYOND[0][0], (0, 0, 0)).run()
    words = str(caught.value).rpartition("split ")[2]
    chosen = literal_eval(words)
    instances = scenario(BEYOND[0][0], (0, 0, 0), chosen)
    blocks = {facts.decided for facts in (facts_of(BEYOND[0][0], item) for item in instances) if facts.honest}
    assert len(blocks) == 2, "and it is a fork when it is played by itself"
