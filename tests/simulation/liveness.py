"""The liveness phase: all is well again, but for those who are dead or lie. What is owed must be decided in time.

A height is owed when a live machine promised something at it, or somebody submitted a transaction. Each has its bound
(`bound`): from the moment at which all live machines were done with the height before, until all are done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from node.replica import Role
from node.storage.promises import newest_promised_height
from tests.simulation.bound import Bound, Pace
from tests.simulation.checkers.accusations import unreported
from tests.simulation.machine import Machine
from tests.simulation.violation import Violation
from tests.simulation.world import World

HEIGHTS_AFTER_HEALING = 2
_HEIGHTS_PER_CHANGE = 10  # ready, proposed, decided, and the heights until it is in force
_HEIGHTS_TO_SETTLE = 8  # until every transaction and accusation is in a block
_CLIENT_EVERY_MS = 300
_SETTLING_MS = 10_000  # until checkpoints are published, and links closed


class Liveness:
    """Heals a world and lets it go on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng: Random = world.rng
        self._plan = world.plan
        self._bound = Bound(world.plan)
        self._live: list[Machine] = []
        self._accused: set[tuple[str, int]] = set()
        self._target = 0
        self.slowest = Pace(0, 1)
        """The height that came closest to its bound."""

    def run(self) -> None:
        """Heal, and ask for heights one after the other. Raises `Violation`."""
        world, plan = self._world, self._plan
        self._heal()
        if plan.quiet:
            self._decide("without clients", max(_owed_height(machine) for machine in self._live))
        self._target = max(_height(machine) for machine in world.sound)
        self._ask_again()
        self._go_on("with all changes of the set", _HEIGHTS_PER_CHANGE * (len(plan.eras) - 1), self._all_changed)
        for _ in range(HEIGHTS_AFTER_HEALING):
            self._decide("with clients", self._target + 1)
        self._go_on("with all transactions", _HEIGHTS_TO_SETTLE + plan.bad, self._settled)
        if plan.clocks == "right":
            self._publish()
        if len(plan.eras) > 1:
            world.council.count()
            self._close_links()
        self._look_at_damaged()

    def _heal(self) -> None:
        world = self._world
        world.note(None, "phase", "liveness")
        world.faulty = False
        world.network.heal()
        world.link_all()
        for machine in world.machines:
            machine.recover()
            dead = machine.identity.number in self._plan.dead
            if dead and machine.replica is not None:
                world.cut(machine)
            elif not dead and machine.replica is None and machine.refused is None:
                machine.boot()
        gone = (*self._plan.dead, *self._plan.damaged)
        self._live = [machine for machine in world.honest if machine.identity.number not in gone]
        self._accused = unreported(self._live)

    # ---- one height after the other

    def _go_on(self, what: str, heights: int, done: Callable[[], bool]) -> None:
        """Ask for one height after the other until it is done, which must not take more than so many.

        Those that anybody has already do not count: what is wanted may have come after them.

        Leaders who lie leave out what others want, and as long as all others are demoted they lead every height.
        """
        if self._plan.byzantine:
            heights += self._world.genesis.parameters.demotion_heights
        for _ in range(heights):
            if done():
                return
            self._decide(what, max(self._target, *map(_height, self._live)) + 1)
        if not done():
            raise Violation("progress", f"{heights} heights are not enough {what}: {self._where()}")

    def _decide(self, what: str, height: int) -> None:
        """Let time pass until all are at this height, within its bound."""
        world, self._target = self._world, max(height, self._target)
        bound_ms = self._bound.height_ms(
            first_round=self._round(height), blocks_behind=height - min(map(_height, self._live))
        )
        started_ms = world.now_ms
        if self._await(f"at height {height} {what}", bound_ms, lambda: self._all_at(height)):
            self.slowest = max(self.slowest, Pace(world.now_ms - started_ms, bound_ms), key=lambda pace: pace.permille)

    def _await(self, what: str, bound_ms: int, done: Callable[[], bool]) -> bool:
        """Let time pass until it is done. Returns whether that took any. Raises `Violation` beyond the bound."""
        if done():
            return False
        self._world.run_until(self._world.now_ms + bound_ms, done)
        if not done():
            raise Violation("progress", f"after {bound_ms} ms not everybody is {what}: {self._where()}")
        return True

    def _round(self, height: int) -> int:
        """The highest round that anybody is in at this height, and the next: its certificate may be on its way."""
        engines = [machine.running._parts.deciding for machine in self._live if machine.replica is not None]
        rounds = [deciding.engine.round for deciding in engines if deciding.height == height]
        highest = max(rounds, default=0)
        return highest + (highest > 0)

    def _all_at(self, height: int) -> bool:
        return all(self._is_at(machine, height) for machine in self._live)

    def _is_at(self, machine: Machine, height: int) -> bool:
        """Whether a machine has got as far as it can: to `height`, or, removed and not pinned, to where links close."""
        last = self._world.last_seat(machine)
        return _height(machine) >= (height if last is None else min(height, last + 1))

    def _where(self) -> str:
        return str({machine.identity.name: _position(machine) for machine in self._live})

    # ---- what has to come about

    def _all_changed(self) -> bool:
        return len(self._plan.eras) == 1 or self._world.council.done

    def _settled(self) -> bool:
        return not self._missing() and self._accused.isdisjoint(unreported(self._live))

    def _missing(self) -> list[int]:
        """The client's transactions that not all live honest machines have committed."""
        following = [machine for machine in self._live if self._follows(machine)]
        return [
            number
            for number in range(self._world.submitted)
            if not all(self._world.has_committed(machine, number) for machine in following)
        ]

    def _follows(self, machine: Machine) -> bool:
        """Whether a machine can go on with the chain, if not as a validator then as one that is pinned."""
        return self._world.last_seat(machine) is None

    def _ask_again(self) -> None:
        """Clients repeat what they have no outcome for, each time to another machine that follows the chain, or submit
        something new."""
        world = self._world
        following = [machine for machine in self._live if self._follows(machine)]
        missing = self._missing()
        for number in missing:
            world.submit(self._rng.choice(following), number)
        if not missing and not self._all_at(self._target):
            world.submit(self._rng.choice(following), world.submitted)
        world.at(world.now_ms + _CLIENT_EVERY_MS, self._ask_again)

    def _publish(self) -> None:
        """Soon everybody serves a checkpoint of the height that is reached now, or later: clocks go forward here."""
        height = max(map(_height, self._live))
        following = [machine for machine in self._live if self._follows(machine)]
        self._await(
            f"with a checkpoint of height {height}",
            _SETTLING_MS,
            lambda: all(_published(machine) >= height for machine in following),
        )

    def _close_links(self) -> None:
        """Blocks go on: then nobody keeps a link to a removed validator that has heard of it, unless it is pinned."""
        world = self._world
        removed = [machine for machine in self._live if not self._follows(machine)]
        staying = [machine for machine in self._live if self._follows(machine)]

        def submit() -> None:
            world.submit(self._rng.choice(staying), world.submitted)
            world.at(world.now_ms + _CLIENT_EVERY_MS, submit)

        submit()
        self._await(
            "with links to removed validators closed",
            _SETTLING_MS,
            lambda: not any(world.linked(one, other) for one in removed for other in staying),
        )

    def _look_at_damaged(self) -> None:
        """Count what became of the machines whose disks were damaged."""
        for machine in self._world.honest:
            if not machine.damaged:
                continue
            if machine.replica is None:
                became = "starts no more" if machine.refused is not None else "is down"
            else:
                became = "observes" if machine.replica.status().role is Role.OBSERVING else "goes on"
            self._world.faults[f"damaged machine {became}"] += 1


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
