"""A history, told once to its end and recorded, or told with one cut: then the machine comes back, and the network is
to append two further blocks everywhere within the bound, with every transaction, and an audit at the end."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from ledger.consensus.messages import TimeoutCertificate
from node.wire import Consensus, PeerMessage
from tests.crash_points.histories import HEIGHT, History
from tests.crash_points.machine import RecordedMachine, Witness
from tests.crash_points.operations import Instant, Restart
from tests.model.recording import recorded
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.plan import BASE_TIMEOUT_MS, Plan, draw
from tests.simulation.remembering import Memory, shared
from tests.simulation.trace import Trace
from tests.simulation.violation import Violation, demand
from tests.simulation.world import World

START_MS = 2_000
"""When the height of the history begins: so long after the first block that there are cosignatures again."""

_HEIGHT_MS_MAX = 4_000  # for what is not measured: the heights before and without a cut
_DELAY_MS = 5
_CLIENT_EVERY_MS = 50
_HEIGHTS_AFTER = 2

TIMEOUTS_MS = (BASE_TIMEOUT_MS, BASE_TIMEOUT_MS * 3 // 2, BASE_TIMEOUT_MS * 9 // 4)
"""Of the rounds 0, 1 and 2 of a height."""

BOUND_MS = (
    sum(TIMEOUTS_MS)
    + sum(TIMEOUTS_MS[:1]) * _HEIGHTS_AFTER
    + (1 + _HEIGHTS_AFTER) * (10 * _DELAY_MS + _CLIENT_EVERY_MS)
)
"""Until two further heights are appended everywhere, from when all machines are back. At the height of the cut a round
fails because the history says so, one may fail because its leader was away, and the one after has a timer that was
running; at each further height one leader may be away. Each height has its way: ten delays and a client's patience."""

_MEMORY = Memory()
"""All runs sign the same things."""


class _Calm(Network):
    """Every frame arrives, as it was sent, and takes another time on every link, so that nothing is by chance."""

    def fate(self, sender: int, receiver: int, size: int, now_ms: int) -> list[int]:
        """See `Network.fate`."""
        return [_DELAY_MS - (sender + 2 * receiver) % 3]


class CrashWorld(World):
    """A world in which nothing is drawn: a history, and at most one cut."""

    kinds: ClassVar[Mapping[str | None, type[Machine]]] = {None: RecordedMachine}

    def __init__(
        self,
        n: int,
        q: int,
        history: History,
        *,
        instant: Instant | None = None,
        witness: Witness | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(random.Random(0), _plan(n, q), Trace(show))
        self.memory = _MEMORY
        self.network = _Calm(self.rng, self.plan, n, self.faults)
        self.faulty = False
        self.frames = 0
        self.down: Machine | None = None
        self._history = history
        for machine in self.recorded:
            machine.witness = witness
            machine.cut_at = instant if instant is not None and instant.machine == machine.identity.index else None

    @property
    def recorded(self) -> list[RecordedMachine]:
        """All machines."""
        return [machine for machine in self.machines if isinstance(machine, RecordedMachine)]

    def send(self, sender: Machine, receivers: list[Machine], message: PeerMessage) -> None:
        """See `World.send`."""
        self.frames += 1
        super().send(sender, [other for other in receivers if not self._loses(message, other)], message)

    def _loses(self, message: PeerMessage, receiver: Machine) -> bool:
        if not isinstance(message, Consensus):
            return False
        said = self.memory.decode(message.payload)
        return not isinstance(said, TimeoutCertificate) and self._history.loses_frame(
            said.statement, receiver.identity.index
        )

    def _power_on(self, machine: Machine) -> None:
        """The driver decides when."""
        assert self.down is None, "one cut"
        self.down = machine

    # ---- what the driver does

    def tell(self) -> None:
        """The whole history, up to the height after it, or to the cut."""
        self._begin()
        self.wait("the history", _HEIGHT_MS_MAX, HEIGHT, clients=False)
        if self.down is None:
            self.wait("the history", _HEIGHT_MS_MAX, HEIGHT + 1, clients=True)

    def _begin(self) -> None:
        """Start all machines, append the first block, and ask for the one whose first round fails."""
        for machine in self.machines:
            self.at(0, machine.boot)
        self.at(1, self.submit, self.machines[0], 0)
        self.run_until(START_MS)
        demand(self.all_at(HEIGHT - 1), "history", "the first height is not decided")
        self.at(START_MS, self.submit, self.machines[0], 1)

    def height_of(self, machine: Machine) -> int:
        """The newest height that it announced."""
        return self.checkers.agreement.announced.get(machine.identity.index, 0)

    def all_at(self, height: int) -> bool:
        """Whether all machines that run are there."""
        return all(self.height_of(machine) >= height for machine in self.machines if machine.replica is not None)

    def wait(self, what: str, bound_ms: int, height: int, *, clients: bool) -> int:
        """Let time pass until all that run are at a height, with every transaction, or until the cut. Returns how long
        it took."""
        started_ms, cut = self.now_ms, self.down
        waiting = [clients]

        def ask() -> None:
            if waiting[0]:
                self._ask_again(height)
                self.at(self.now_ms + _CLIENT_EVERY_MS, ask)

        def done() -> bool:
            return self.down is not cut or (self.all_at(height) and not self._missing())

        ask()
        self.run_until(started_ms + bound_ms, done)
        waiting[0] = False
        if not done():
            places = {machine.identity.name: self.height_of(machine) for machine in self.machines}
            raise Violation("progress", f"{what}: after {bound_ms} ms not everybody is at height {height}: {places}")
        return self.now_ms - started_ms

    def _missing(self) -> list[int]:
        running = [machine for machine in self.machines if machine.replica is not None]
        return [
            number
            for number in range(self.submitted)
            if not all(self.has_committed(machine, number) for machine in running)
        ]

    def _ask_again(self, height: int) -> None:
        """Clients repeat what they miss, to a machine that runs, or submit something new while blocks are owed."""
        running = [machine for machine in self.machines if machine.replica is not None]
        missing = self._missing()
        for number in missing or ([] if self.all_at(height) else [self.submitted]):
            self.submit(running[number % len(running)], number)


def record(n: int, q: int, history: History, witness: Witness) -> None:
    """Tell a history to the end, without a cut."""
    world = CrashWorld(n, q, history, witness=witness)
    with shared(world.memory), recorded(world.checkers.recorder):
        world.tell()


def run(
    n: int,
    q: int,
    history: History,
    instant: Instant,
    restart: Restart,
    *,
    show: Callable[[str], None] | None = None,
) -> int:
    """Tell a history with a cut. Returns how long the network took from when all machines were back; `show` is given
    the trace.

    Raises `Violation`; an assertion of production code is one too.
    """
    world = CrashWorld(n, q, history, instant=instant, show=show)
    with shared(world.memory), recorded(world.checkers.recorder):
        try:
            return _run(world, history, instant, restart)
        except AssertionError as error:
            raise Violation("assertion", f"{history.name}; {instant}; back {restart.value}: {error}") from error


def _run(world: CrashWorld, history: History, instant: Instant, restart: Restart) -> int:
    what = f"{history.name}; {instant}; back {restart.value}"
    world.tell()
    demand(world.down is not None, "history", f"{what}: that instant never comes")
    assert world.down is not None
    if restart is Restart.LATER:
        world.wait(f"{what}, without it", BOUND_MS, HEIGHT + 1, clients=True)
    world.down.boot()
    took_ms = world.wait(what, BOUND_MS, HEIGHT + _HEIGHTS_AFTER, clients=True)
    for machine in world.machines:
        demand(machine.running._parts.silence is None, "standing", f"{what}: {machine.identity.name} no longer votes")
    world.checkers.finish()
    return took_ms


def _plan(n: int, q: int) -> Plan:
    """Nothing goes wrong by itself."""
    return replace(
        draw(random.Random(0), n=n, q=q),
        byzantine=(),
        dead=(),
        incidents=(),
        damage=(),
        followers=0,
        transactions=0,
        clocks="right",
        step_ms=0,
        heartbeat_ms=60_000,
        damage_rate=0.0,
    )
