"""The world of one run: everything that happens, in the order of simulated time, drawn from one random source."""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar, NamedTuple

from ledger.consensus.inputs import PeerId
from ledger.errors import MalformedError
from ledger.genesis import Genesis
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.transaction import Transaction
from ledger.validators import Quorum, QuorumRule
from node.config import PinnedPeer
from node.replica import PeerMessageReceived, Submitted
from node.storage import keys
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain
from node.wire import Consensus, PeerMessage, decode, encode
from tests.simulation import workload
from tests.simulation.byzantine import KINDS
from tests.simulation.checkers import Checkers
from tests.simulation.clock import HOUR_MS, Clock
from tests.simulation.council import Council
from tests.simulation.incidents import strike
from tests.simulation.machine import Identity, Machine
from tests.simulation.network import Network
from tests.simulation.plan import (
    BASE_TIMEOUT_MS,
    RATE_PERMILLE_MAX,
    RATE_PERMILLE_MIN,
    TIMEOUT_MS_MAX,
    Plan,
)
from tests.simulation.remembering import Memory
from tests.simulation.sets import Sets
from tests.simulation.trace import Trace
from tests.simulation.violation import Violation
from tests.unit.ledger.founders import founder, genesis_of, operators

_EVENTS_PER_SECOND_MAX = 300  # of a machine with each machine: five times what the busiest drawn run has
_DOWN_MS = (1, 40, 300, 900)
_COPIES = {"twin": 2, "triplet": 3}
_SENT_MAX = 256
_HEIGHTS_TO_JUDGE = 4  # of blocks that a busy machine appends before it takes in what has arrived


class _Way(NamedTuple):
    """From where to where a frame is on its way: to the process that the receiver is running, over one connection."""

    sender: Machine
    receiver: Machine
    boot: int
    connection: int


class World:
    """All machines, what is between them, and what happens next."""

    kinds: ClassVar[Mapping[str | None, type[Machine]]] = KINDS
    """What honest machines (None) and those of each lie are made of."""

    def __init__(self, rng: random.Random, plan: Plan, trace: Trace) -> None:
        self.rng = rng
        self.plan = plan
        self.trace = trace
        self.now_ms = 0
        self.memory = Memory()
        self.faults: Counter[str] = Counter()
        """What went wrong so far, by kind."""
        self.sent: deque[tuple[Machine, bytes]] = deque(maxlen=_SENT_MAX)
        """The newest frames, with their senders."""
        self._not_its_own: dict[tuple[int, PeerId], tuple[int, int]] = {}
        """(index, peer): the machine got something from this peer that the peer did not send, or not now: in which of
        its boots, and the height up to which it may be judged."""
        self.genesis, self.genesis_hash, image = _founding(plan.n, plan.q, plan.candidates, plan.heartbeat_ms)
        self.sets = Sets(self.genesis.validators)
        count = plan.n + plan.candidates + plan.followers
        self.pins = tuple(PinnedPeer(None, founder(index).node_key.public_key) for index in range(plan.n, count))
        """Every machine pins all that are not in genesis."""
        self._events: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._sequence = 0
        self._tickets = 0
        self._second, self._events_in_second = 0, 0
        self._parted: set[tuple[int, int]] = set()
        self._up: set[tuple[int, int]] = set()
        self._connections: Counter[tuple[int, int]] = Counter()
        self._by_peer: dict[PeerId, list[Machine]] = {}
        self.faulty = True
        self.submitted = 0
        self.machines: list[Machine] = []
        self._settle_machines(image)
        self.network = Network(rng, plan, len(self.machines), self.faults)
        self.checkers = Checkers(self, image)
        self.council = Council(self)
        for incident in plan.incidents + plan.damage:
            self.at(incident.at_ms, strike, self, incident)

    def _settle_machines(self, image: dict[bytes, bytes]) -> None:
        plan, kinds = self.plan, dict(self.plan.byzantine)
        names = [f"v{index}" for index in range(plan.n)]
        names += [f"c{index}" for index in range(plan.candidates)]
        keys = len(names)
        names += [f"f{index}" for index in range(plan.followers)]
        for index, name in enumerate(names):
            kind = kinds.get(index)
            for copy in range(_COPIES.get(kind or "", 1)):
                identity = Identity(
                    len(self.machines), name + "'" * copy, index < keys, index, founder(index), _peer(index)
                )
                offset_ms = 0 if plan.clocks == "right" else self.rng.randint(-HOUR_MS, HOUR_MS)
                rate = 1000 if plan.clocks == "right" else self.rng.randint(RATE_PERMILLE_MIN, RATE_PERMILLE_MAX)
                clock = Clock(epoch_ms=self.genesis.time_ms, offset_ms=offset_ms, rate_permille=rate)
                machine = self.kinds[kind](self, identity, clock, image)
                self.machines.append(machine)
                self._by_peer.setdefault(identity.peer, []).append(machine)

    # ---- time

    def at(self, time_ms: int, happens: Callable[..., None], *arguments: object) -> None:
        """Let something happen at a time that is not over."""
        self._sequence += 1
        heapq.heappush(self._events, (time_ms, self._sequence, happens, arguments))

    def run_until(self, end_ms: int, done: Callable[[], bool] | None = None) -> None:
        """Let everything happen that is due before `end_ms`, or until it is done (asked whenever time has moved)."""
        while self._events and self._events[0][0] <= end_ms:
            if self._events[0][0] > self.now_ms and done is not None and done():
                return
            self.now_ms, _, happens, arguments = heapq.heappop(self._events)
            self._count_event()
            happens(*arguments)
        self.now_ms = max(self.now_ms, end_ms)

    def _count_event(self) -> None:
        """So much does not happen in a second: machines keep each other busy, or one always wants to be woken at once,
        and then time stands still."""
        second = self.now_ms // 1_000
        if second != self._second:
            self._second, self._events_in_second = second, 0
        self._events_in_second += 1
        if self._events_in_second > _EVENTS_PER_SECOND_MAX * (len(self.machines) + 1) ** 2:
            raise Violation("pace", f"{self._events_in_second} events in second {second}, and there is no end to them")

    def note(self, machine: Machine | None, kind: str, note: str = "") -> None:
        """An event for the trace."""
        name, position = self._place(machine)
        self.trace.event(self.now_ms, name, kind, position, note)

    def _place(self, machine: Machine | None) -> tuple[str, str]:
        position = "-"
        if machine is not None and machine.replica is not None:
            deciding = machine.replica._parts.deciding
            position = f"{deciding.height}/{deciding.engine.round}"
        return "world" if machine is None else machine.identity.name, position

    def _show_frame(self, machine: Machine, kind: str, message: PeerMessage, others: list[Machine]) -> None:
        """A line about a frame, if somebody reads it; the frame itself is in the digest when it arrives."""
        if self.trace.wanted:
            name, position = self._place(machine)
            names = " ".join(other.identity.name for other in others)
            self.trace.line(self.now_ms, name, kind, position, f"{names}: {_describe(self, message)}")

    # ---- machines

    def honest_names_at(self, height: int) -> set[str]:
        """The names under which honest machines have a seat in the set of `height`."""
        names = {validator.consensus_key: validator.name for validator in self.sets.at(height).validators}
        keys = [machine.identity.founder.consensus_key.public_key for machine in self.honest]
        return {names[key] for key in keys if key in names}

    @property
    def honest(self) -> list[Machine]:
        """Those that never lie, whether or not they run."""
        return [machine for machine in self.machines if machine.honest]

    @property
    def sound(self) -> list[Machine]:
        """The honest ones whose disks have what they wrote."""
        return [machine for machine in self.machines if machine.honest and not machine.damaged]

    def numbered(self, number: int) -> list[Machine]:
        """The machines with this number in the plan: those that share its keys."""
        return [machine for machine in self.machines if machine.identity.number == number]

    def last_seat(self, machine: Machine) -> int | None:
        """The last height that a machine signs which was removed and is not pinned by others; None for all others."""
        if machine.identity.number >= self.plan.n or self.sets.seat(machine, self.sets.newest_height) is not None:
            return None
        return self.sets.last_seat(machine)

    def machines_of(self, peer: PeerId) -> list[Machine]:
        """All machines that have this node key."""
        return self._by_peer.get(peer, [])

    def name_of(self, peer: PeerId) -> str:
        """A peer, for people."""
        return "/".join(machine.identity.name for machine in self.machines_of(peer)) or "nobody"

    def others(self, machine: Machine, *, validators_only: bool) -> list[Machine]:
        """Everybody that this machine, which runs, wants a link to, and that it sends to."""
        return [
            other
            for other in self.machines
            if other.identity.peer != machine.identity.peer and machine.lists(other, as_validator=validators_only)
        ]

    def booted(self, machine: Machine) -> None:
        """A machine is up: links are made."""
        self.note(machine, "boot", f"number {machine.boots}")
        self.checkers.booted(machine)
        self.relist(machine)

    def cut(self, machine: Machine) -> None:
        """Cut the power of a machine; it comes back later."""
        self.note(machine, "cut")
        was_running = machine.replica is not None
        machine.die()
        if was_running:
            for other in self.machines:
                if self.linked(machine, other):
                    self._up.discard(_pair(machine, other))
                    self._tell_disconnected(other, machine)
        down_ms = self.rng.choice(_DOWN_MS) if self.faulty else 1
        self.at(self.now_ms + down_ms, self._power_on, machine)

    def _power_on(self, machine: Machine) -> None:
        is_dead = not self.faulty and machine.identity.number in self.plan.dead
        if machine.replica is None and machine.refused is None and not is_dead:
            machine.boot()

    # ---- links

    def linked(self, one: Machine, other: Machine) -> bool:
        """Whether there is a link between two machines."""
        return _pair(one, other) in self._up

    def relist(self, machine: Machine) -> None:
        """A running machine lists others now: links are made where both list each other, and closed elsewhere."""
        for other in self.machines:
            if other.replica is None or other.identity.peer == machine.identity.peer:
                continue
            pair = _pair(machine, other)
            wanted = machine.lists(other) and other.lists(machine) and pair not in self._parted
            if wanted and pair not in self._up:
                self._up.add(pair)
                machine.connect(other.identity.peer)
                other.connect(machine.identity.peer)
            elif pair in self._up and not wanted:
                self._up.discard(pair)
                self._tell_disconnected(machine, other)
                self._tell_disconnected(other, machine)

    def part(self, machine: Machine, peer: PeerId, again_after_ms: int) -> None:
        """Close the link to a peer, and let both wait before the next."""
        for other in self.machines_of(peer):
            pair = _pair(machine, other)
            if pair not in self._parted:
                self._parted.add(pair)
                self._up.discard(pair)
                self._connections[pair] += 1  # what is on its way is lost, in the middle of a frame
                self.faults["connection reset"] += 1
                self._tell_disconnected(machine, other)
                self._tell_disconnected(other, machine)
                self.at(self.now_ms + again_after_ms, self._link_again, machine, other)

    def punish(self, machine: Machine, peer: PeerId) -> None:
        """Close the link to a peer that is blamed, and let both wait.

        Once all is well, an honest one that is blamed still (`excused`), for a frame that was damaged before and is
        judged only now, may come back at once: the bound is about a network whose faults are over.
        """
        over = not self.faulty and all(other.honest for other in self.machines_of(peer))
        self.part(machine, peer, 1 if over else self.plan.reconnect_ms)

    def _tell_disconnected(self, machine: Machine, gone: Machine) -> None:
        peer = gone.identity.peer
        if not any(self.linked(machine, other) for other in self.machines_of(peer)):
            machine.disconnect(peer)

    def link_all(self) -> None:
        """All links are made now."""
        for first, second in sorted(self._parted):
            self._link_again(self.machines[first], self.machines[second])

    def _link_again(self, one: Machine, other: Machine) -> None:
        pair = _pair(one, other)
        if pair not in self._parted:
            return
        self._parted.discard(pair)
        if one.replica is not None and other.replica is not None:
            self.relist(one)

    def send(self, sender: Machine, receivers: list[Machine], message: PeerMessage) -> None:
        """Put a message on the network, once per receiver."""
        if not receivers:
            return
        frame = encode(message)
        self._show_frame(sender, "send", message, receivers)
        self.sent.append((sender, frame))
        arriving: PeerMessage | None = None
        for receiver in receivers:
            way = self._way(sender, receiver)
            for delay_ms in self._fate(way, frame):
                if self.network.damages():
                    damaged = self.network.damaged(frame)
                    self.at(self.now_ms + delay_ms, self._arrive_as_bytes, way, damaged, "frame damaged on its way")
                else:
                    arriving = decode(frame) if arriving is None else arriving
                    self.at(self.now_ms + delay_ms, self._arrive, way, frame, arriving)

    def send_bytes(self, sender: Machine, receivers: list[Machine], frame: bytes, kind: str) -> None:
        """Put bytes of a liar's making on the network, in place of a frame."""
        for receiver in receivers:
            way = self._way(sender, receiver)
            for delay_ms in self._fate(way, frame):
                self.at(self.now_ms + delay_ms, self._arrive_as_bytes, way, frame, kind)

    def deliver_to_all(self, sender: Machine, frame: bytes, kind: str) -> None:
        """Let a frame arrive from `sender` at all others, now, though it did not send it, or not now."""
        for receiver in self.machines:
            if self.linked(sender, receiver):
                self.at(self.now_ms, self._arrive_as_bytes, self._way(sender, receiver), frame, kind)

    def _way(self, sender: Machine, receiver: Machine) -> _Way:
        return _Way(sender, receiver, receiver.boots, self._connections[_pair(sender, receiver)])

    def _fate(self, way: _Way, frame: bytes) -> list[int]:
        if not self.linked(way.sender, way.receiver):
            return []
        sender, receiver = way.sender.identity.index, way.receiver.identity.index
        return self.network.fate(sender, receiver, len(frame), self.now_ms)

    def _is_open(self, way: _Way) -> bool:
        """Whether what was sent on this way can still arrive: over the same connection, by the same process."""
        receiver = way.receiver
        if receiver.replica is None or receiver.boots != way.boot:
            return False
        return self._connections[_pair(way.sender, receiver)] == way.connection

    def _arrive_as_bytes(self, way: _Way, frame: bytes, kind: str) -> None:
        """Bytes that may be no frame arrive: then the link closes, as in `node.net`."""
        if not self._is_open(way) or (way.sender.honest and not self.faulty):
            return
        self.faults[kind] += 1
        peer = way.sender.identity.peer
        try:
            message = decode(frame)
        except MalformedError:
            self.part(way.receiver, peer, self.plan.reconnect_ms)
        else:
            self._excuse(way.receiver, peer, message)
            self._arrive(way, frame, message)

    def _excuse(self, machine: Machine, peer: PeerId, message: PeerMessage) -> None:
        """The machine may blame this peer for the message, until it must have judged it: what is of a later height
        waits for that, and all else for its turn."""
        height = max(machine.durable_height, getattr(message, "height", 0)) + _HEIGHTS_TO_JUDGE
        place = machine.identity.index, peer
        self._not_its_own[place] = max((machine.boots, height), self._not_its_own.get(place, (0, 0)))

    def excused(self, machine: Machine, peer: PeerId) -> bool:
        """Whether the machine may blame an honest peer, for what that did not send, or not now."""
        boots, height = self._not_its_own.get((machine.identity.index, peer), (0, 0))
        return boots == machine.boots and machine.durable_height <= height

    def _arrive(self, way: _Way, frame: bytes, message: PeerMessage) -> None:
        if self._is_open(way):
            self.trace.frame(self.now_ms, way.receiver.identity.index, frame)
            self._show_frame(way.receiver, "hear", message, [way.sender])
            way.receiver.hand_in(PeerMessageReceived(way.sender.identity.peer, message))

    # ---- clients

    def submit(self, machine: Machine, number: int) -> None:
        """Submit the client's transaction `number` to a machine, if it is up."""
        self.submitted = max(self.submitted, number + 1)
        self.submit_transaction(machine, workload.transaction(self.genesis, number))

    def submit_transaction(self, machine: Machine, made: Transaction) -> None:
        """Submit a transaction to a machine, if it is up."""
        if machine.replica is not None:
            self._tickets += 1
            self.note(machine, "submit", f"{made.id.hex()[:8]} of {made.body.sender}, ticket {self._tickets}")
            machine.step_now(Submitted(self._tickets, (made.envelope,)))

    def has_committed(self, machine: Machine, number: int) -> bool:
        """Whether the client's transaction `number` is in a block that is durable on this machine."""
        made = workload.transaction(self.genesis, number)
        return machine.disk.durable(keys.transaction(made.id)) is not None


@cache
def _peer(index: int) -> PeerId:
    return PeerId(founder(index).node_key.public_key.hex())


def _pair(one: Machine, other: Machine) -> tuple[int, int]:
    first, second = one.identity.index, other.identity.index
    return (first, second) if first < second else (second, first)


def _describe(world: World, message: PeerMessage) -> str:
    if not isinstance(message, Consensus):
        return str(message)[:100]
    try:
        said = world.memory.decode(message.payload)
    except MalformedError as error:
        return f"a malformed message: {error}"
    return f"{type(said).__name__} {getattr(said, 'statement', said)}"[:160]


@cache
def _founding(n: int, q: int, candidates: int, heartbeat_ms: int) -> tuple[Genesis, Digest, dict[bytes, bytes]]:
    """Genesis, its block hash, and the disk of a machine on which it was written."""
    parameters = Parameters(
        base_timeout_ms=BASE_TIMEOUT_MS, timeout_ms_max=TIMEOUT_MS_MAX, heartbeat_ms=heartbeat_ms, demotion_heights=20
    )
    quorum = Quorum(QuorumRule.FIXED, q)
    further = operators(range(n, n + candidates))
    genesis = genesis_of(n, quorum=quorum, parameters=parameters, further_accounts=further)
    store = MemoryStore()
    chain = create_chain(store, genesis)
    return genesis, chain.tip.block_hash, store.image()
