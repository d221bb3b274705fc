"""What is drawn before a run starts: who takes part, who is bad, and how bad everything is."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

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

    `byzantine` are (validator, kind); `dead` are honest validators that are not there in the liveness phase, which
    `lively` says whether there is one: not when more validators are bad than the quorum can do without.
    """

    n: int
    q: int
    byzantine: tuple[tuple[int, str], ...]
    dead: tuple[int, ...]
    lively: bool
    candidates: int
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

    def lines(self) -> list[str]:
        """The plan for people."""
        return [f"{field.name:<20} {getattr(self, field.name)}" for field in fields(self)]


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
        candidates=0,
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
