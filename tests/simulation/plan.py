"""What is drawn before a run starts: who takes part, who is bad, and how bad everything is."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from tests.simulation.eras import Era, draw_eras, first_era, lively, tolerated

QUORUMS = ((1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (5, 4), (7, 5))
"""The (n, q) that runs are drawn from."""

BYZANTINE_KINDS = ("twin", "twin", "liar", "liar", "framer", "silent", "withholding", "forgetful")
BASE_TIMEOUT_MS = 200
TIMEOUT_MS_MAX = 1_200
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The draws of one run. Rates are probabilities per occasion; times are simulated milliseconds.

    `quiet` lets the liveness phase begin without any client: what was begun must be ended all the same.

    `byzantine` are (machine, kind); `dead` are honest machines that are not there in the liveness phase, which `lively`
    says whether there is one: not when more validators are bad than the quorum can do without, in any era.

    `eras` are the validator sets that the run goes through, from the n validators of genesis on.
    """

    n: int
    q: int
    byzantine: tuple[tuple[int, str], ...]
    dead: tuple[int, ...]
    lively: bool
    eras: tuple[Era, ...]
    followers: int
    safety_ms: int
    heartbeat_ms: int
    transactions: int
    loss: float
    delay_ms: int
    tail_rate: float
    duplicate_rate: float
    slow_machine: int
    partition_every_ms: int
    reset_rate: float
    cut_rate: float
    failure_rate: float
    power_cuts: int
    final_power_cut: bool
    pauses: int
    clocks: str
    step_ms: int
    reconnect_ms: int
    lie_rate: float
    quiet: bool

    @property
    def candidates(self) -> int:
        """How many machines have keys that may come into the set: they are numbered after those of genesis."""
        return max(max(era.machines) for era in self.eras) + 1 - self.n

    def lines(self) -> list[str]:
        """The plan for people."""
        return [f"{field.name:<20} {getattr(self, field.name)}" for field in fields(self) if field.name != "eras"] + [
            f"era {number:<16} {' '.join(f'v{validator}/{machine}' for validator, machine in era.seats)}, "
            f"quorum {era.quorum}, {era.delay} heights after its decision"
            for number, era in enumerate(self.eras)
        ]


def draw(rng: random.Random, *, n: int | None = None, q: int | None = None) -> Plan:
    """Draw a plan; `n` and `q`, given together, are kept."""
    drawn = rng.choice(QUORUMS)
    if n is None or q is None:
        n, q = drawn
    tolerated = min(2 * q - n - 1, n - 1)
    bad = rng.randint(0, max(tolerated, 0))
    if bad > n - q and rng.random() < 0.7:
        bad = n - q
    order = rng.sample(range(n), n)
    lively = bad <= n - q
    dead = rng.randint(0, n - q - bad) if lively else 0
    return Plan(
        n=n,
        q=q,
        byzantine=tuple(sorted((index, rng.choice(BYZANTINE_KINDS)) for index in order[:bad])),
        dead=tuple(sorted(order[bad : bad + dead])),
        lively=lively,
        eras=(first_era(n, q),),
        followers=rng.choice((0, 0, 0, 1)),
        safety_ms=rng.choice((800, 1_500, 2_500)),
        heartbeat_ms=rng.choice((300, 60_000)),
        transactions=rng.choice((1, 4, 10)),
        loss=rng.choice((0.0, 0.02, 0.1, 0.4)),
        delay_ms=rng.choice((2, 10, 40)),
        tail_rate=rng.choice((0.0, 0.02)),
        duplicate_rate=rng.choice((0.0, 0.05)),
        slow_machine=rng.choice((-1, -1, rng.randrange(n))),
        partition_every_ms=rng.choice((0, 150, 500)),
        reset_rate=rng.choice((0.0, 0.001)),
        cut_rate=rng.choice((0.0, 0.002, 0.01, 0.03)),
        failure_rate=rng.choice((0.0, 0.0, 0.005)),
        power_cuts=rng.choice((0, 0, 1, 2)),
        final_power_cut=rng.random() < 0.25,
        pauses=rng.choice((0, 0, 2)),
        clocks=rng.choice(("right", "off", "jumping")),
        step_ms=rng.choice((0, 2, 8)),
        reconnect_ms=rng.choice((100, 1_000, 10_000)),
        lie_rate=rng.choice((0.02, 0.1, 0.3)),
        quiet=rng.random() < 0.3,
    )


def draw_changes(rng: random.Random, plan: Plan) -> Plan:
    """The plan with changes of the validator set, and with those bad and dead that every one of its sets can bear."""
    eras = draw_eras(rng, first_era(plan.n, plan.q))
    # So much goes wrong otherwise that hardly anything is decided before the network heals.
    plan = replace(plan, eras=eras, safety_ms=3 * plan.safety_ms, loss=min(plan.loss, 0.1))
    bad: list[int] = []
    keys = plan.n + plan.candidates
    for machine in rng.sample(range(keys), keys):
        if tolerated(eras, [*bad, machine]) and rng.random() < 0.5:
            bad.append(machine)
    if not lively(eras, bad) and rng.random() < 0.7:
        bad = []
    dead: list[int] = []
    for machine in rng.sample(range(keys), keys):
        if machine not in bad and lively(eras, [*bad, *dead, machine]) and rng.random() < 0.5:
            dead.append(machine)
    return replace(
        plan,
        byzantine=tuple(sorted((machine, rng.choice(BYZANTINE_KINDS)) for machine in bad)),
        dead=tuple(sorted(dead)),
        lively=lively(eras, bad),
    )
