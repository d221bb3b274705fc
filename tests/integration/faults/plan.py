"""What happens to a network and when: every fault of a run, drawn from its seed before anything starts.

Faults of one machine do not overlap, nor do those of the links; the two kinds do, and often more machines are at fault
at once than the quorum can spare. Kinds are dealt like cards, so that a run of a minute has each of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TypeAlias

from ledger.validators import Quorum, QuorumRule
from tests.integration.faults.links import Pair


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9, and a new start when the fault is over; with `again_after_s`, once more so long after a first start."""

    machines: tuple[int, ...]
    again_after_s: float | None = None

    def __str__(self) -> str:
        twice = "" if self.again_after_s is None else f", and again {self.again_after_s} s after its start"
        return f"kill -9 of {_names(self.machines)}{twice}"


@dataclass(frozen=True, slots=True)
class Roll:
    """Every machine is stopped in good order and started again, one after the other."""

    machines: tuple[int, ...]

    def __str__(self) -> str:
        return f"orderly restarts of {_names(self.machines)}, one after the other"


@dataclass(frozen=True, slots=True)
class Pause:
    """SIGSTOP, and SIGCONT when the fault is over."""

    machines: tuple[int, ...]

    def __str__(self) -> str:
        return f"SIGSTOP of {_names(self.machines)}"


@dataclass(frozen=True, slots=True)
class FillDisk:
    """The disk is full, or `nearly`: submissions must be refused, and votes go on."""

    machines: tuple[int, ...]
    nearly: bool

    def __str__(self) -> str:
        return f"disk of {_names(self.machines)} {'nearly ' if self.nearly else ''}full"


@dataclass(frozen=True, slots=True)
class SetClock:
    """The wall clock jumps by so much and runs at another speed; when the fault is over it jumps back."""

    machines: tuple[int, ...]
    ahead_ms: int
    rate: float

    def __str__(self) -> str:
        return f"clock of {_names(self.machines)} set by {self.ahead_ms / 1000:+} s, {self.rate} times as fast"


@dataclass(frozen=True, slots=True)
class Cut:
    """Connections are reset; with `refused`, new ones are as well until the fault is over."""

    ways: tuple[Pair, ...]
    refused: bool

    def __str__(self) -> str:
        return f"{'connections refused' if self.refused else 'connections reset once'}: {_arrows(self.ways)}"


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing arrives in these directions, and nobody is told."""

    ways: tuple[Pair, ...]

    def __str__(self) -> str:
        return f"silence: {_arrows(self.ways)}"


@dataclass(frozen=True, slots=True)
class Slow:
    """What is sent in these directions takes longer, and no more than so much gets through."""

    ways: tuple[Pair, ...]
    delay_ms: int
    bytes_per_second: int | None

    def __str__(self) -> str:
        rate = "" if self.bytes_per_second is None else f", {self.bytes_per_second} bytes/s"
        return f"{self.delay_ms} ms late{rate}: {_arrows(self.ways)}"


@dataclass(frozen=True, slots=True)
class Break:
    """Each direction is reset after so many further bytes, in the middle of a frame."""

    ways: tuple[Pair, ...]
    after_bytes: int

    def __str__(self) -> str:
        return f"broken off after {self.after_bytes} bytes: {_arrows(self.ways)}"


@dataclass(frozen=True, slots=True)
class Spoil:
    """One bit of what is sent next in these directions is flipped."""

    ways: tuple[Pair, ...]

    def __str__(self) -> str:
        return f"a bit flipped: {_arrows(self.ways)}"


MachineFault: TypeAlias = Kill | Roll | Pause | FillDisk | SetClock
LinkFault: TypeAlias = Cut | Silence | Slow | Break | Spoil
Fault: TypeAlias = MachineFault | LinkFault


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault that begins and ends so many seconds after the run has begun."""

    begin_s: float
    end_s: float
    fault: Fault

    def __str__(self) -> str:
        return f"{self.begin_s:6.1f} to {self.end_s:6.1f} s  {self.fault}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run draws before it starts."""

    seed: int
    machines: int
    quorum: Quorum
    seconds: float
    faults: tuple[Scheduled, ...]

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: {self.machines} validators, quorum {self.quorum.size(self.machines)}, {self.seconds} s"
        )
        return "\n".join((head, *(f"  {item}" for item in self.faults)))


def draw_plan(seed: int, seconds: float, machines: int = 5) -> Plan:
    """The plan of a run with `seconds` of faults."""
    dice = random.Random(seed)
    quorum = dice.choice((Quorum(QuorumRule.BFT), Quorum(QuorumRule.MAJORITY)))
    free_from = dict.fromkeys(range(machines), 0.0)
    links_free_from = 0.0
    faults: list[Scheduled] = []
    now, hand = 0.0, list[str]()
    while True:
        now += dice.uniform(0.5, 2.0)
        if not hand:
            hand = dice.sample(sorted(_KINDS), len(_KINDS))
        fault = _KINDS[hand.pop()](dice, machines)
        match fault:
            case Cut() | Silence() | Slow() | Break() | Spoil():
                begin = max(now, links_free_from)
            case _:
                begin = max(now, *(free_from[machine] for machine in fault.machines))
        end = begin + dice.uniform(1.0, 6.0)
        if end > seconds:
            break
        match fault:
            case Cut() | Silence() | Slow() | Break() | Spoil():
                links_free_from = end + 0.5
            case _:
                # What was restarted needs a moment until it is again what a fault can happen to.
                free_from.update(dict.fromkeys(fault.machines, end + 2.0))
        faults.append(Scheduled(round(begin, 1), round(end, 1), fault))
    faults.sort(key=lambda item: item.begin_s)
    return Plan(seed, machines, quorum, seconds, tuple(faults))


def _one(dice: random.Random, machines: int) -> tuple[int, ...]:
    return (dice.randrange(machines),)


def _some(dice: random.Random, machines: int) -> tuple[int, ...]:
    return tuple(sorted(dice.sample(range(machines), dice.choice((1, 1, 2, 2, 3)))))


def _all(machines: int) -> tuple[int, ...]:
    return tuple(range(machines))


def _any_ways(dice: random.Random, machines: int) -> tuple[Pair, ...]:
    """Some directions, or all."""
    ways = list(permutations(range(machines), 2))
    return tuple(sorted(dice.sample(ways, dice.choice((2, 6, len(ways))))))


def _partition(dice: random.Random, machines: int) -> tuple[Pair, ...]:
    """Both directions between some machines and the others."""
    here = set(dice.sample(range(machines), dice.choice((1, 2))))
    there = set(range(machines)) - here
    return tuple(sorted([*product(here, there), *product(there, here)]))


def _one_way(dice: random.Random, machines: int) -> tuple[Pair, ...]:
    """All that one machine sends, or all that it should hear."""
    (machine,) = _one(dice, machines)
    others = set(range(machines)) - {machine}
    return tuple(sorted(product({machine}, others) if dice.random() < 0.5 else product(others, {machine})))


def _bridge(dice: random.Random, machines: int) -> tuple[Pair, ...]:
    """Two groups that have one machine in common, which hears both."""
    order = dice.sample(range(machines), machines)
    here, there = order[1 : 1 + machines // 2], order[1 + machines // 2 :]
    return tuple(sorted([*product(here, there), *product(there, here)]))


_KINDS: Mapping[str, Callable[[random.Random, int], Fault]] = {
    "kill": lambda dice, n: Kill(_some(dice, n)),
    "kill all": lambda dice, n: Kill(_all(n)),
    "kill again": lambda dice, n: Kill(_one(dice, n), again_after_s=round(dice.uniform(0.3, 1.5), 1)),
    "roll": lambda dice, n: Roll(_all(n)),
    "pause": lambda dice, n: Pause(_some(dice, n)),
    "disk full": lambda dice, n: FillDisk(_one(dice, n), nearly=False),
    "disk nearly full": lambda dice, n: FillDisk(_some(dice, n), nearly=True),
    # Never of a quorum: the time of as many is the ledger's.
    "clock": lambda dice, n: SetClock(
        _one(dice, n), dice.choice((-3_600_000, -30_000, 9_000, 30_000, 3_600_000)), dice.choice((0.5, 1.0, 2.0))
    ),
    "reset": lambda dice, n: Cut(_any_ways(dice, n), refused=False),
    "refuse": lambda dice, n: Cut(_partition(dice, n), refused=True),
    "partition": lambda dice, n: Silence(_partition(dice, n)),
    "one way": lambda dice, n: Silence(_one_way(dice, n)),
    "bridge": lambda dice, n: Silence(_bridge(dice, n)),
    "delay": lambda dice, n: Slow(_any_ways(dice, n), dice.choice((50, 300, 1_500)), None),
    "narrow": lambda dice, n: Slow(_one_way(dice, n), 20, dice.choice((2_000, 20_000))),
    "break": lambda dice, n: Break(_any_ways(dice, n), dice.randrange(1, 3_000)),
    "spoil": lambda dice, n: Spoil(_any_ways(dice, n)),
}


def _names(machines: tuple[int, ...]) -> str:
    return ", ".join(f"v{machine}" for machine in machines)


def _arrows(ways: tuple[Pair, ...]) -> str:
    by_sender: dict[int, list[int]] = {}
    for sender, receiver in ways:
        by_sender.setdefault(sender, []).append(receiver)
    return " ".join(f"v{sender}>{''.join(map(str, receivers))}" for sender, receivers in by_sender.items())
