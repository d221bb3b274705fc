"""One run: a seed in, a report or a `Violation` out."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.model.recording import recorded
from tests.simulation.bound import Pace
from tests.simulation.checkers.forks import Fork
from tests.simulation.liveness import Liveness
from tests.simulation.plan import Plan, draw, draw_changes
from tests.simulation.remembering import shared
from tests.simulation.trace import Trace
from tests.simulation.violation import Violation
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. `recovery_ms` is simulated time from healing to the end, 0 where it was not asked for;
    `slowest` is the height after healing that came closest to its bound; `accusations` is how much evidence the ledger
    has in the end; `forks` are not empty only beyond the bound; `faults` is what went wrong, by kind."""

    plan: Plan
    height: int
    events: int
    simulated_ms: int
    recovery_ms: int
    cuts: int
    accusations: int
    slowest: Pace
    forks: tuple[Fork, ...]
    faults: Mapping[str, int]
    digest: str


def run(
    seed: int,
    *,
    n: int | None = None,
    q: int | None = None,
    changes: bool = False,
    show: Callable[[str], None] | None = None,
    show_plan: Callable[[Plan], None] | None = None,
    watch: Callable[[World], None] | None = None,
    adjust: Callable[[Plan], Plan] | None = None,
) -> Report:
    """Run one seed; with `changes` the validator set changes while it runs. `adjust` may change what was drawn, for a
    test that is after something in particular; `watch` is given the world before anything happens in it.

    Raises `Violation`; an assertion of production code is one too.
    """
    rng = random.Random(seed)
    plan = draw(rng, n=n, q=q)
    if changes:
        plan = draw_changes(rng, plan)
    if adjust is not None:
        plan = adjust(plan).bearable()
    if show_plan is not None:
        show_plan(plan)
    world = World(rng, plan, Trace(show))
    if watch is not None:
        watch(world)
    with shared(world.memory), recorded(world.checkers.recorder):
        try:
            return _Run(world).run()
        except AssertionError as error:
            raise Violation("assertion", str(error) or _place(error)) from error


def _place(error: AssertionError) -> str:
    """Where an assertion without a text stands."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}: {last.line}"


class _Run:
    """The two phases of a run in a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._plan = world.plan

    def run(self) -> Report:
        world, plan = self._world, self._plan
        world.note(None, "phase", "safety")
        self._schedule_faults()
        for machine in world.machines:
            machine.power.cut_rate = plan.cut_rate
            machine.power.failure_rate = plan.failure_rate
            world.at(0, machine.boot)
        world.run_until(plan.safety_ms)
        if plan.final_power_cut:
            self._cut_all()
        liveness, healed_ms = Liveness(world), world.now_ms
        if plan.lively:
            liveness.run()
        recovery_ms = world.now_ms - healed_ms
        height = world.checkers.finish()
        return Report(
            plan=plan,
            height=height,
            events=world.trace.events,
            simulated_ms=world.now_ms,
            recovery_ms=recovery_ms,
            cuts=sum(machine.power.cuts for machine in world.machines),
            accusations=len(world.checkers.accusations.recorded),
            slowest=liveness.slowest,
            forks=tuple(world.checkers.forks),
            faults={kind: count for kind, count in sorted(world.faults.items()) if count},
            digest=world.trace.hexdigest(),
        )

    # ---- safety: everything goes wrong

    def _schedule_faults(self) -> None:
        world, plan, rng = self._world, self._plan, self._rng
        if len(plan.eras) > 1:
            world.at(rng.randrange(plan.safety_ms // 4), world.council.meet)
        for number in range(plan.transactions):
            world.at(rng.randrange(plan.safety_ms), self._submit_anywhere, number)
        if plan.partition_every_ms:
            for at_ms in range(0, plan.safety_ms, plan.partition_every_ms):
                world.at(at_ms, self._split)
        for _ in range(plan.power_cuts):
            world.at(rng.randrange(plan.safety_ms), self._cut_all)
        for _ in range(plan.pauses):
            world.at(rng.randrange(plan.safety_ms), self._pause)
        for _ in range(4 if plan.clocks == "jumping" else 0):
            world.at(rng.randrange(plan.safety_ms), self._jump)
        if plan.reset_rate:
            for _ in range(max(1, int(plan.safety_ms * plan.reset_rate))):
                world.at(rng.randrange(plan.safety_ms), self._reset_link)

    def _submit_anywhere(self, number: int) -> None:
        self._world.submit(self._rng.choice(self._world.machines), number)

    def _split(self) -> None:
        if self._world.faulty:
            self._world.note(None, "split", self._world.network.split())

    def _cut_all(self) -> None:
        self._world.note(None, "power", "goes out everywhere")
        self._world.faults["power cut everywhere"] += 1
        for machine in self._world.machines:
            if machine.replica is not None:
                self._world.cut(machine)

    def _pause(self) -> None:
        machine = self._rng.choice(self._world.machines)
        machine.paused_until_ms = self._world.now_ms + self._rng.choice((50, 400, 1_500))
        self._world.faults["pause"] += 1
        self._world.note(machine, "pause", f"until {machine.paused_until_ms}")

    def _jump(self) -> None:
        machine = self._rng.choice(self._world.machines)
        self._world.faults["clock jump"] += 1
        machine.clock.offset_ms += self._rng.choice((-3_600_000, -9_000, 9_000, 15_000, 3_600_000))
        self._world.note(machine, "clock", f"is off by {machine.clock.offset_ms} ms")

    def _reset_link(self) -> None:
        if len(self._world.machines) > 1:
            one, other = self._rng.sample(self._world.machines, 2)
            if one.identity.peer != other.identity.peer:
                self._world.part(one, other.identity.peer, self._rng.choice((1, 100)))
