"""All scenarios, phase by phase, each argument of a phase computed once (the package's docstring argues why)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product

from tests.simulation.violation import Violation
from tests.twins.instance import Instance, Setting, fresh
from tests.twins.outcome import Facts, check, check_recovery, culprits, facts_of, forked
from tests.twins.phases import Group, Split, play

Network = tuple[int, ...]
"""The states of all instances, in order, by their numbers in `States`."""


def splits(setting: Setting) -> list[Split]:
    """All ways to split the instances into two groups; instance 0 is in the first, the second may be empty."""
    others = range(1, setting.instances)
    return [
        (
            (0, *(other for other, side in zip(others, sides, strict=True) if side == 0)),
            tuple(other for other, side in zip(others, sides, strict=True) if side == 1),
        )
        for sides in product((0, 1), repeat=len(others))
    ]


def scenario(setting: Setting, leaders: tuple[int, ...], chosen: tuple[Split, ...]) -> list[Instance]:
    """One scenario, played by itself."""
    instances = [fresh(setting, number, leaders) for number in range(setting.instances)]
    for phase, split in enumerate(chosen):
        play(setting, instances, split, phase)
    return instances


class States:
    """Every state of an instance that came about, once, with a number."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._numbers: dict[Hashable, int] = {}
        self.instances: list[Instance] = []
        self.facts: list[Facts] = []

    def number(self, instance: Instance) -> int:
        """The number of a state equal to this."""
        found = self._numbers.setdefault(instance.fingerprint(), len(self.instances))
        if found == len(self.instances):
            self.instances.append(instance)
            self.facts.append(facts_of(self._setting, instance))
        return found


@dataclass(slots=True)
class Totals:
    """How many scenarios there were, in how many somebody honest decided, all honest did, and two blocks were decided.

    `networks` is how many different outcomes they came to, `recovered` how many of these had not decided and then did,
    and `phases` how many phases of a group were computed for it.
    """

    scenarios: int = 0
    decided: int = 0
    decided_by_all: int = 0
    forked: int = 0
    networks: int = 0
    recovered: int = 0
    phases: int = 0


class Tree:
    """All scenarios that are led by the same: every split in every phase.

    With `forks`, which are to be expected beyond the bound, each is counted and must convict enough (I15); otherwise
    one is a `Violation`.
    """

    def __init__(self, setting: Setting, leaders: tuple[int, ...], *, forks: bool = False) -> None:
        self.setting = setting
        self._leaders = leaders
        self._forks = forks
        self._splits = splits(setting)
        self._states = States(setting)
        self._steps: dict[Network, Network] = {}

    def run(self) -> Totals:
        """Run them. Raises `Violation`, with the scenario."""
        totals = Totals()
        for network, count in self.outcomes().items():
            facts = [self._states.facts[number] for number in network]
            honest = [item.decided for item in facts if item.honest]
            totals.networks += 1
            totals.scenarios += count
            totals.decided += count * any(honest)
            totals.decided_by_all += count * all(honest)
            if forked(facts):
                totals.forked += count
                self._convict(network)
            elif not self._forks:
                totals.recovered += check_recovery(self.setting, self.instances(network), len(self._leaders))
        totals.phases = len(self._steps)
        assert totals.scenarios == len(self._splits) ** len(self._leaders), "every scenario is counted once"
        return totals

    def outcomes(self) -> dict[Network, int]:
        """The networks that scenarios come to, and how many come to each."""
        setting = self.setting
        start = tuple(self._states.number(fresh(setting, number, self._leaders)) for number in range(setting.instances))
        networks, ways = {start: 1}, {start: ()}
        for phase in range(len(self._leaders)):
            after: dict[Network, int] = {}
            ways_after: dict[Network, tuple[Split, ...]] = {}
            for network, count in networks.items():
                for split in self._splits:
                    way = (*ways[network], split)
                    found = self._after(network, split, phase, way)
                    after[found] = after.get(found, 0) + count
                    ways_after.setdefault(found, way)
            for network, way in ways_after.items():
                self._check(network, way)
            networks, ways = after, ways_after
        return networks

    def instances(self, network: Network) -> list[Instance]:
        """The instances of a network; not to be changed."""
        return [self._states.instances[number] for number in network]

    def _check(self, network: Network, way: tuple[Split, ...]) -> None:
        if self._forks:
            return
        try:
            check(self.setting, [self._states.facts[number] for number in network])
        except Violation as violation:
            raise self._named(violation, way) from violation

    def _convict(self, network: Network) -> None:
        """A fork names at least 2q - n validators, and no honest one (I15)."""
        setting = self.setting
        found = culprits(self.instances(network))
        assert len(found) >= 2 * setting.q - setting.n, f"a fork convicts {found} alone"
        assert all(validator < setting.twins for validator in found), f"a fork convicts {found}"

    def _after(self, network: Network, split: Split, phase: int, way: tuple[Split, ...]) -> Network:
        states = list(network)
        for group in split:
            members = tuple(network[instance] for instance in group)
            found = self._steps.get(members)
            if found is None:
                try:
                    found = self._steps[members] = self._step(members, phase)
                except Violation as violation:
                    raise self._named(violation, way) from violation
            for instance, number in zip(group, found, strict=True):
                states[instance] = number
        return tuple(states)

    def _step(self, states: Network, phase: int) -> Network:
        """The states of a group's members after the phase. Who has not decided knows the phase: its timers do."""
        members = [self._states.instances[number].copy() for number in states]
        Group(self.setting, members).run(phase)
        return tuple(self._states.number(member) for member in members)

    def _named(self, violation: Violation, way: tuple[Split, ...]) -> Violation:
        return Violation(violation.checker, f"{violation} in {self.setting}, led by {self._leaders}, split {way}")
