"""One run: a seed in, a report or a `Violation` out."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from node.storage.promises import newest_promised_height
from tests.model.recording import recorded
from tests.simulation.checkers.accusations import unreported
from tests.simulation.checkers.forks import Fork
from tests.simulation.machine import Machine
from tests.simulation.plan import TIMEOUT_MS_MAX, Plan, draw, draw_changes
from tests.simulation.remembering import shared
from tests.simulation.trace import Trace
from tests.simulation.violation import Violation
from tests.simulation.world import World

HEIGHTS_AFTER_HEALING = 2
_HEIGHTS_PER_CHANGE = 8  # ready, proposed, decided, and the heights until it is in force
_CLIENT_EVERY_MS = 300
_BAD_ROUND_MS = TIMEOUT_MS_MAX * 5 // 4 + 100  # the slowest clock, and the way of the votes
_SETTLING_MS = 4_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. `recovery_ms` is simulated time from healing to the end, 0 where it was not asked for;
    `accusations` is how much evidence the ledger has in the end; `forks` are not empty only beyond the bound."""

    plan: Plan
    height: int
    events: int
    simulated_ms: int
    recovery_ms: int
    cuts: int
    accusations: int
    forks: tuple[Fork, ...]
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
        plan = adjust(plan)
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
        self._accused: set[tuple[str, int]] = set()

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
        recovery_ms = self._recover() if plan.lively else 0
        height = world.checkers.finish()
        return Report(
            plan=plan,
            height=height,
            events=world.trace.events,
            simulated_ms=world.now_ms,
            recovery_ms=recovery_ms,
            cuts=sum(machine.power.cuts for machine in world.machines),
            accusations=len(world.checkers.accusations.recorded),
            forks=tuple(world.checkers.forks),
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
        for machine in self._world.machines:
            if machine.replica is not None:
                self._world.cut(machine)

    def _pause(self) -> None:
        machine = self._rng.choice(self._world.machines)
        machine.paused_until_ms = self._world.now_ms + self._rng.choice((50, 400, 1_500))
        self._world.note(machine, "pause", f"until {machine.paused_until_ms}")

    def _jump(self) -> None:
        machine = self._rng.choice(self._world.machines)
        machine.clock.offset_ms += self._rng.choice((-3_600_000, -9_000, 9_000, 15_000, 3_600_000))
        self._world.note(machine, "clock", f"is off by {machine.clock.offset_ms} ms")

    def _reset_link(self) -> None:
        if len(self._world.machines) > 1:
            one, other = self._rng.sample(self._world.machines, 2)
            if one.identity.peer != other.identity.peer:
                self._world.part(one, other.identity.peer, self._rng.choice((1, 100)))

    # ---- liveness: everything is well again, but for those who are dead or lie

    def _recover(self) -> int:
        world, plan = self._world, self._plan
        world.note(None, "phase", "liveness")
        world.faulty = False
        world.network.heal()
        world.link_all()
        for machine in world.machines:
            machine.power.cut_rate = machine.power.failure_rate = 0.0
            machine.paused_until_ms = 0
            dead = machine.identity.number in plan.dead
            if dead and machine.replica is not None:
                world.cut(machine)
            elif not dead and machine.replica is None:
                machine.boot()
        live = [machine for machine in world.honest if machine.identity.number not in plan.dead]
        self._accused = unreported(live)
        started_ms = world.now_ms
        if plan.quiet:
            owed = max(_owed_height(machine) for machine in live)
            self._await("without clients", live, owed, lambda: all(self._is_at(machine, owed) for machine in live))
        if len(plan.eras) > 1:
            heights = _HEIGHTS_PER_CHANGE * (len(plan.eras) - 1)
            self._await("with all changes of the set", live, 0, lambda: world.council.done, heights=heights)
        target = max(_height(machine) for machine in world.honest) + HEIGHTS_AFTER_HEALING
        self._ask_again(live, target)
        self._await("with all transactions", live, target, lambda: self._recovered(live, target))
        recovery_ms = world.now_ms - started_ms
        if plan.clocks == "right":
            self._publish(live)
        if len(plan.eras) > 1:
            self._close_links(live)
        return recovery_ms

    def _is_at(self, machine: Machine, height: int) -> bool:
        """Whether a machine has got as far as it can: to `height`, or, removed and not pinned, to where links close."""
        last = self._world.last_seat(machine)
        return _height(machine) >= (height if last is None else min(height, last + 1))

    def _publish(self, live: list[Machine]) -> None:
        """Soon everybody serves a checkpoint of the height that is reached now, or later: clocks go forward here."""
        height = max(map(_height, live))
        following = [machine for machine in live if self._follows(machine)]

        def covered() -> bool:
            return all(_published(machine) >= height for machine in following)

        self._await("with a checkpoint of it", live, height, covered)

    def _close_links(self, live: list[Machine]) -> None:
        """Blocks go on: then nobody keeps a link to a removed validator that has heard of it, unless it is pinned."""
        world = self._world
        removed = [machine for machine in live if world.last_seat(machine) is not None]
        staying = [machine for machine in live if world.last_seat(machine) is None]

        def submit() -> None:
            world.submit(self._rng.choice(staying), world.submitted)
            world.at(world.now_ms + _CLIENT_EVERY_MS, submit)

        def closed() -> bool:
            return not any(world.linked(one, other) for one in removed for other in staying)

        submit()
        self._await("with links to removed validators closed", live, 0, closed)

    def _await(
        self,
        what: str,
        live: list[Machine],
        height: int,
        done: Callable[[], bool],
        *,
        heights: int = HEIGHTS_AFTER_HEALING,
    ) -> None:
        """Let time pass until it is done, within the bound: at each of so many heights, one bad leader after the other,
        and a good one."""
        world, plan = self._world, self._plan
        bad = len(plan.byzantine) + len(plan.dead)
        bound_ms = _SETTLING_MS + heights * (bad + 2) * _BAD_ROUND_MS
        world.run_until(world.now_ms + bound_ms, done)
        if not done():
            where = {machine.identity.name: _position(machine) for machine in live}
            raise Violation("progress", f"after {bound_ms} ms not everybody is at height {height} {what}: {where}")

    def _recovered(self, live: list[Machine], target: int) -> bool:
        if not all(self._is_at(machine, target) for machine in live):
            return False
        return not self._missing(live) and self._accused.isdisjoint(unreported(live))

    def _missing(self, live: list[Machine]) -> list[int]:
        """The client's transactions that not all live honest machines have committed."""
        return [
            number
            for number in range(self._world.submitted)
            if not all(self._world.has_committed(machine, number) for machine in live if self._follows(machine))
        ]

    def _follows(self, machine: Machine) -> bool:
        """Whether a machine can go on with the chain, if not as a validator then as one that is pinned."""
        return self._world.last_seat(machine) is None

    def _ask_again(self, live: list[Machine], target: int) -> None:
        """Clients repeat what they have no outcome for, each time to another machine, or submit something new."""
        world = self._world
        missing = self._missing(live)
        for number in missing:
            world.submit(self._rng.choice(live), number)
        if not missing and not all(self._is_at(machine, target) for machine in live):
            world.submit(self._rng.choice(live), world.submitted)
        world.at(world.now_ms + _CLIENT_EVERY_MS, self._ask_again, live, target)


def _height(machine: Machine) -> int:
    return machine.world.checkers.agreement.announced.get(machine.identity.index, 0)


def _published(machine: Machine) -> int:
    """The height of the checkpoint that a machine serves."""
    published = machine.running.checkpoint()
    return 0 if published is None else published.height


def _owed_height(machine: Machine) -> int:
    """The height that must be decided because this machine has it, or voted at it (amendment A4c)."""
    if not machine.identity.has_key:
        return machine.durable_height
    return max(machine.durable_height, newest_promised_height(machine.disk) or 0)


def _position(machine: Machine) -> str:
    if machine.replica is None:
        return "down"
    status = machine.running.status()
    return f"deciding {status.deciding} in round {status.round}: {status.explanation}"
