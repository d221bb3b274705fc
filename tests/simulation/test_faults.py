"""Every kind of fault happens when it is asked for, and a machine with a damaged disk ends as it must.

Whether anything is violated by it is asked in every run; here it is made sure that no fault exists in name only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.simulation.bound import Bound
from tests.simulation.byzantine import KINDS
from tests.simulation.byzantine.lies import BLATANT, SUBTLE
from tests.simulation.incidents import DAMAGE, ORDINARY, Incident
from tests.simulation.plan import Plan
from tests.simulation.run import Report, run

VICTIM = 2
SEEDS = range(3)

BECAME = {
    "bit flipped in a row": {"goes on", "starts no more", "observes", "is down"},  # whichever row it is
    "bit flipped in a vote": {"goes on", "starts no more", "observes"},  # whether it was of a height that is decided
    "bits flipped in the guard": {"goes on", "observes"},  # one slot of two is enough
    "guard missing": {"observes"},
    "database missing": {"starts no more"},
    "end of the log missing": {"goes on", "observes"},  # whether it had promised anything since
    "database of an older format": {"starts no more"},
}

CAUSES = {  # of an incident, what it makes happen
    "old frames again": "frame replayed",
    "frames of another chain": "frame of another chain",
    "links clogged and freed": "link clogged",
    "crash while starting": "power cut while starting",
    "restarts in turn": "restart in turn",
    "slow syncs": "slow sync",
    "disk full": "write to a full disk",
}


def with_incident(kind: str, seed: int, *, damage: bool = False) -> Report:
    """A run in a network that is calm but for this."""

    def adjust(plan: Plan) -> Plan:
        incident = Incident(plan.safety_ms // 3, kind, VICTIM, 300)
        plan = replace(plan.calm(), byzantine=(), dead=(), lively=True, heartbeat_ms=300, transactions=10)
        return replace(plan, damage=(incident,)) if damage else replace(plan, incidents=(incident,))

    return run(seed, n=4, q=3, adjust=adjust)


@pytest.mark.parametrize("kind", ORDINARY)
def test_an_incident_happens(kind: str) -> None:
    faults: Counter[str] = Counter()
    for seed in SEEDS:
        faults.update(with_incident(kind, seed).faults)
    assert faults[kind] == len(SEEDS)
    assert faults[CAUSES.get(kind, kind)] >= 1, dict(faults)


@pytest.mark.parametrize("kind", BECAME)
def test_damage_is_noticed_or_does_not_matter(kind: str) -> None:
    for seed in SEEDS:
        faults = with_incident(kind, seed, damage=True).faults
        became = {name.removeprefix("damaged machine ") for name in faults if name.startswith("damaged machine ")}
        assert faults[kind] == 1
        assert len(became) == 1
        assert became <= BECAME[kind]


def test_all_damage_is_among_it() -> None:
    assert BECAME.keys() >= DAMAGE.keys()


def test_every_lie_is_told() -> None:
    def adjust(plan: Plan) -> Plan:
        return replace(plan, byzantine=((VICTIM, "liar"),), dead=(), lively=True, lie_rate=0.4, reconnect_ms=100)

    told: Counter[str] = Counter()
    for seed in range(80):
        told.update(run(seed, n=4, q=3, adjust=adjust).faults)
    lies = {f"lie: {lie.__name__.replace('_', ' ')}" for lie in (*SUBTLE, *BLATANT)}
    assert not lies - told.keys()
    assert told["frame of garbage"]
    assert told["frame too large"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not None])
def test_every_kind_of_liar_is_borne(kind: str) -> None:
    for seed in SEEDS:
        report = run(
            seed,
            n=4,
            q=3,
            adjust=lambda plan: replace(plan, byzantine=((VICTIM, kind),), dead=(), lively=True),
        )
        assert report.plan.byzantine == ((VICTIM, kind),)
        assert report.plan.damage == ()


def test_changes_of_the_set_are_counted() -> None:
    report = run(2, changes=True)
    changes = [count for kind, count in report.faults.items() if kind.startswith("set change: ")]
    assert sum(changes) >= len(report.plan.eras) - 1


def test_the_bound_is_that_of_the_bad_leaders_and_ten_delays() -> None:
    """Written out once by hand: timeouts of 200, 300 and 450 ms, a pause of 200, and delays of a tick and a hop."""
    calm = run(1, n=7, q=5).plan.calm()
    plan = replace(calm, byzantine=((0, "silent"),), dead=(1,), damage=())
    delay_ms = 100 + 8
    assert Bound(plan).delay_ms == delay_ms
    assert Bound(plan).height_ms(first_round=0, blocks_behind=1) == 200 + 300 + 450 + 200 + 10 * delay_ms + 1


def test_a_height_that_takes_too_long_is_a_violation_and_the_slowest_is_reported() -> None:
    report = run(7)
    assert 0 < report.slowest.took_ms <= report.slowest.bound_ms
    assert report.slowest.permille == report.slowest.took_ms * 1000 // report.slowest.bound_ms
