"""Who sees mutants. Each is asked in a process that has become the mutant, and says what it saw, or None."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import pytest

from tests.crash_points.histories import HISTORIES
from tests.crash_points.operations import Restart
from tests.crash_points.recording import recording
from tests.crash_points.running import run as run_to_cut
from tests.scenarios.driver import script
from tests.scenarios.driver.world import ViolationError
from tests.simulation.plan import Plan
from tests.simulation.run import run
from tests.simulation.violation import Violation
from tests.twins.exhaustive import FOUR, sequences
from tests.twins.instance import Setting
from tests.twins.sampling import run_sample
from tests.twins.scenarios import Tree

_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a killer saw: `by` whom, `after` how much work, and what it `says`."""

    by: str
    after: str
    says: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """Runs of the simulator from seed 0 on, at most `seeds`, until one of the checkers `seen_by` sees it.

    Where it shows only now and then, what helps: (n, q), what is drawn, and changes of the validator set.
    """

    seen_by: tuple[str, ...]
    quorum: tuple[int, int] | None = None
    adjust: Callable[[Plan], Plan] | None = None
    set_changes: bool = False
    seeds: int = 40

    def run(self, seed: int) -> None:
        """One of the runs. Raises `Violation`."""
        n, q = (None, None) if self.quorum is None else self.quorum
        run(seed, n=n, q=q, changes=self.set_changes, adjust=self.adjust)


@dataclass(frozen=True, slots=True)
class Story:
    """A scripted cluster, by the name of its file in `tests/scenarios`."""

    name: str


@dataclass(frozen=True, slots=True)
class Twins:
    """All scenarios of a setting whose leaders come first, for some phases."""

    seen_by: tuple[str, ...]
    setting: Setting = FOUR
    phases: int = 2
    sequences: int = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """Drawn scenarios with twins and losses."""

    seen_by: tuple[str, ...]
    samples: int = 400


@dataclass(frozen=True, slots=True)
class CrashPoints:
    """Every instant at which the power can go, of every history of three validators, until one is seen to be bad."""

    seen_by: tuple[str, ...]

    def run(self) -> None:
        """All of them. Raises `Violation`."""
        for history in HISTORIES:
            for instant in recording(3, 2, history).futures:
                run_to_cut(3, 2, history, instant, Restart.AT_ONCE)


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests of the suite, from the path below `tests` on: `unit/x/test_y.py::test_z`, until one fails."""

    name: str


Killer: TypeAlias = Simulated | Story | Twins | Drawn | CrashPoints | Suite


def with_drawn(**drawn: Any) -> Callable[[Plan], Plan]:
    """Draws replaced."""
    return lambda plan: replace(plan, **drawn)


def ask(killer: Killer) -> Seen | None:
    """What the killer sees here and now."""
    match killer:
        case Simulated(seen_by=seen_by):
            for seed in range(killer.seeds):
                if (seen := _watch(lambda seed=seed: killer.run(seed), seen_by, f"seed {seed}")) is not None:
                    return seen
            return None
        case Story(name):
            return _hear(name)
        case Twins(seen_by=seen_by):
            for number, leaders in enumerate(sequences(killer.setting, killer.phases)[: killer.sequences]):
                tree = Tree(killer.setting, leaders)
                if (seen := _watch(tree.run, seen_by, f"{number + 1} choices of leaders")) is not None:
                    return seen
            return None
        case Drawn(seen_by=seen_by):
            for seed in range(killer.samples):
                if (seen := _watch(lambda seed=seed: run_sample(seed), seen_by, f"sample {seed}")) is not None:
                    return seen
            return None
        case CrashPoints(seen_by=seen_by):
            return _watch(killer.run, seen_by, "an instant")
        case Suite(name):
            return _test(name)
        case _:
            assert_never(killer)


def _watch(act: Callable[[], object], seen_by: tuple[str, ...], after: str) -> Seen | None:
    try:
        act()
    except Violation as violation:
        if violation.checker not in seen_by:
            raise AssertionError(f"{after}: seen by none of {seen_by}, but by {violation}") from violation
        return Seen(violation.checker, after, str(violation))
    return None


def _hear(name: str) -> Seen | None:
    try:
        script.run(_TESTS / "scenarios" / f"{name}.txt")
    except ViolationError as violation:
        return Seen(f"story {name}", "", str(violation))
    return None


class _Failures:
    """Collects what fails in a session of tests."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test is over."""
        if report.failed:
            self.failed.append((report.nodeid, report.longreprtext))
        elif report.when == "call" and report.passed:
            self.passed += 1


def _test(name: str) -> Seen | None:
    failures = _Failures()
    options = ["-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "--no-header"]
    with contextlib.redirect_stdout(io.StringIO()):
        ended = pytest.main([*options, str(_TESTS / name)], plugins=[failures])
    if not failures.failed:
        assert ended == pytest.ExitCode.OK, f"{name} is no test that runs: {ended}"
        return None
    where, text = failures.failed[0]
    return Seen(where.partition("tests/")[2].partition("[")[0], f"{failures.passed} good ones", text)
