"""One phase of one group: what its members do when they hear each other and nobody else."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import assert_never

from ledger.block import block_hash
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
    Effect,
    ReportEvidence,
    Send,
    VoteStateContradicted,
    WakeAt,
    WantJustification,
)
from ledger.consensus.evidence import contradiction
from ledger.consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    BlockFacts,
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
    ConsensusMessage,
    PrepareVote,
    Proposal,
    ProposedBlock,
    SignedMessage,
    SignedStatement,
    TimeoutCertificate,
    TimeoutVote,
)
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import signed_bytes
from ledger.consensus.verification import HeightKeys, verify_message
from ledger.errors import LedgerError
from ledger.primitives import Digest, PublicKey, Signature
from tests.scenarios.driver import chain
from tests.simulation.violation import Violation, demand
from tests.twins.instance import STARTS_AT_MS, TIMING, Instance, Setting, now

PHASE_MS = 100_000
assert TIMING.tick_ms < TIMING.base_timeout_ms < TIMING.timeout_ms_max < PHASE_MS
_DELIVERIES_MAX = 20_000
_INPUTS_AT_ONCE_MAX = 100

Omits = Callable[[int, type[ConsensusMessage]], bool]
"""Whether a message of this type to this instance is lost."""

Split = tuple[tuple[int, ...], tuple[int, ...]]
"""Two groups of instances."""


def omits_nothing(receiver: int, kind: type[ConsensusMessage]) -> bool:
    return False


def sign(key: PublicKey, content: bytes) -> Signature:
    """A keyed hash: as good as a signature for engines that look at none, and for a door that compares it."""
    return Signature(hashlib.sha512(key + content).digest())


def _verify(key: PublicKey, content: bytes, signature: Signature) -> bool:
    return signature == sign(key, content)


@cache
def keys_of(n: int, q: int) -> HeightKeys:
    """The door of the height."""
    return HeightKeys(chain.CONTEXT, 1, chain.validator_set(n, q), _verify)


@cache
def block_of(n: int, q: int, instance: int, validator: int, round: int) -> tuple[Digest, ProposedBlock, BlockFacts]:
    """The block that an instance builds in a round: every one another."""
    time_ms = chain.GENESIS.time_ms + 1
    block = chain.make_block(
        chain.GENESIS,
        keys_of(n, q).validators,
        round=round,
        proposer=validator,
        time_ms=time_ms,
        transactions=(chain.transaction(f"of instance {instance}"),),
    )
    facts = BlockFacts(round, validator, time_ms)
    name = block_hash(block.header)
    return name, block, facts


def play(setting: Setting, instances: list[Instance], split: Split, phase: int, omits: Omits = omits_nothing) -> None:
    """One phase of a whole network: each of the two groups by itself."""
    for group in split:
        Group(setting, [instances[number] for number in group], omits).run(phase)


class Group:
    """The members of a group in one phase. What they say reaches the others in the order in which it was said."""

    def __init__(self, setting: Setting, members: list[Instance], omits: Omits = omits_nothing) -> None:
        self._setting = setting
        self._members = {member.number: member for member in members}
        self._omits = omits
        self._queue: deque[tuple[int, int, object]] = deque()
        self._at_ms = 0
        self._keys = keys_of(setting.n, setting.q)

    def run(self, phase: int) -> None:
        """A phase from its beginning until nothing is left to hear. Raises `Violation`; an assertion of the engine is
        one too."""
        before_ms = STARTS_AT_MS + (phase - 1) * PHASE_MS
        try:
            if phase == 0:
                self._everybody(STARTS_AT_MS, Wake(), WorkPending())
            else:
                self._everybody(before_ms + TIMING.tick_ms, Wake())
                self._everybody(before_ms + PHASE_MS, Wake())
        except AssertionError as error:
            raise Violation("assertion", str(error) or "an assertion without a text") from error

    def _everybody(self, at_ms: int, *inputs: Input) -> None:
        self._at_ms = at_ms
        for member in self._members.values():
            for given in inputs:
                self._feed(member, given)
        deliveries = 0
        while self._queue:
            sender, receiver, what = self._queue.popleft()
            self._hear(self._members[receiver], sender, what)
            deliveries += 1
            demand(deliveries < _DELIVERIES_MAX, "step", "a group does not come to rest")

    # ---- inputs

    def _feed(self, member: Instance, given: Input) -> None:
        """An input and all that follows from it at once."""
        inbox, taken = deque([given]), 0
        while inbox and member.decided is None:
            taken += 1
            demand(
                taken < _INPUTS_AT_ONCE_MAX, "step", f"{member.number} never comes to an end with what it tells itself"
            )
            for effect in member.engine.handle(inbox.popleft(), now(self._at_ms)):
                self._perform(member, effect, inbox)
            if member.state.contradicted and not self._setting.honest(member.number):
                # A Byzantine validator is not ashamed of what the other instance said.
                member.state.contradicted = False
                inbox.append(Wake())

    def _hear(self, member: Instance, sender: int, what: object) -> None:
        match what:
            case ("want block", name):
                if name in member.bodies:
                    self._queue.append((member.number, sender, ("block", name)))
            case ("block", name):
                member.bodies[name] = None
                if name in member.state.wanted_blocks:
                    self._feed(member, BlockChecked(name, self._facts(name)))
            case ("want justification", digest):
                known = member.engine.justification(digest)
                if known is not None:
                    self._queue.append((member.number, sender, ("justification", digest, known)))
            case ("justification", digest, known):
                self._feed(member, JustificationReceived(digest, known))
            case ("status", round):
                self._feed(member, StatusReceived(PeerId(str(sender)), round))
            case _:
                self._feed(member, MessageReceived(what, PeerId(str(sender))))

    # ---- effects

    def _perform(self, member: Instance, effect: Effect, inbox: deque[Input]) -> None:
        match effect:
            case CastProposal() | CastPrepare() | CastCommit() | CastTimeout():
                self._speak(member, effect, inbox)
            case Broadcast(message):
                self._tell_others(member, message)
            case BroadcastStatus(round):
                self._tell_others(member, ("status", round))
            case Send(peer, message):
                self._tell(member, int(peer), message)
            case BuildBlock(round):
                name, block, facts = self._block(member, round)
                member.bodies[name] = None
                inbox.append(BlockBuilt(round, name, block, facts))
            case CheckBlock(name, content):
                if content is not None:
                    member.bodies[name] = None
                if name in member.bodies:
                    inbox.append(BlockChecked(name, self._facts(name)))
                else:
                    self._tell_others(member, ("want block", name))
            case WantJustification(digest):
                self._tell_others(member, ("want justification", digest))
            case Commit():
                self._decide(member, effect)
            case ReportEvidence(validator, first, second):
                kind = contradiction(first.statement, second.statement)
                demand(kind is not None, "accusations", f"{member.number} reports what is no evidence")
                demand(validator < self._setting.twins, "reputation", f"{member.number} accuses honest {validator}")
                member.accused.add(validator)
            case VoteStateContradicted(signed):
                honest = self._setting.honest(member.number)
                demand(not honest, "reputation", f"{member.number} does not remember {signed.statement}")
            case WakeAt():
                pass
            case _:
                assert_never(effect)

    def _speak(
        self, member: Instance, cast: CastProposal | CastPrepare | CastCommit | CastTimeout, inbox: deque[Input]
    ) -> None:
        """Sign, and say it. What an instance signs contradicts nothing that it signed before (I4, I5)."""
        validator, statement = self._setting.validator(member.number), cast.statement
        key = self._keys.validators.validators[validator].consensus_key
        signature = sign(key, signed_bytes(self._keys.context, statement))
        for earlier in member.said:
            kind = contradiction(earlier.statement, statement)
            demand(kind is None, "statements", f"{member.number} says {statement} after {earlier.statement}")
        member.said.append(SignedStatement(statement, validator, signature))
        message: SignedMessage
        match cast:
            case CastProposal():
                message = Proposal(cast.statement, validator, signature, cast.justification, cast.block)
            case CastPrepare():
                message = PrepareVote(cast.statement, validator, signature)
            case CastCommit():
                message = CommitVote(cast.statement, validator, signature)
            case CastTimeout():
                message = TimeoutVote(cast.statement, validator, signature, cast.prepare_certificate)
        self._tell_others(member, message)
        inbox.append(MessageReceived(message, None))

    def _decide(self, member: Instance, commit: Commit) -> None:
        """A block is final here; its record proves it to everybody (I3)."""
        _, block, _ = self._known(commit.block_hash)
        record = CommitRecord(block.header, commit.certificate, commit.justifications)
        try:
            verify_commit_record(record, keys=self._keys, parent_hash=chain.GENESIS.block_hash)
        except LedgerError as error:
            raise Violation(
                "certificates", f"the record of instance {member.number} proves nothing: {error}"
            ) from error
        member.decided, member.decided_hash = record, commit.block_hash

    # ---- blocks

    def _block(self, member: Instance, round: int) -> tuple[Digest, ProposedBlock, BlockFacts]:
        setting = self._setting
        made = block_of(setting.n, setting.q, member.number, setting.validator(member.number), round)
        _BLOCKS[made[0]] = made
        return made

    def _known(self, name: Digest) -> tuple[Digest, ProposedBlock, BlockFacts]:
        return _BLOCKS[name]

    def _facts(self, name: Digest) -> BlockFacts:
        return self._known(name)[2]

    # ---- the network

    def _tell_others(self, member: Instance, what: object) -> None:
        if isinstance(what, Proposal | PrepareVote | CommitVote | TimeoutVote | TimeoutCertificate):
            self._check_door(member, what)
        for receiver in self._members:
            if receiver != member.number:
                self._tell(member, receiver, what)

    def _tell(self, member: Instance, receiver: int, what: object) -> None:
        if isinstance(what, tuple) or not self._omits(receiver, type(what)):
            self._queue.append((member.number, receiver, what))

    def _check_door(self, member: Instance, message: ConsensusMessage) -> None:
        """What an engine says passes every door: so receivers need not ask again."""
        try:
            verify_message(message, self._keys)
        except LedgerError as error:
            raise Violation("reputation", f"{member.number} says what nobody accepts: {error}") from error


_BLOCKS: dict[Digest, tuple[Digest, ProposedBlock, BlockFacts]] = {}
"""All blocks that were built, in any scenario: what they are depends on who built them, and in which round, alone."""
