"""One simulated machine: a disk, clocks, power, and a production replica that runs while there is power.

The machine does what `node.runtime` does for a real node: it hands in what arrived, in order, in bounded steps, and
carries out actions in order. Subclasses (`byzantine`) change what a liar changes and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from ledger.consensus.inputs import Now, PeerId
from ledger.crypto import SigningKey
from ledger.limits import STEP_MESSAGES_MAX
from ledger.row_cache import RowCache
from node.membership import Membership
from node.replica import (
    Action,
    Answer,
    BlockAppended,
    Elapsed,
    Halted,
    Logged,
    PeerConnected,
    PeerDisconnected,
    PeerMisbehaved,
    Replica,
    ReplicaInput,
    SendTo,
    SendToAll,
    WakeAt,
)
from node.replica.outbox import Outbox
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError, StorageError, StorageFailedError
from node.storage.opening import open_chain
from node.wire import PeerMessage
from tests.simulation.clock import Clock
from tests.simulation.disk import Disk, GuardFile, Power, PowerCut
from tests.simulation.rebuilding import SetAside
from tests.simulation.violation import Violation, demand
from tests.unit.ledger.founders import Founder

if TYPE_CHECKING:
    from tests.simulation.world import World

_SEND_CUT_SHARE = 0.2  # there are more sends than writes
_REMEMBERED_BYTES = 3_000  # of state, seven rows or so: others are read again, as they are where a state is large
_STARTS_WITH_DAMAGE_MAX = 4  # then somebody gives it up


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a machine is: its index in the world, its name in the trace, whether it has a consensus key (or follows), its
    number in the plan (that of its keys: twins share it), all of its keys, and how other nodes know it. Whether the
    consensus key has a seat in the set depends on the height."""

    index: int
    name: str
    has_key: bool
    number: int
    founder: Founder
    peer: PeerId


class Watched(Outbox):
    """Shows the checkers every action at the very instant at which it is said, in the middle of the step."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def add(self, action: Action) -> None:
        """See `Outbox.add`."""
        self.machine.world.checkers.said(self.machine, action)
        super().add(action)


class Machine:
    """An honest one. `damaged` says that its disk does not have what it wrote; it is honest all the same."""

    honest = True
    disk_lies = False

    def __init__(self, world: World, identity: Identity, clock: Clock, image: dict[bytes, bytes]) -> None:
        self.world = world
        self.identity = identity
        self.clock = clock
        self.power = Power(world.rng, world.faults)
        self.disk = Disk(self.power, image, lies=self.disk_lies)
        self.guard = GuardFile(self.power, lies=self.disk_lies)
        self.damaged = False
        self.refused: str | None = None
        """Why it does not start any more."""
        self.step_ms = world.plan.step_ms
        self.sync_ms = 0
        self.replica: Replica | None = None
        self.membership: Membership | None = None
        self.boots = 0
        self.paused_until_ms = 0
        self._busy_until_ms = 0
        self._inbox: list[ReplicaInput] = []
        self._stepping = False
        self._unsaid: list[tuple[Action, ...]] = []
        self._wake_at_ms = -1
        self._halts = 0
        self._set_aside = SetAside()

    # ---- what a liar may change

    @property
    def consensus_key(self) -> SigningKey | None:
        """The key with which the replica votes."""
        return self.identity.founder.consensus_key if self.identity.has_key else None

    @property
    def cosigning_key(self) -> SigningKey | None:
        """The key with which the replica cosigns checkpoints."""
        return self.identity.founder.cosigning_key if self.identity.has_key else None

    def prepare_disk(self) -> None:
        """Before a boot."""

    def dress(self, replica: Replica) -> None:
        """After a boot: watch what is said."""
        watched = Watched(self)
        for action in replica._parts.out.take():
            watched.add(action)
        replica._parts.out = watched

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """Those of `receivers` that are sent this message."""
        return receivers

    def after_step(self) -> None:
        """After each step."""

    # ---- power

    @property
    def running(self) -> Replica:
        """The replica, which runs."""
        assert self.replica is not None
        return self.replica

    @property
    def now(self) -> Now:
        """Its clocks."""
        return self.clock.now(self.world.now_ms)

    @property
    def durable_height(self) -> int:
        """The height of its chain, as a power cut would leave it now; 0 where there is no chain (any more)."""
        row = self.disk.durable(keys.TIP)
        return 0 if row is None else keys.unpack_height(row)

    def durable_chain(self) -> ChainStore:
        """Its chain, as a power cut would leave it now."""
        return open_chain(Disk(self.power, self.disk.image()))

    def boot(self) -> None:
        """Start a replica on what is on the disk."""
        assert self.replica is None
        self.boots += 1
        self.prepare_disk()
        self.clock.boot(self.world.now_ms, self.world.rng.randrange(10_000))
        try:
            chain = open_chain(self.disk)
            chain.state._cache = RowCache(_REMEMBERED_BYTES)
            replica = Replica(
                chain=chain,
                guard=self.guard,
                consensus_key=self.consensus_key,
                node_key=self.identity.founder.node_key,
                cosigning_key=self.cosigning_key,
                verify=self.world.memory.verify,
                now=self.now,
                archive=self._set_aside.archive,
            )
            self.dress(replica)
            self.replica = replica
            self.membership = Membership(replica._parts.chain, self.world.pins)
            self.world.booted(self)
            self._step([Elapsed()])
        except (PowerCut, StorageFailedError):
            self.world.cut(self)
        except StorageError as error:
            if not (isinstance(error, DamagedError) and self._make_anew()):
                self._refuse(str(error))

    def _make_anew(self) -> bool:
        """Begin another database instead of the damaged one, if that can be done."""
        if not self.damaged:
            return False
        self.world.cut(self)
        image = self._set_aside.make_anew(self.disk.image(), self.world.genesis)
        if image is None:
            return False
        self.world.note(self, "anew", "its database is damaged")
        self.world.faults["damaged database made anew"] += 1
        self.replace_disk(image)
        return True

    def _refuse(self, reason: str) -> None:
        """It does not start, and says why: somebody has to look at its disk."""
        if self.honest and not self.damaged:
            raise Violation("reputation", f"{self.identity.name} does not start: {reason}")
        self.world.note(self, "refuse", reason)
        self.refused = reason
        self.world.cut(self)

    def die(self) -> None:
        """The power is gone: what was not synced is lost, in part or in all."""
        self.replica = self.membership = None
        self._inbox.clear()
        self._unsaid.clear()
        self._wake_at_ms = -1
        unsynced = self.disk.unsynced_writes
        survive = self.world.rng.randint(0, unsynced)
        if survive < unsynced:
            self.world.faults["unsynced writes lost"] += 1
        self.replace_disk(self.disk.crash(unsynced_survive=survive))
        self.guard = GuardFile(self.power, self.guard.crash(), lies=self.disk_lies)

    def replace_disk(self, image: dict[bytes, bytes]) -> None:
        """While it is down: this is on its disk."""
        assert self.replica is None
        self.disk = Disk(self.power, image, lies=self.disk_lies)

    def make_room(self) -> None:
        """The disk is not full any more."""
        self.power.is_full = False

    def recover_speed(self) -> None:
        """Processor and disk are as fast as ever."""
        self.step_ms, self.sync_ms = self.world.plan.step_ms, 0

    def recover(self) -> None:
        """From here on nothing goes wrong with this machine any more."""
        self.power.cut_rate = self.power.failure_rate = 0.0
        self.power.points_left = None
        self.paused_until_ms = self._busy_until_ms = 0
        self.make_room()
        self.recover_speed()
        self._say_all(self.boots)
        if self.replica is not None and self.disk.is_broken:
            self.world.cut(self)
        self._stepping = False  # when it would have gone on does not matter any more
        if self.replica is not None:
            self.hand_in(Elapsed())

    # ---- steps

    def hand_in(self, given: ReplicaInput) -> None:
        """Something for the replica, which is told as soon as the machine does not pause."""
        self._inbox.append(given)
        if not self._stepping:
            self._stepping = True
            self.world.at(
                max(self.world.now_ms, self.paused_until_ms, self._busy_until_ms), self._empty_inbox, self.boots
            )

    def step_now(self, *inputs: ReplicaInput) -> None:
        """A step with these inputs alone, at once, unless the one before is still busy with its disk."""
        if self._unsaid:
            for given in inputs:
                self.hand_in(given)
            return
        try:
            self._step(list(inputs))
        except PowerCut:
            self.world.cut(self)

    def _empty_inbox(self, boot: int) -> None:
        self._stepping = False
        if self.replica is None or boot != self.boots:
            if self.replica is not None and self._inbox:
                self.hand_in(self._inbox.pop())
            return
        if self.paused_until_ms > self.world.now_ms or self._unsaid:
            self.hand_in(self._inbox.pop())
            return
        inputs, self._inbox = self._inbox[:STEP_MESSAGES_MAX], self._inbox[STEP_MESSAGES_MAX:]
        if inputs:
            self._busy_until_ms = max(self._busy_until_ms, self.world.now_ms + self.step_ms)
            self.step_now(*inputs)
        if self._inbox and not self._stepping:
            self.hand_in(self._inbox.pop())

    def _step(self, inputs: list[ReplicaInput]) -> None:
        replica, syncs = self.running, self.disk.syncs
        try:
            backlog = bool(self._inbox)
            actions = replica.step(inputs, self.now, backlog=backlog)
            self.world.checkers.took(self, inputs, backlog, actions)
        except (PowerCut, Violation, AssertionError):
            raise
        except Exception as error:
            raise Violation("step", f"{self.identity.name} raises {error!r}") from error
        if self.sync_ms and self.disk.syncs > syncs:
            self.world.faults["slow sync"] += 1
            self._unsaid.append(actions)
            self._busy_until_ms = self.world.now_ms + self.sync_ms * (self.disk.syncs - syncs)
            self.world.at(self._busy_until_ms, self._say_all, self.boots)
        else:
            self._carry_out_all(actions)

    def _say_all(self, boot: int) -> None:
        """The disk is done: what waited for it leaves."""
        if boot != self.boots or self.replica is None:
            return
        waiting, self._unsaid = self._unsaid, []
        try:
            for actions in waiting:
                self._carry_out_all(actions)
        except PowerCut:
            self.world.cut(self)

    def _carry_out_all(self, actions: tuple[Action, ...]) -> None:
        replica = self.replica
        for action in actions:
            if self.replica is not replica:
                return
            self._carry_out(action)
        if self.replica is not None and self.replica is replica:
            self.world.checkers.stepped(self)
            self.after_step()

    def _carry_out(self, action: Action) -> None:
        world = self.world
        match action:
            case SendTo() | SendToAll():
                self._send(action)
            case WakeAt(monotonic_ms):
                self._wake_later(monotonic_ms)
            case Answer(ticket, outcomes):
                world.note(self, "answer", f"ticket {ticket}: {[type(outcome).__name__ for outcome in outcomes]}")
            case BlockAppended(height, block_hash, transaction_ids):
                world.note(self, "append", f"{height} {block_hash.hex()[:8]} ({len(transaction_ids)} transactions)")
                self._follow()
            case PeerMisbehaved(peer, reason):
                world.note(self, "blame", f"{world.name_of(peer)}: {reason}")
                world.punish(self, peer)
            case Logged(event, fields):
                world.note(self, "log", f"{event} {dict(fields)}")
            case Halted(reason, rebuild):
                world.note(self, "halt", reason)
                if not (rebuild and self._make_anew()):
                    self._halt(reason)
            case _:
                assert_never(action)

    def _halt(self, reason: str) -> None:
        """The node ended by itself and is started again, unless its disk is damaged and that did not help."""
        injected = self.damaged or not self.honest or "(injected)" in reason
        demand(injected, "reputation", f"{self.identity.name} ends by itself: {reason}")
        self._halts += 1
        if self.damaged and self._halts > _STARTS_WITH_DAMAGE_MAX:
            self._refuse(reason)
        else:
            self.world.cut(self)

    def lists(self, other: Machine, *, as_validator: bool = False) -> bool:
        """Whether this machine, which runs, wants a link to the other, or to one that is a validator."""
        assert self.membership is not None
        member = self.membership.members.get(other.identity.founder.node_key.public_key)
        return member is not None and (member.is_validator or not as_validator)

    def _follow(self) -> None:
        """A block was appended: others may have to be linked."""
        assert self.membership is not None
        if not self.running.takes_from_archive:
            self._set_aside.remove()
        try:
            if self.membership.follow(self.running.claimed_height):
                self.world.relist(self)
        except StorageError as error:
            self._halt(str(error))

    def _send(self, action: SendTo | SendToAll) -> None:
        if isinstance(action, SendTo):
            receivers = self.world.machines_of(action.peer)
        else:
            receivers = self.world.others(self, validators_only=action.validators_only)
        receivers = self.receivers(action.message, receivers)
        power = self.power
        if power.cut_rate and self.world.rng.random() < power.cut_rate * _SEND_CUT_SHARE:
            reached = self.world.rng.randint(0, len(receivers))
            self.world.send(self, receivers[:reached], action.message)
            power.cut("power cut between sends")
        self.world.send(self, receivers, action.message)

    def _wake_later(self, monotonic_ms: int) -> None:
        at_ms = max(self.clock.world_ms(monotonic_ms), self.world.now_ms)
        if at_ms != self._wake_at_ms:
            self._wake_at_ms = at_ms
            self.world.at(at_ms, self._wake, at_ms, self.boots)

    def _wake(self, at_ms: int, boot: int) -> None:
        if boot == self.boots and at_ms == self._wake_at_ms and self.replica is not None:
            self._wake_at_ms = -1
            self.hand_in(Elapsed())

    def connect(self, peer: PeerId) -> None:
        """A link is up."""
        if self.replica is not None:
            self.hand_in(PeerConnected(peer))

    def disconnect(self, peer: PeerId) -> None:
        """A link is down."""
        if self.replica is not None:
            self.hand_in(PeerDisconnected(peer))
