"""What is drawn before a run starts: who takes part, who is bad, and how bad everything is."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from tests.simulation.eras import Era, draw_eras, first_era, lively, tolerated
from tests.simulation.incidents import Incident, draw_damage, draw_incidents

QUORUMS = ((1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (5, 4), (7, 5))
"""The (n, q) that runs are drawn from."""

BYZANTINE_KINDS = (
    *("twin", "twin", "twin", "triplet", "liar", "liar", "liar", "framer"),
    *("silent", "withholding", "selective", "forgetful", "restored", "lying disk"),
)
BASE_TIMEOUT_MS = 200
TIMEOUT_MS_MAX = 1_200
RATE_PERMILLE_MIN, RATE_PERMILLE_MAX = 500, 2_000
"""How fast monotonic clocks run: at worst half as fast as they should, or twice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The draws of one run. Rates are probabilities per occasion; times are simulated milliseconds.

    `quiet` lets the liveness phase begin without any client: what was begun must be ended all the same.

    `byzantine` are (machine, kind); `damage` is done to the disks of honest machines, each once; `dead` are honest
    machines that are not there in the liveness phase, which `lively` says whether there is one: not when more
    validators are bad than the quorum can do without, in any era.

    `slow_machine` has slow links, `narrow_machine` such that carry `narrow_bytes_per_ms`; -1 is none.

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
    damage_rate: float
    narrow_machine: int
    narrow_bytes_per_ms: int
    incidents: tuple[Incident, ...]
    damage: tuple[Incident, ...]

    @property
    def damaged(self) -> tuple[int, ...]:
        """The honest machines whose disks are damaged."""
        return tuple(incident.machine for incident in self.damage)

    @property
    def bad(self) -> int:
        """How many machines the others cannot count on."""
        return len(self.byzantine) + len(self.dead) + len(self.damage)

    @property
    def candidates(self) -> int:
        """How many machines have keys that may come into the set: they are numbered after those of genesis."""
        return max(max(era.machines) for era in self.eras) + 1 - self.n

    def bearable(self) -> Plan:
        """The same without damage to machines that are bad or dead already, or that the others cannot do without."""
        gone = [machine for machine, _ in self.byzantine] + list(self.dead)
        damage = []
        for incident in self.damage if self.lively else ():
            if incident.machine not in gone and lively(self.eras, [*gone, incident.machine]):
                gone.append(incident.machine)
                damage.append(incident)
        return replace(self, damage=tuple(damage))

    def calm(self) -> Plan:
        """The same network, and nothing goes wrong in it by itself."""
        return replace(
            self,
            loss=0.0,
            tail_rate=0.0,
            duplicate_rate=0.0,
            damage_rate=0.0,
            slow_machine=-1,
            narrow_machine=-1,
            partition_every_ms=0,
            reset_rate=0.0,
            cut_rate=0.0,
            failure_rate=0.0,
            power_cuts=0,
            final_power_cut=False,
            pauses=0,
            clocks="right",
            step_ms=0,
            reconnect_ms=100,
            incidents=(),
            damage=(),
        )

    def lines(self) -> list[str]:
        """The plan for people."""
        plain = [field.name for field in fields(self) if field.name not in ("eras", "incidents", "damage")]
        return [
            *(f"{name:<20} {getattr(self, name)}" for name in plain),
            *(
                f"era {number:<16} {' '.join(f'v{validator}/{machine}' for validator, machine in era.seats)}, "
                f"quorum {era.quorum}, {era.delay} heights after its decision"
                for number, era in enumerate(self.eras)
            ),
            *(f"{'incident':<20} {incident}" for incident in self.incidents),
            *(f"{'damage':<20} {incident}" for incident in self.damage),
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
    spared = order[bad + dead :]
    damaged = spared[: rng.choice((0, 0, 0, n - q - bad - dead))] if lively else []
    safety_ms = rng.choice((800, 1_500, 2_500))
    return Plan(
        n=n,
        q=q,
        byzantine=tuple(sorted((index, rng.choice(BYZANTINE_KINDS)) for index in order[:bad])),
        dead=tuple(sorted(order[bad : bad + dead])),
        lively=lively,
        eras=(first_era(n, q),),
        followers=rng.choice((0, 0, 0, 1)),
        safety_ms=safety_ms,
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
        damage_rate=rng.choice((0.0, 0.0, 0.002)),
        narrow_machine=rng.choice((-1, -1, rng.randrange(n))),
        narrow_bytes_per_ms=rng.choice((5, 50)),
        incidents=draw_incidents(rng, range(n), safety_ms),
        damage=draw_damage(rng, damaged, safety_ms),
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
    damaged: list[int] = []
    for machine in rng.sample(range(keys), keys):
        if machine not in (*bad, *dead) and lively(eras, [*bad, *dead, *damaged, machine]) and rng.random() < 0.25:
            damaged.append(machine)
    return replace(
        plan,
        byzantine=tuple(sorted((machine, rng.choice(BYZANTINE_KINDS)) for machine in bad)),
        dead=tuple(sorted(dead)),
        lively=lively(eras, bad),
        incidents=draw_incidents(rng, range(keys), plan.safety_ms),
        damage=draw_damage(rng, damaged, plan.safety_ms),
    )
