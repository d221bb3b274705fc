"""Networks that stand still on purpose: nothing goes wrong in them but what a test asks for, so what is to be found is
known exactly.

A `Stall` starts a drawn network, lets it append some blocks, and is then given a fault that its quorum cannot bear; or
one that it can, for findings that explain no stall. Clients submit to everybody all along.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

from ledger.consensus.messages import ConsensusMessage
from ledger.governance.activation import UnknownRules
from node.doctor import Severity, itself
from node.replica import Replica, ReplicaInput, blocks, deciding, driving, syncing
from node.storage.guard import MemoryGuard
from node.wire import Consensus, FetchRecords, PeerMessage
from tests.simulation.byzantine import KINDS
from tests.simulation.checkers.explanations import findings_of
from tests.simulation.disk import GuardFile
from tests.simulation.eras import Era, first_era
from tests.simulation.hindering import Dividing, Hindering, KeepingBody, KeepingContent, Unproposing
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.plan import BASE_TIMEOUT_MS, Plan, draw
from tests.simulation.trace import Trace
from tests.simulation.world import World

LONG_MS = 5_000
"""Longer than the patience of any round, at the timeouts of the simulation."""

TICK_MS = BASE_TIMEOUT_MS // 2
_DELAY_MS = 3
_WARM_UP_MS = 600
_SUBMIT_EVERY_MS = 400
_JOINING_HEIGHTS = 24  # about half of them pass before a test begins


class Links(Network):
    """A network on which every frame takes equally long; some links carry nothing, and none a frame that is larger than
    `frame_bytes_max`, if there is one (as behind a router that drops large packets and does not say so). Of honest
    machines it loses the messages of consensus that are of the kinds in `lost`."""

    def __init__(self, rng: random.Random, plan: Plan, machines: int) -> None:
        super().__init__(rng, plan, machines, Counter())
        self.delay_ms = _DELAY_MS
        self.closed: set[tuple[int, int]] = set()
        self.frame_bytes_max: int | None = None
        self.lost: tuple[type[ConsensusMessage], ...] = ()

    def fate(self, sender: int, receiver: int, size: int, now_ms: int) -> list[int]:
        """See `Network.fate`."""
        is_too_large = self.frame_bytes_max is not None and size > self.frame_bytes_max
        return [] if is_too_large or (sender, receiver) in self.closed else [self.delay_ms]


class Unheard(Machine):
    """An honest one, of whose messages the network loses what it loses."""

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Machine.receivers`."""
        links = self.world.network
        if isinstance(links, Links) and links.lost and isinstance(message, Consensus):
            return [] if isinstance(self.world.memory.decode(message.payload), links.lost) else receivers
        return receivers


class Damaged(Machine):
    """Its disk will not have what it wrote, so that it has reason to say what no sound machine ever says."""

    honest = False

    def dress(self, replica: Replica) -> None:
        """No checker watches."""


class Divergent(Damaged):
    """Its software, from some moment on, judges blocks by other rules than everybody else's. `requests` counts how
    often it asked for certified blocks."""

    diverges = False
    requests = 0

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Machine.receivers`."""
        self.requests += isinstance(message, FetchRecords)
        return receivers

    def _step(self, inputs: list[ReplicaInput]) -> None:
        with ExitStack() as rules:
            for module in (syncing, blocks, driving) if self.diverges else ():
                rules.enter_context(patch.object(module, "check_block", _find_fault))
            super()._step(inputs)


class Outdated(Damaged):
    """Its software does not know the rules that are in force from some height on."""

    rules: UnknownRules | None = None

    def _step(self, inputs: list[ReplicaInput]) -> None:
        with self.as_it_knows():
            super()._step(inputs)

    def as_it_knows(self) -> ExitStack:
        """As long as this is entered, its software is asked."""
        stack = ExitStack()
        for module in (deciding, itself):
            stack.enter_context(patch.object(module, "unknown_rules", lambda *_: self.rules))
        return stack


def _find_fault(*_: object) -> str:
    return "its state root is not that of the state"


_KINDS: dict[str | None, type[Machine]] = {
    None: Unheard,
    "damaged": Damaged,
    "divergent": Divergent,
    "outdated": Outdated,
    "dividing": Dividing,
    "unproposing": Unproposing,
    "keeping content": KeepingContent,
    "keeping a body": KeepingBody,
}


class Stall:
    """One network, drawn from a seed. `faulty` are the machines that the drawn fault is to hit: more than the quorum
    can do without, and not all, if there are others. With `joining`, a quorum, it is decided that one more comes into
    the set, which has that quorum then; the one that joins is the one that is faulty."""

    def __init__(
        self,
        seed: int,
        n: int,
        q: int,
        *,
        bad: int | None = None,
        byzantine: str | None = None,
        joining: int | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        eras = (first_era(n, q),)
        drawn = n - q + 1 if bad is None else bad
        self.faulty_numbers = tuple(sorted(self.rng.sample(range(n), drawn)))
        if joining is not None:
            eras = (*eras, Era((*eras[0].seats, (n, n)), joining, _JOINING_HEIGHTS))
            self.faulty_numbers = (n,)
        kinds = () if byzantine is None else tuple((number, byzantine) for number in self.faulty_numbers)
        plan = _quiet(self.rng, n, q, byzantine=kinds, dead=self.faulty_numbers, eras=eras)
        with patch.dict(KINDS, _KINDS):
            self.world = World(self.rng, plan, Trace(None))
        self.world.network = self.links = Links(self.rng, self.world.plan, len(self.world.machines))
        self.world.faulty = byzantine is not None
        self.world.checkers.explanations.heals = False
        self.submits = True

    @property
    def faulty(self) -> list[Machine]:
        """The machines that the fault hits."""
        return [machine for machine in self.world.machines if machine.identity.number in self.faulty_numbers]

    @property
    def others(self) -> list[Machine]:
        """All others."""
        return [machine for machine in self.world.machines if machine.identity.number not in self.faulty_numbers]

    @property
    def height(self) -> int:
        """The highest block that anybody has."""
        return max(machine.durable_height for machine in self.world.machines)

    def start(self) -> None:
        """Boot everybody, and let some blocks be appended."""
        for machine in self.world.machines:
            self.world.at(0, machine.boot)
        self.world.at(1, self._submit)
        if len(self.world.plan.eras) > 1:
            self.world.at(1, self.world.council.meet)
        self.run(_WARM_UP_MS + self.rng.randrange(200))

    def run(self, for_ms: int) -> None:
        """Let time pass."""
        self.world.run_until(self.world.now_ms + for_ms)

    def stall(self) -> None:
        """Let so much time pass that everybody has noticed, and make sure that nothing is appended in it any more."""
        self.run(1_000)
        height = self.height
        self.run(LONG_MS)
        assert self.height == height, "the fault was too small: the chain goes on"

    def reaches(self, height: int) -> bool:
        """Whether everybody that runs gets to `height` before long."""

        def done() -> bool:
            running = [machine for machine in self.world.machines if machine.replica is not None]
            return all(machine.durable_height >= height for machine in running)

        self.world.run_until(self.world.now_ms + 2 * LONG_MS, done)
        self.run(500)  # everybody has said so, too
        return done()

    # ---- faults

    def power_off(self, machines: Iterable[Machine]) -> None:
        """They stop, and stay so."""
        for machine in machines:
            self.world.cut(machine)

    def power_on(self, machines: Iterable[Machine]) -> None:
        """They start again."""
        for machine in machines:
            machine.boot()

    def close(self, senders: Iterable[Machine], receivers: Iterable[Machine]) -> None:
        """Nothing gets from the ones to the others any more, though all links stay up."""
        to = [machine.identity.index for machine in receivers]
        self.links.closed |= {(sender.identity.index, index) for sender in senders for index in to}

    def freeze(self, machines: Iterable[Machine], for_ms: int) -> None:
        """Their processes stand still for so long."""
        for machine in machines:
            machine.paused_until_ms = self.world.now_ms + for_ms

    @property
    def hindering(self) -> list[Hindering]:
        """Those that are faulty, if that is their fault."""
        return [machine for machine in self.faulty if isinstance(machine, Hindering)]

    def hinder(self) -> Hindering:
        """They hinder, from the height on that one of them leads, which is returned."""

        def leaders() -> list[Hindering]:
            return [machine for machine in self.hindering if machine.hindered is not None]

        for machine in self.hindering:
            machine.hinders = True
        self.world.run_until(self.world.now_ms + LONG_MS, lambda: bool(leaders()))
        (leader,) = leaders()
        return leader

    def relent(self) -> None:
        """They do their part again."""
        for machine in self.hindering:
            machine.hinders = False

    def flood(self, transactions: int) -> None:
        """Clients submit so many transactions at once, each to everybody that runs."""
        for _ in range(transactions):
            number = self.world.submitted
            for machine in self.world.machines:
                self.world.submit(machine, number)

    def lose_vote_state(self, machines: Iterable[Machine]) -> None:
        """Their guard files are gone, and they start again."""
        for machine in machines:
            machine.die()
            for other in self.world.machines:
                if self.world.linked(machine, other):
                    self.world.part(machine, other.identity.peer, 1)
            slots = bytearray(MemoryGuard().image())
            slots[:] = bytes(len(slots))
            machine.guard = GuardFile(machine.power, bytes(slots))
            machine.boot()

    # ---- what is found

    def faults(self, machine: Machine) -> set[tuple[str, frozenset[str]]]:
        """What a running machine finds that is no mere notice: codes, and the validators that are named."""
        return {
            (str(finding.code), frozenset(finding.validators))
            for finding in findings_of(machine.running, machine)
            if finding.severity is not Severity.NOTICE
        }

    def _submit(self) -> None:
        if self.submits:
            number = self.world.submitted
            for machine in self.world.machines:
                if machine.paused_until_ms <= self.world.now_ms:
                    self.world.submit(machine, number)
            self.world.at(self.world.now_ms + _SUBMIT_EVERY_MS, self._submit)


def names(machines: Iterable[Machine]) -> frozenset[str]:
    """The names of validators."""
    return frozenset(f"v{machine.identity.number}" for machine in machines)


def _quiet(
    rng: random.Random,
    n: int,
    q: int,
    *,
    byzantine: tuple[tuple[int, str], ...],
    dead: tuple[int, ...],
    eras: tuple[Era, ...],
) -> Plan:
    """A plan in which nothing goes wrong by itself; who is cut off stays so if it is to be dead."""
    drawn = draw(rng, n=n, q=q).calm()
    heartbeat_ms = rng.choice((300, 60_000))
    return replace(drawn, byzantine=byzantine, dead=dead, eras=eras, followers=0, heartbeat_ms=heartbeat_ms)
