"""A few replicas in one process, with a network, clocks and disks that do what the test says. No randomness.

Every frame takes one millisecond and is encoded and decoded on the way. Every node's store and guard are in memory,
and forget what was not synced when its power is cut. At each send, at that very instant, the harness looks at what a
power cut would leave, and demands that everything the message promises is there. [safety]
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count

from ledger.consensus.codec import (
    decode_commit_record,
    decode_message,
    decode_prepare_certificate,
    decode_timeout_certificate,
)
from ledger.consensus.evidence import find_evidence
from ledger.consensus.inputs import Now, PeerId
from ledger.consensus.messages import (
    CommitVote,
    ConsensusMessage,
    PrepareVote,
    Proposal,
    SignedMessage,
    SignedStatement,
    TimeoutCertificate,
)
from ledger.crypto import verify
from ledger.genesis import Genesis
from ledger.limits import PROOF_HEIGHTS_DEFAULT
from ledger.operations.kinds import Operation
from ledger.operations.streams import StreamCreate
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.rows.accounts import Account
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.validators import Quorum, ValidatorSet
from node.config import PinnedPeer
from node.membership import Membership
from node.replica import (
    Action,
    Answer,
    BlockAppended,
    Elapsed,
    Halted,
    Logged,
    Outcome,
    PeerConnected,
    PeerDisconnected,
    PeerMessageReceived,
    PeerMisbehaved,
    Replica,
    ReplicaInput,
    SendTo,
    SendToAll,
    Submitted,
    WakeAt,
)
from node.replica.outbox import Outbox
from node.storage import keys
from node.storage.archive import Archive
from node.storage.chain_store import ChainStore
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.storage.promises import read_promises
from node.storage.rows import unseal
from node.wire import Consensus, Cosignature, PeerMessage, decode, encode
from tests.unit.ledger.founders import Founder, founder, genesis_of, operators, signing_key

BASE_TIMEOUT_MS = 200
HEARTBEAT_MS = 60_000
PARAMETERS = Parameters(base_timeout_ms=BASE_TIMEOUT_MS, timeout_ms_max=1_200, heartbeat_ms=HEARTBEAT_MS)
LATENCY_MS = 1

_PAIR = ("left", "right")

Filter = Callable[[int, int, PeerMessage], bool]
"""(sender, receiver, message) -> whether the network delivers it."""


class WatchedOutbox(Outbox):
    """Demands of every signed message, when it is about to leave, that it and what it promises are durable."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node

    def add(self, action: Action) -> None:
        if isinstance(action, SendTo | SendToAll) and isinstance(action.message, Consensus):
            message = decode_message(action.message.payload)
            if not isinstance(message, TimeoutCertificate) and self._node.signed(message):
                self._node.check_durable(message, action.message.payload)
        if isinstance(action, SendTo | SendToAll) and isinstance(action.message, Cosignature):
            self._node.check_cosigned(action.message)
        if isinstance(action, BlockAppended):
            assert self._node.height == action.height
            assert keys.block_hash(action.block_hash) in self._node.store.image()
            self._node.cluster.learn_set(self._node, action.height + 1)
        assert not self._node.halted, "nothing follows a halt"
        super().add(action)
        self._node.halted = isinstance(action, Halted)


@dataclass
class Node:
    """One replica with its disk. `key` says whether it has its consensus key, which may or may not be in the set."""

    cluster: Cluster
    index: int
    founder: Founder
    store: MemoryStore
    guard: MemoryGuard
    key: bool = True
    replica: Replica | None = None
    membership: Membership | None = None
    wake_at_ms: int | None = None
    halted: bool = False
    actions: list[Action] = field(default_factory=list)
    """Everything that it ever asked for."""

    @property
    def peer(self) -> PeerId:
        return PeerId(self.founder.node_key.public_key.hex())

    @property
    def running(self) -> Replica:
        assert self.replica is not None
        return self.replica

    @property
    def height(self) -> int:
        """The height on its disk, whether or not it runs."""
        return keys.unpack_height(unseal(keys.TIP, self.store.image()[keys.TIP]))

    @property
    def disk(self) -> MemoryStore:
        """What a power cut would leave now."""
        return MemoryStore(self.store.image())

    def store_rows(self, start: bytes, stop: bytes) -> list[tuple[bytes, bytes]]:
        """Rows on its disk."""
        return list(self.disk.range(start, stop))

    def logged(self, event: str) -> list[Logged]:
        return [action for action in self.actions if isinstance(action, Logged) and action.event == event]

    def sent(self) -> list[PeerMessage]:
        return [action.message for action in self.actions if isinstance(action, SendTo | SendToAll)]

    def votes(self) -> list[SignedMessage]:
        """Every message of its own that it ever sent."""
        return [
            message
            for message in map(_decoded, (item.payload for item in self.sent() if isinstance(item, Consensus)))
            if not isinstance(message, TimeoutCertificate) and self.signed(message)
        ]

    def signed(self, message: SignedMessage) -> bool:
        """Whether the message is by this node's consensus key, by the set of its height."""
        validators = self.cluster.sets[message.statement.height].validators
        return validators[message.validator].consensus_key == self.founder.consensus_key.public_key

    def lists(self, other: Node, *, as_validator: bool = False) -> bool:
        """Whether it would be linked to the other."""
        assert self.membership is not None
        member = self.membership.members.get(other.founder.node_key.public_key)
        return member is not None and (member.is_validator or not as_validator)

    def check_cosigned(self, message: Cosignature) -> None:
        """What must be durable when a cosignature of this node leaves: it, its block, and that the guard knows."""
        if message.key != self.founder.cosigning_key.public_key:
            return
        image, guard = self.store.image(), self.guard.read()
        assert unseal(keys.OWN_COSIGNATURE, image[keys.OWN_COSIGNATURE]) == encode(message)
        assert self.height >= message.height
        assert guard is not None
        assert guard.height >= message.height

    def check_durable(self, message: SignedMessage, payload: bytes) -> None:
        """What "Persist before send" (consensus research, section 1.3) and amendment A2 demand of this message."""
        statement = message.statement
        rows = {key: row for key, row in self.store.image().items() if key[:1] in (b"p", b"b")}
        promises = read_promises(MemoryStore(rows), statement.height)
        kind = statement.type
        assert (statement.round, kind, payload) in [(m.round, m.type, m.payload) for m in promises.messages]
        guard = self.guard.read()
        assert guard is not None
        assert guard.height == statement.height, "the guard is written before the send"
        candidates = {item.block_hash for item in promises.candidates}
        if isinstance(message, PrepareVote | CommitVote) or (isinstance(message, Proposal) and message.block):
            assert message.statement.block_hash in candidates  # type: ignore[union-attr]  # no timeout has passed here
        if isinstance(message, CommitVote):
            certificates = [decode_prepare_certificate(item.payload) for item in promises.prepare_certificates]
            assert any(
                item.round == statement.round and item.block_hash == message.statement.block_hash
                for item in certificates
            )
        if statement.round > 0:
            rounds = [decode_timeout_certificate(item.payload).round for item in promises.timeout_certificates]
            assert statement.round - 1 in rounds


class Cluster:
    """Some validators, and at wish followers and candidates, which all start at genesis.

    Candidates follow, and have a consensus key. Every node pins all followers and candidates, unless `pins` is False.
    """

    def __init__(
        self,
        validators: int,
        *,
        followers: int = 0,
        candidates: int = 0,
        pins: bool = True,
        quorum: Quorum | None = None,
        parameters: Parameters = PARAMETERS,
    ) -> None:
        self.genesis = _genesis(validators, candidates, quorum, parameters)
        self.now_ms = 1_000
        self.deliver: Filter = lambda sender, receiver, message: True
        self.alter: Callable[[int, int, PeerMessage], PeerMessage] = lambda sender, receiver, message: message
        """What the network makes of a message: for peers that lie."""
        self.taps: list[Callable[[int, int, PeerMessage], None]] = []
        self._sequence = _count_from_zero()
        self._frames: list[tuple[int, int, int, int, bytes]] = []  # (time, sequence, sender, receiver, frame)
        self._nonces = _count_from_zero()
        self._streams = _count_from_zero()
        self._tickets = _count_from_zero()
        self.outcomes: dict[int, tuple[Outcome, ...]] = {}
        self.wall_offset_ms: dict[int, int] = {}
        """By node, how far its wall clock is off."""
        self.restart_after_ms: int | None = None
        """How long after its storage failed a node is started again; None: never."""
        self._starts: list[tuple[int, Node]] = []
        self._checked: dict[int, int] = {}
        self._agreed: dict[int, Digest] = {}
        self.sets: dict[int, ValidatorSet] = {1: self.genesis.validators}
        """The validator set of each height, as far as any node has got."""
        self._links: set[tuple[int, int]] = set()
        count_of_nodes = validators + candidates + followers
        outsiders = range(validators, count_of_nodes) if pins else ()
        self.pins = {index: PinnedPeer(None, founder(index).node_key.public_key) for index in outsiders}
        self.nodes: list[Node] = []
        for index in range(count_of_nodes):
            store, guard = MemoryStore(), MemoryGuard()
            create_chain(store, self.genesis)
            has_key = index < validators + candidates
            self.nodes.append(Node(self, index, founder(index), store, guard, key=has_key))
        for node in self.nodes:
            self.start(node)

    # ---- nodes

    def start(self, node: Node, *, archive: Archive | None = None) -> None:
        """Start a replica on what is on the node's disk, and on a damaged database that was set aside."""
        assert node.replica is None
        node.halted = False
        node.replica = Replica(
            chain=open_chain(node.store),
            guard=node.guard,
            consensus_key=node.founder.consensus_key if node.key else None,
            node_key=node.founder.node_key,
            cosigning_key=node.founder.cosigning_key if node.key else None,
            verify=verify,
            now=self.now(node),
            archive=archive,
        )
        watched = WatchedOutbox(node)
        for action in node.replica._parts.out.take():
            watched.add(action)
        node.replica._parts.out = watched
        self.learn_set(node, node.height + 1)  # a block may be durable that was never announced
        node.membership = Membership(node.running._parts.chain, tuple(self.pins.values()))
        self.step(node, Elapsed())
        self.link(node)

    # ---- links

    def link(self, node: Node) -> None:
        """Make and close the links of a running node: there is one where both ends list each other."""
        for other in self.nodes:
            if other is node or node.replica is None or other.replica is None:
                continue
            wanted, linked = node.lists(other) and other.lists(node), self.linked(node, other)
            if wanted and not linked:
                self.connect(node, other)
            elif linked and not wanted:
                self.disconnect(node, other)

    def linked(self, node: Node, other: Node) -> bool:
        return (node.index, other.index) in self._links

    def connect(self, node: Node, other: Node) -> None:
        """Bring the link between two running nodes up."""
        self._links |= {(node.index, other.index), (other.index, node.index)}
        self.step(node, PeerConnected(other.peer))
        self.step(other, PeerConnected(node.peer))

    def disconnect(self, node: Node, other: Node) -> None:
        """Take the link between two nodes down."""
        self._links -= {(node.index, other.index), (other.index, node.index)}
        for one, gone in ((node, other), (other, node)):
            if one.replica is not None:
                self.step(one, PeerDisconnected(gone.peer))

    def learn_set(self, node: Node, height: int) -> None:
        """A node knows the set of a height, which must be the one that all have."""
        validators = node.running._parts.chain.validators_of(height)
        assert self.sets.setdefault(height, validators) == validators

    def stop(self, node: Node) -> None:
        """Cut the power of a node: what it has not synced is gone, and so are the frames to it."""
        node.replica = node.membership = None
        node.wake_at_ms = None
        node.store = MemoryStore(node.store.crash())
        node.guard = MemoryGuard(node.guard.crash())
        self._frames = [frame for frame in self._frames if frame[3] != node.index]
        heapq.heapify(self._frames)
        for other in self.nodes:
            if self.linked(node, other):
                self.disconnect(node, other)

    def cut(self, node: Node, back_after_ms: int) -> None:
        """Cut the power of a node in the middle of whatever it does, and start it again later."""
        self.stop(node)
        self._starts.append((self.now_ms + back_after_ms, node))

    def restart(self, node: Node) -> None:
        self.stop(node)
        self.start(node)

    # ---- time and messages

    def now(self, node: Node) -> Now:
        """The clocks of a node."""
        return Now(self.now_ms, self.genesis.time_ms + self.now_ms + self.wall_offset_ms.get(node.index, 0))

    def step(self, node: Node, *inputs: ReplicaInput) -> tuple[Action, ...]:
        """One step of a node, its actions carried out."""
        before = node.halted
        actions = node.running.step(inputs, self.now(node))
        assert not before or [type(action) for action in actions] == [Halted]
        running = node.replica
        for action in actions:
            if node.replica is running:  # its power may be cut between two sends
                node.actions.append(action)
                self._carry_out(node, action)
        return actions

    def run(self, milliseconds: int) -> None:
        """Let time pass."""
        self.run_until(lambda: False, within_ms=milliseconds, must=False)

    def run_until(self, done: Callable[[], bool], *, within_ms: int, must: bool = True) -> int:
        """Let time pass until `done`, and return how many milliseconds it took."""
        start, end = self.now_ms, self.now_ms + within_ms
        while not done():
            times = [frame[0] for frame in self._frames[:1]]
            times += [n.wake_at_ms for n in self.nodes if n.replica is not None and n.wake_at_ms is not None]
            times += [time for time, _ in self._starts]
            if not times or min(times) > end:
                self.now_ms = end
                assert not must, f"not done within {within_ms} ms: {[n.height for n in self.nodes]}"
                break
            self.now_ms = max(self.now_ms, min(times))
            self._advance()
        self.check()
        return self.now_ms - start

    def _advance(self) -> None:
        """Everything that is due now: starts, wake-ups, then frames, those for one node in one step."""
        for time, node in list(self._starts):
            if time <= self.now_ms:
                self._starts.remove((time, node))
                self.start(node)
        for node in self.nodes:
            if node.replica is not None and node.wake_at_ms is not None and node.wake_at_ms <= self.now_ms:
                node.wake_at_ms = None
                self.step(node, Elapsed())
        due: dict[int, list[ReplicaInput]] = {}
        while self._frames and self._frames[0][0] <= self.now_ms:
            _, _, sender, receiver, frame = heapq.heappop(self._frames)
            peer = self.nodes[sender].peer
            due.setdefault(receiver, []).append(PeerMessageReceived(peer, decode(frame)))
        for receiver, inputs in due.items():
            if self.nodes[receiver].replica is not None:
                self.step(self.nodes[receiver], *inputs)
        for node in self.nodes:
            self.link(node)

    def send(self, sender: int, receiver: int, message: PeerMessage) -> None:
        """Put a message on the network, as if `sender` had sent it."""
        for tap in self.taps:
            tap(sender, receiver, message)
        if self.deliver(sender, receiver, message):
            frame = encode(self.alter(sender, receiver, message))
            heapq.heappush(self._frames, (self.now_ms + LATENCY_MS, next(self._sequence), sender, receiver, frame))

    def _carry_out(self, node: Node, action: Action) -> None:
        match action:
            case SendTo(peer, message):
                for other in self.nodes:
                    if other.peer == peer and self.linked(node, other):
                        self.send(node.index, other.index, message)
            case SendToAll(message, validators_only):
                for other in self.nodes:
                    if self.linked(node, other) and (node.lists(other, as_validator=True) or not validators_only):
                        self.send(node.index, other.index, message)
            case WakeAt(monotonic_ms):
                node.wake_at_ms = monotonic_ms
            case Answer(ticket, outcomes):
                self.outcomes[ticket] = outcomes
            case PeerMisbehaved(peer):
                assert peer != node.peer
            case Halted():
                if self.restart_after_ms is not None:
                    self.cut(node, self.restart_after_ms)
            case BlockAppended():
                assert node.membership is not None
                node.membership.follow(node.running.claimed_height)
            case Logged():
                pass

    # ---- transactions

    def transaction(self, *, valid_for_ms: int = 3_600_000, sender: int = 0) -> Transaction:
        """A new transaction by org<sender>."""
        operation = StreamCreate(by=f"org{sender}", name=f"stream-{next(self._streams)}")
        return self.sign(operation, valid_for_ms=valid_for_ms, sender=sender)

    def sign(self, operation: Operation, *, sender: int, valid_for_ms: int = 3_600_000) -> Transaction:
        """A transaction of one operation by org<sender>."""
        body = build_body(
            chain=self.genesis.chain,
            sender=f"org{sender}",
            nonce=next(self._nonces).to_bytes(16, "big"),
            valid_until_ms=self.genesis.time_ms + self.now_ms + valid_for_ms,
            operations=[operation],
        )
        parsed = parse_transaction(assemble(body, [sign_body(body, founder(sender).operator_key)]))
        assert isinstance(parsed, Transaction), parsed
        return parsed

    def twins(self) -> tuple[Transaction, Transaction]:
        """The same body twice, by an account with two keys of which one suffices, signed by one and by the other."""
        body = build_body(
            chain=self.genesis.chain,
            sender="pair",
            nonce=next(self._nonces).to_bytes(16, "big"),
            valid_until_ms=self.genesis.time_ms + self.now_ms + 3_600_000,
            operations=[StreamCreate(by="pair", name="of-a-pair")],
        )
        one, other = (parse_transaction(assemble(body, [sign_body(body, signing_key(name))])) for name in _PAIR)
        assert isinstance(one, Transaction)
        assert isinstance(other, Transaction)
        return one, other

    def submit(self, node: Node, *transactions: Transaction) -> tuple[Outcome, ...]:
        """Submit to a node, as its API does."""
        ticket = next(self._tickets)
        self.step(node, Submitted(ticket, tuple(item.envelope for item in transactions)))
        return self.outcomes[ticket]

    def submit_one(self, node: Node) -> Transaction:
        """Submit a new transaction."""
        made = self.transaction()
        self.submit(node, made)
        return made

    # ---- what must hold

    def heights(self) -> list[int]:
        return [node.height for node in self.nodes]

    def check(self) -> None:
        """One chain (I1), links (I2), and no validator that ever contradicted itself, across restarts (I4, I5)."""
        for node in self.nodes:
            first = self._checked.get(node.index, 0) + 1
            said = [
                SignedStatement(m.statement, m.validator, m.signature)
                for m in node.votes()
                if m.statement.height >= first
            ]
            assert not find_evidence(said), f"{node.index} contradicts itself"
            if node.height >= first:
                self._check_blocks(ChainStore(node.disk, self.genesis, PROOF_HEIGHTS_DEFAULT), first)
                self._checked[node.index] = node.height

    def _check_blocks(self, chain: ChainStore, first: int) -> None:
        """The blocks of one node from `first` on are linked, certified, and those of all others."""
        for height in range(first, chain.tip.header.height + 1):
            stored = chain.stored_header(height)
            assert stored.header.parent_hash == chain.stored_header(height - 1).block_hash
            quorum = self.sets[height].quorum
            assert len(decode_commit_record(chain.record(height)).certificate.signatures) >= quorum
            agreed = self._agreed.setdefault(height, stored.block_hash)
            assert agreed == stored.block_hash, f"two blocks at height {height}"

    def committed(self, transaction: Transaction, nodes: Sequence[Node] | None = None) -> bool:
        """Whether the transaction is durable on all (running) nodes, exactly once."""
        which = [node for node in self.nodes if node.replica is not None] if nodes is None else nodes
        return all(open_chain(MemoryStore(node.store.image())).transaction_committed(transaction.id) for node in which)


@cache
def _decoded(payload: bytes) -> ConsensusMessage:
    return decode_message(payload)


@cache
def _genesis(validators: int, candidates: int, quorum: Quorum | None, parameters: Parameters) -> Genesis:
    keys_of_pair = tuple(sorted(signing_key(name).public_key for name in _PAIR))
    further = (Account("pair", keys_of_pair, 1, ()), *operators(range(validators, validators + candidates)))
    return genesis_of(validators, quorum=quorum, parameters=parameters, further_accounts=further)


def _count_from_zero() -> Iterator[int]:
    return count()
