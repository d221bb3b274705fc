"""A world of validators under the test's control: one clock, one network, and the invariants that always hold.

Messages wait in flight until they are delivered or dropped. Signatures are a keyed hash: as good as real ones for
engines that never look at them, and thousands of times faster (simulator and replica tests sign with Ed25519).

Checked after every step (research section 1.9): I1 agreement; I3 every record verifies; I4 and I5 no honest validator
ever signs a pair that is evidence, across restarts; I6 and I7 what is promised is on the disk before it is sent; I10
once q committed (r, x), no timeout certificate of a round >= r leaves another choice than x.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.consensus import codec
from ledger.consensus.engine import Timing
from ledger.consensus.evidence import contradiction
from ledger.consensus.inputs import Now
from ledger.consensus.messages import ProposedBlock, SignedStatement, TimeoutCertificate
from ledger.consensus.statements import CommitStatement, Statement, StatementType, signed_bytes
from ledger.consensus.verification import HeightKeys
from ledger.errors import LedgerError
from ledger.primitives import Digest, PublicKey, Signature

from . import chain
from .node import CrashPoint, Node

WALL_START_MS = chain.GENESIS_TIME_MS + 60_000


class ViolationError(AssertionError):
    """An invariant does not hold, or a script expected something else."""


def _sign(key: PublicKey, content: bytes) -> Signature:
    return Signature(hashlib.sha512(key + content).digest())


def _verify(key: PublicKey, content: bytes, signature: Signature) -> bool:
    return signature == _sign(key, content)


@dataclass(frozen=True)
class Frame:
    """Something in flight."""

    source: int
    target: int
    kind: str
    height: int
    payload: object


class World:
    """n validators, `byzantine` ones without an engine, and `followers` after them."""

    def __init__(self, count: int, quorum: int, *, base_ms: int = 1_000, heartbeat_ms: int = 60_000) -> None:
        self.validators = chain.validator_set(count, quorum)
        self.timing = Timing(base_ms, 8 * base_ms, heartbeat_ms, base_ms // 2)
        self.now_ms = 50_000
        self.flight: list[Frame] = []
        self.groups: list[set[int]] = []
        self.blocks: dict[str, tuple[Digest, ProposedBlock]] = {}
        self.statements: dict[tuple[int, int], list[SignedStatement]] = {}  # by (validator, height)
        self.committed: dict[int, Digest] = {}
        self.locked: dict[int, tuple[int, Digest]] = {}
        self.evidence: list[tuple[int, SignedStatement, SignedStatement]] = []
        self.refused: list[str] = []
        self.trace: list[str] = []
        self.byzantine: set[int] = set()
        self.dead: set[int] = set()
        self._sent_before: set[tuple[int, object]] = set()
        self._sent: dict[tuple[int, int, int, StatementType], object] = {}
        self._keys: dict[int, HeightKeys] = {}
        self.nodes: list[Node] = []
        for index in range(count):
            self.nodes.append(Node(self, index))

    # ---- what nodes use

    def now(self, node: Node) -> Now:
        """The clocks of `node`."""
        return Now(self.now_ms, WALL_START_MS + self.now_ms + node.clock_offset_ms)

    def keys(self, height: int) -> HeightKeys:
        """The door of a height (it is pure, so all nodes may share it)."""
        if height not in self._keys:
            self._keys[height] = HeightKeys(chain.CONTEXT, height, self.validators, _verify)
        return self._keys[height]

    def sign(self, validator: int, statement: Statement) -> Signature:
        """Sign, and hold an honest validator to it for ever."""
        key = self.validators.validators[validator].consensus_key
        signed = SignedStatement(statement, validator, _sign(key, signed_bytes(chain.CONTEXT, statement)))
        earlier = self.statements.setdefault((validator, statement.height), [])
        if validator not in self.byzantine:
            for other in earlier:
                kind = contradiction(other.statement, statement)
                if kind is not None:
                    raise ViolationError(
                        f"honest validator {validator} is framed: {kind} {other.statement} {statement}"
                    )
        if not any(other.statement == statement for other in earlier):
            earlier.append(signed)
        self.note(f"{validator} signs {statement_text(self, statement)}")
        if isinstance(statement, CommitStatement):
            self._note_lock(statement)
        return signed.signature

    def send(self, source: int, target: int, kind: str, height: int, payload: object) -> None:
        """Put a frame in flight, unless the network between the two is cut."""
        if source == target or target >= len(self.nodes):
            return
        if self.groups and not any({source, target} <= group for group in self.groups):
            return
        frame = Frame(source, target, kind, height, payload)
        if frame not in self.flight:  # a resend of what is still in flight changes nothing
            self.flight.append(frame)

    def broadcast(self, source: int, kind: str, height: int, payload: object, *, first: int | None = None) -> None:
        """Send to everybody, or to the `first` ones only. What is signed once has the same bytes for ever (P1)."""
        if kind == "message" and source not in self.byzantine and (source, payload) not in self._sent_before:
            self._sent_before.add((source, payload))
            message = codec.decode_message(payload)
            if not isinstance(message, TimeoutCertificate):
                statement = message.statement
                place = (source, height, statement.round, statement.type)
                if self._sent.setdefault(place, payload) != payload:
                    raise ViolationError(f"{source} resends other bytes than it sent")
        targets = [node.index for node in self.nodes if node.index != source]
        for target in targets[:first]:
            self.send(source, target, kind, height, payload)

    def appended(self, index: int, height: int, block_hash: Digest) -> None:
        """A node appended a block."""
        self.note(f"{index} appends {block_text(self, block_hash)} at {height}")
        if self.committed.setdefault(height, block_hash) != block_hash:
            raise ViolationError(f"a fork at height {height}")

    def report(self, reporter: int, validator: int, first: SignedStatement, second: SignedStatement) -> None:
        """A node reports evidence; it is never against an honest validator, and never twice."""
        if contradiction(first.statement, second.statement) is None:
            raise ViolationError(f"{reporter} reports what is no evidence: {first} {second}")
        if validator not in self.byzantine:
            raise ViolationError(f"{reporter} accuses honest validator {validator}")
        self.evidence.append((reporter, first, second))

    def note(self, text: str) -> None:
        """One line of the trace."""
        self.trace.append(f"{self.now_ms:>9} {text}")

    # ---- what tests use

    def deliver(self, frame: Frame) -> None:
        """Take one frame out of flight and hand it in; what does not verify is refused at the door."""
        self.flight.remove(frame)
        try:
            self.nodes[frame.target].receive(frame.source, frame.kind, frame.height, frame.payload)
        except LedgerError as error:
            self.refused.append(str(error))
            self.note(f"{frame.target} refuses a {frame.kind} of {frame.source}: {error}")
        self.check()

    def settle(self) -> None:
        """Deliver until nothing is in flight; no time passes."""
        steps = 0
        while self.flight:
            self.deliver(self.flight[0])
            steps += 1
            if steps > 200_000:
                raise ViolationError("the network does not come to rest")

    def pass_time(self, milliseconds: int, *, delivering: bool) -> None:
        """Let time pass from wake to wake, delivering everything in between or nothing."""
        end = self.now_ms + milliseconds
        if delivering:
            self.settle()
        while (at := self.next_wake_ms()) is not None and at <= end:
            self.now_ms = max(self.now_ms, at)
            for node in self.nodes:
                if node.engine is not None and node.wake_at_ms is not None and node.wake_at_ms <= self.now_ms:
                    node.wake()
                    self.check()
            if delivering:
                self.settle()
        self.now_ms = end

    def next_wake_ms(self) -> int | None:
        """When the next node wants to be woken."""
        wishes = [node.wake_at_ms for node in self.nodes if node.engine is not None and node.wake_at_ms is not None]
        return min(wishes, default=None)

    def crash(self, index: int) -> None:
        """A process dies; what it sent is still in flight."""
        self.nodes[index].stop()
        self.note(f"{index} crashes")

    def restart(self, index: int) -> None:
        """A process comes back with its disk."""
        self.note(f"{index} restarts")
        self.nodes[index].start()
        self.check()

    def make_byzantine(self, indexes: Iterable[int]) -> None:
        """These run no engine any more: the test speaks for them."""
        for index in indexes:
            self.byzantine.add(index)
            self.dead.add(index)
            self.nodes[index].stop()

    def arm(self, index: int, point: CrashPoint) -> None:
        """Let a node die at its next vote of a kind."""
        self.nodes[index].crash_point = point

    def live(self) -> list[Node]:
        """Honest nodes that are to go on."""
        return [node for node in self.nodes if node.index not in self.dead]

    def heal(self) -> None:
        """The network is whole, and everybody who is not dead is up."""
        self.groups = []
        for node in self.live():
            if node.engine is None:
                self.restart(node.index)

    def network_commits(self, within_ms: int) -> None:
        """Heal, offer work to everybody, and demand that every live node appends a block above the newest there is."""
        self.heal()
        goal = max([self.height_of_chain(), *(node.height - 1 for node in self.live())]) + 1
        end = self.now_ms + within_ms
        for node in self.live():
            node.add_work(f"after-{goal}")
        while any(node.height <= goal for node in self.live()):
            if self.now_ms >= end:
                states = [f"{node.index}: {node.height}/{node.engine.round}" for node in self.live() if node.engine]
                raise ViolationError(f"the network does not commit within {within_ms} ms: {', '.join(states)}")
            self.pass_time(self.timing.tick_ms // 10, delivering=True)

    def height_of_chain(self) -> int:
        """The newest height that anybody appended."""
        return max(self.committed, default=0)

    def check(self) -> None:
        """I10: what is committed somewhere is the only choice left."""
        for node in self.nodes:
            if node.engine is None or node.engine.state.entry is None:
                continue
            entry = node.engine.state.entry
            lock = self.locked.get(entry.height)
            if lock is not None and entry.round >= lock[0]:
                prepared = entry.prepare_certificate
                if prepared is None or prepared.block_hash != lock[1]:
                    raise ViolationError(f"round {entry.round + 1} is not bound to the committed block")

    def _note_lock(self, statement: CommitStatement) -> None:
        signers = {
            validator
            for (validator, height), statements in self.statements.items()
            if height == statement.height and any(signed.statement == statement for signed in statements)
        }
        lock = self.locked.get(statement.height)
        if len(signers) >= self.validators.quorum:
            if lock is not None and lock[1] != statement.block_hash:
                raise ViolationError(f"two commit certificates at height {statement.height}")
            if lock is None or statement.round < lock[0]:
                self.locked[statement.height] = (statement.round, statement.block_hash)


def block_text(world: World, block_hash: Digest) -> str:
    """The label of a block, or the start of its hash."""
    for label, (known, _) in world.blocks.items():
        if known == block_hash:
            return f"block {label}"
    return block_hash.hex()[:8]


def statement_text(world: World, statement: Statement) -> str:
    """A statement in the words of the scripts."""
    kind = type(statement).__name__.removesuffix("Statement").lower()
    place = f"{kind} {statement.height}/{statement.round}"
    if hasattr(statement, "block_hash"):
        return f"{place} {block_text(world, statement.block_hash)}"
    return f"{place} high {statement.high_round}"
