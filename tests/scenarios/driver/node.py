"""One validator of a scripted world: the production engine, and around it the smallest replica that keeps its rules.

Every promise is written to the disk before it is sent, and comes back to the engine after that. A crash can be armed
between any two of these steps. Nothing is shared between two lives of a node but its disk.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from ledger.consensus import codec
from ledger.consensus.effects import (
    Broadcast,
    BroadcastStatus,
    BuildBlock,
    CastCommit,
    CastPrepare,
    CastProposal,
    CastTimeout,
    CheckBlock,
    Commit,
    Durable,
    Effect,
    ReportEvidence,
    Send,
    VoteStateContradicted,
    WakeAt,
    WantJustification,
)
from ledger.consensus.engine import HeightContext, HeightEngine, Restored
from ledger.consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    Input,
    JustificationReceived,
    MessageReceived,
    PeerId,
    StatusReceived,
    Wake,
    WorkPending,
)
from ledger.consensus.messages import (
    CommitRecord,
    CommitVote,
    PrepareVote,
    Proposal,
    ProposedBlock,
    SignedMessage,
    TimeoutVote,
)
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import NO_ROUND
from ledger.consensus.verification import verify_message, verify_timeout_certificate
from ledger.primitives import Digest

from . import chain

if TYPE_CHECKING:
    from .world import World


class CrashError(Exception):
    """The process dies here."""


@dataclass
class Disk:
    """What survives a crash. Votes, certificates and bodies are those of the height being decided."""

    records: list[tuple[bytes, ProposedBlock]] = field(default_factory=list)
    messages: dict[tuple[int, int], bytes] = field(default_factory=dict)
    timeout_certificates: dict[int, tuple[Digest, bytes]] = field(default_factory=dict)
    """By round, one: the newest that a message was made durable with, as in the database (with its digest)."""
    prepare_certificates: dict[int, bytes] = field(default_factory=dict)
    bodies: dict[Digest, ProposedBlock] = field(default_factory=dict)


@dataclass
class CrashPoint:
    """Die at the `kind` vote: before it is durable, or after it and `sends` sends."""

    kind: str
    when: str
    sends: int = 0


class Node:
    """A validator (or, with `follows`, somebody who only watches)."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.index = world, index
        self.disk = Disk()
        self.engine: HeightEngine | None = None
        self.may_vote, self.builds_badly, self.brake = True, False, True
        self.clock_offset_ms = 0
        self.crash_point: CrashPoint | None = None
        self.start()

    # ---- life

    def start(self) -> None:
        """Boot from the disk."""
        self.tip = chain.GENESIS
        for _, block in self.disk.records:
            self.tip = chain.append(self.tip, self.world.validators, block)
        self.pool: dict[Digest, None] = {}
        self.content = dict(self.disk.bodies)
        self.pending: set[Digest] = set()
        self.early: list[tuple[int, object]] = []
        self.served: set[tuple[int, int]] = set()
        self.inbox: deque[Input] = deque()
        self.busy = False
        disk = self.disk
        restored = Restored(
            tuple(codec.decode_message(data) for _, data in sorted(disk.messages.items())),
            tuple(codec.decode_timeout_certificate(data) for _, data in disk.timeout_certificates.values()),
            tuple(codec.decode_prepare_certificate(data) for data in disk.prepare_certificates.values()),
        )
        self._begin_height(restored)

    def stop(self) -> None:
        """Lose everything but the disk."""
        self.engine, self.wake_at_ms, self.crash_point = None, None, None
        self.inbox.clear()

    def _begin_height(self, restored: Restored | None) -> None:
        world = self.world
        self.engine = HeightEngine(
            HeightContext(
                height=self.tip.height + 1,
                parent_hash=self.tip.block_hash,
                parent_time_ms=self.tip.time_ms,
                validator_count=len(world.validators),
                quorum=world.validators.quorum,
                leader_order=chain.order_at(self.tip, world.validators),
                me=self.index if self.index < len(world.validators) else None,
                may_vote=self.may_vote,
                timing=world.timing,
                committed_at_ms=world.now_ms,
                equivocation_brake=self.brake,
            ),
            restored,
        )
        self.wake_at_ms: int | None = None
        self.feed(Wake())
        if self.pool:
            self.feed(WorkPending())

    @property
    def height(self) -> int:
        """The height being decided."""
        return self.tip.height + 1

    # ---- inputs

    def feed(self, given: Input) -> None:
        """Hand in an input and everything that follows from it, one after the other, never one inside another."""
        self.inbox.append(given)
        if self.busy:
            return  # the loop below, further up the stack, takes it
        self.busy = True
        try:
            while self.inbox and self.engine is not None:
                for effect in self.engine.handle(self.inbox.popleft(), self.world.now(self)):
                    self.perform(effect)
        except CrashError:
            self.stop()
        finally:
            self.busy = False

    def wake(self) -> None:
        """The time of the newest `WakeAt` has come."""
        self.wake_at_ms = None
        self.feed(Wake())

    def add_work(self, label: str) -> None:
        """A transaction reaches the mempool."""
        self.pool[chain.transaction(label)] = None
        self.feed(WorkPending())

    def receive(self, sender: int, kind: str, height: int, payload: object) -> None:
        """Take in one frame from a peer."""
        if self.engine is None:
            return
        if kind == "record":
            self._take_record(height, payload)
        elif kind == "want_records" or height < self.height:
            self._serve_records(sender, height)
        elif height > self.height:
            if kind in ("message", "status"):
                self.early = [*self.early[-200:], (sender, (kind, height, payload))]
            self.world.send(self.index, sender, "want_records", self.height, None)
        else:
            self._take(sender, kind, payload)

    def _take(self, sender: int, kind: str, payload: object) -> None:
        peer, world = PeerId(str(sender)), self.world
        match kind:
            case "message":
                message = codec.decode_message(payload)
                verify_message(message, world.keys(self.height))
                self.feed(MessageReceived(message, peer))
            case "status":
                self.feed(StatusReceived(peer, payload))
            case "want_block":
                if payload in self.disk.bodies:
                    world.send(self.index, sender, "block", self.height, (payload, self.disk.bodies[payload]))
            case "block":
                block_hash, block = payload
                assert chain.block_hash(block.header) == block_hash
                if block_hash in self.pending:
                    self.content[block_hash] = block
                    self._answer_check(block_hash)
            case "want_justification":
                known = self.engine.justification(payload)
                if known is not None:
                    data = codec.encode_timeout_certificate(known)
                    world.send(self.index, sender, "justification", self.height, (payload, data))
            case "justification":
                wanted, data = payload
                certificate = codec.decode_timeout_certificate(data)
                assert codec.justification_digest(certificate) == wanted
                verify_timeout_certificate(certificate, world.keys(self.height))
                self.feed(JustificationReceived(wanted, certificate))
            case _:
                raise AssertionError(kind)

    def _answer_check(self, block_hash: Digest) -> None:
        self.pending.discard(block_hash)
        facts = chain.check(self.tip, self.world.validators, self.content[block_hash])
        self.feed(BlockChecked(block_hash, facts))

    def _serve_records(self, sender: int, height: int) -> None:
        for served in range(height, min(height + 4, self.height)):
            if (sender, served) not in self.served:
                self.served.add((sender, served))
                self.world.send(self.index, sender, "record", served, self.disk.records[served - 1])

    def _take_record(self, height: int, payload: tuple[bytes, ProposedBlock]) -> None:
        if height != self.height:
            return
        data, block = payload
        record = codec.decode_commit_record(data)
        verify_commit_record(record, keys=self.world.keys(height), parent_hash=self.tip.block_hash)
        assert record.header == block.header
        assert chain.check(self.tip, self.world.validators, block) is not None
        self._append(record, block)

    # ---- effects

    def perform(self, effect: Effect) -> None:
        """Carry out one effect."""
        world = self.world
        match effect:
            case CastProposal(statement, justification, block, durable):
                self._speak(
                    statement, durable, lambda s: Proposal(statement, self.index, s, justification, block), block
                )
            case CastPrepare(statement, durable):
                self._speak(statement, durable, lambda s: PrepareVote(statement, self.index, s))
            case CastCommit(statement, durable):
                self._speak(statement, durable, lambda s: CommitVote(statement, self.index, s))
            case CastTimeout(statement, certificate, durable):
                self._speak(statement, durable, lambda s: TimeoutVote(statement, self.index, s, certificate))
            case Broadcast(message):
                world.broadcast(self.index, "message", self.height, codec.encode_message(message))
            case BroadcastStatus(round):
                self.served.clear()
                world.broadcast(self.index, "status", self.height, round)
            case Send(peer, message):
                world.send(self.index, int(peer), "message", self.height, codec.encode_message(message))
            case BuildBlock(round):
                self._build(round)
            case CheckBlock(block_hash, content):
                if content is not None:
                    self.content[block_hash] = content
                self.pending.add(block_hash)
                if block_hash in self.content:
                    self._answer_check(block_hash)
                else:
                    world.broadcast(self.index, "want_block", self.height, block_hash)
            case WantJustification(digest):
                world.broadcast(self.index, "want_justification", self.height, digest)
            case Commit(block_hash, certificate, justifications):
                block = self.content[block_hash]
                self._append(CommitRecord(block.header, certificate, justifications), block)
            case ReportEvidence(validator, first, second):
                world.report(self.index, validator, first, second)
            case VoteStateContradicted():
                world.note(f"{self.index} is contradicted")
                self.may_vote = False
            case WakeAt(monotonic_ms):
                self.wake_at_ms = monotonic_ms
            case _:
                assert_never(effect)

    def _build(self, round: int) -> None:
        time_ms = self.tip.time_ms + 1
        if round == 0:
            time_ms = max(time_ms, self.world.now(self).wall_ms)
        block = chain.make_block(
            self.tip,
            self.world.validators,
            round=round,
            proposer=self.index,
            time_ms=time_ms,
            transactions=tuple(self.pool),
        )
        block_hash = chain.block_hash(block.header)
        self.content[block_hash] = block
        self.world.blocks.setdefault(f"{self.height}.{round}", (block_hash, block))
        facts = None if self.builds_badly else chain.check(self.tip, self.world.validators, block)
        self.feed(BlockBuilt(round, block_hash, block, facts))

    def _speak(self, statement, durable: Durable, make, block: ProposedBlock | None = None) -> None:
        """Sign, write everything in one step, and only then send and hand back."""
        kind = statement.type.name.lower()
        point = self.crash_point if self.crash_point is not None and self.crash_point.kind == kind else None
        if point is not None and point.when == "before":
            raise CrashError  # a signature that never leaves the process is as good as none
        message: SignedMessage = make(self.world.sign(self.index, statement))
        data = codec.encode_message(message)
        disk = self.disk
        place = (statement.round, statement.type)
        assert place not in disk.messages, "two statements of one type in one round"
        disk.messages[place] = data
        for certificate in durable.timeout_certificates:
            digest = codec.justification_digest(certificate)
            disk.timeout_certificates[certificate.round] = digest, codec.encode_timeout_certificate(certificate)
        for prepared in durable.prepare_certificates:
            disk.prepare_certificates[prepared.round] = codec.encode_prepare_certificate(prepared)
        if durable.block_hash is not None:
            disk.bodies[durable.block_hash] = self.content[durable.block_hash]
        self._check_promise(statement, block)
        if point is not None:
            self.world.broadcast(self.index, "message", self.height, data, first=point.sends)
            raise CrashError
        self.world.broadcast(self.index, "message", self.height, data)
        self.feed(MessageReceived(message, None))

    def _check_promise(self, statement, block: ProposedBlock | None) -> None:
        """What a vote promises to hold is on the disk (invariants I6 and I7; A2, A5)."""
        disk, kind = self.disk, statement.type.name
        if kind in ("PREPARE", "COMMIT") or block is not None:
            assert statement.block_hash in disk.bodies
        if kind == "COMMIT":
            assert statement.round in disk.prepare_certificates
        if kind == "TIMEOUT" and statement.high_round != NO_ROUND:
            assert statement.high_round in disk.prepare_certificates
        if kind in ("PROPOSAL", "PREPARE") and statement.round > 0:
            assert statement.justification_digest == disk.timeout_certificates[statement.round - 1][0]
        if statement.round > 0:
            assert statement.round - 1 in disk.timeout_certificates, "A2: the entry certificate is not durable"

    def _append(self, record: CommitRecord, block: ProposedBlock) -> None:
        data = codec.encode_commit_record(record)
        verify_commit_record(record, keys=self.world.keys(self.height), parent_hash=self.tip.block_hash)
        self.disk = Disk(records=[*self.disk.records, (data, block)])
        self.world.appended(self.index, self.height, chain.block_hash(block.header))
        self.tip = chain.append(self.tip, self.world.validators, block)
        for included in block.envelope_hashes:
            self.pool.pop(included, None)
        self.content, self.pending = {}, set()
        self.inbox.clear()
        self._begin_height(None)
        early, self.early = self.early, []
        for sender, (kind, height, payload) in early:
            self.receive(sender, kind, height, payload)
