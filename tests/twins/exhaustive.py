"""The exhaustive sets: which there are, and their pieces."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice, product

from tests.campaigns.campaign import NOTHING, Outcome
from tests.simulation.violation import Violation
from tests.twins.instance import Setting
from tests.twins.scenarios import Tree

FOUR = Setting(4, 3, 1)
"""What is played exhaustively: four validators, of which three are a quorum, and one of which is twins."""

FOUR_WITHOUT_BRAKE = Setting(4, 3, 1, brake=False)
"""The same, and nobody gives a leader up for proposing twice: more than this happens in a round."""

BEYOND = ((Setting(3, 2, 1), 3), (Setting(4, 3, 2), 2))
"""Settings with 2q - n twins, which the protocol does not bear, each with a number of phases: there must be forks."""


def sequences(setting: Setting, phases: int) -> list[tuple[int, ...]]:
    """Every choice of leaders."""
    return list(product(range(setting.n), repeat=phases))


def run_three_phases(first: int, last: int) -> Outcome:
    """The 262,144 scenarios without the brake, as units of a campaign: the leaders of three phases."""
    return _run(FOUR_WITHOUT_BRAKE, 3, first, last)


def run_four_phases(first: int, last: int) -> Outcome:
    """The 16,777,216 scenarios of four phases, as units of a campaign: the leaders of four phases."""
    return _run(FOUR, 4, first, last)


def _run(setting: Setting, phases: int, first: int, last: int) -> Outcome:
    total = NOTHING
    for leaders in islice(product(range(setting.n), repeat=phases), first, last):
        try:
            found = asdict(Tree(setting, leaders).run())
            total += Outcome({name: count for name, count in found.items() if count}, {}, ())
        except Violation as violation:
            total += Outcome({}, {}, (str(violation),))
    return total
