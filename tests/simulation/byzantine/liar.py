"""A scripted liar: it follows the chain as a stranger would, and signs whatever may hurt.

Its replica has no key and only keeps it informed. After a step it may tell one lie, to some: propose two blocks,
prepare or commit whatever was proposed, give a round up early and name an old certificate, build a timeout
certificate with as little in it as q signatures allow, or one that names a prepare certificate which does not exist
(amendment A3), send somebody else's proposal, or block, with another body, say that it is at a height that nobody can
reach. (consensus research, sections 2 and 3)
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.chain import build_block
from ledger.consensus.codec import encode_message, encode_timeout_certificate, justification_digest
from ledger.consensus.inputs import MessageReceived
from ledger.consensus.messages import (
    CommitVote,
    ConsensusMessage,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    ProposedBlock,
    TimeoutCertificate,
    TimeoutEntry,
    TimeoutVote,
)
from ledger.consensus.state import HeightState
from ledger.consensus.statements import (
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    StatementType,
    TimeoutStatement,
    signed_bytes,
)
from ledger.crypto import SigningKey
from ledger.limits import INTEGER_MAX
from ledger.primitives import ZERO_DIGEST, Digest, Signature
from node.replica import Replica
from node.replica.deciding import Deciding
from node.wire import Block, Consensus, FetchRecords, Justification, PeerMessage, Status, Transactions
from tests.simulation import workload
from tests.simulation.machine import Machine

_ROUNDS_NEAR = 2


class Liar(Machine):
    """Signs anything."""

    honest = False
    _last_seat: int | None = None

    @property
    def consensus_key(self) -> SigningKey | None:
        """None: the replica follows, and never knows what is said in its name."""
        return None

    def dress(self, replica: Replica) -> None:
        """Nobody watches."""

    def after_step(self) -> None:
        """Perhaps a lie."""
        rng = self.world.rng
        if not self._may_speak() or rng.random() >= self.world.plan.lie_rate:
            return
        lies: tuple[Callable[[], None], ...] = (
            self._propose,
            self._propose,
            self._prepare,
            self._prepare,
            self._commit,
            self._commit,
            self._give_up,
            self._weak_certificate,
            self._poisoned_certificate,
            self._another_body,
            self._height_of_nobody,
            self._chatter,
        )
        rng.choice(lies)()

    # ---- what it knows, and how it speaks

    def _may_speak(self) -> bool:
        """Whether it runs, and has or had a seat: after its removal it goes on lying as if nothing had happened."""
        if self.replica is None:
            return False
        self._last_seat = self._last_seat if self._seat is None else self._seat
        return self._last_seat is not None

    @property
    def _deciding(self) -> Deciding:
        return self.running._parts.deciding

    @property
    def _state(self) -> HeightState:
        return self._deciding.engine.state

    @property
    def _seat(self) -> int | None:
        return self._deciding.validators.index_of_consensus_key(self.identity.founder.consensus_key.public_key)

    @property
    def _me(self) -> int:
        """Its seat, or the last that it had."""
        assert self._last_seat is not None
        return self._last_seat

    def _sign(self, statement: Statement) -> Signature:
        context = SigningContext(self.world.genesis.chain, 0)
        return self.identity.founder.consensus_key.sign(signed_bytes(context, statement))

    def _tell_some(self, message: PeerMessage) -> None:
        rng = self.world.rng
        share = rng.choice((0.3, 0.6, 1.0))
        others = self.world.others(self, validators_only=False)
        self.world.send(self, [other for other in others if rng.random() < share], message)

    def _hear_itself(self, message: ConsensusMessage) -> None:
        """Its own replica counts what it said like anybody's: it has to know which certificates there are."""
        if self._seat is not None:
            self._deciding.inputs.append(MessageReceived(message, self.identity.peer))

    def _say(self, message: ConsensusMessage) -> None:
        if not isinstance(message, TimeoutCertificate):
            self._hear_itself(message)
        self._tell_some(Consensus(self._deciding.height, encode_message(message)))

    def _proposals(self) -> list[Proposal]:
        state = self._state
        return [
            proposal
            for round, proposals in state.proposals.items()
            if abs(round - state.round) <= _ROUNDS_NEAR
            for proposal in proposals
        ]

    # ---- lies

    def _propose(self) -> None:
        """Two blocks in one round, if it leads; each to some."""
        deciding, state, rng = self._deciding, self._state, self.world.rng
        if deciding.engine.context.leader(state.round) != self._me:
            return
        justification = state.entry
        prepared = None if justification is None else justification.prepare_certificate
        for _ in range(rng.choice((1, 2, 2))):
            if prepared is not None and rng.random() < 0.7:
                name, block = prepared.block_hash, None
            else:
                name, block = self._fresh(deciding, state.round)
            statement = ProposalStatement(deciding.height, state.round, name, justification_digest(justification))
            self._say(Proposal(statement, self._me, self._sign(statement), justification, block))

    def _fresh(self, deciding: Deciding, round: int) -> tuple[Digest, ProposedBlock]:
        """A block with any time that the rules allow, or none of them, and any transactions."""
        rng, chain = self.world.rng, self.running._parts.chain
        numbers = rng.sample(range(max(self.world.submitted, 1)), rng.randint(0, min(2, self.world.submitted)))
        transactions = [workload.transaction(self.world.genesis, number) for number in numbers]
        parent_ms = chain.tip.header.time_ms
        time_ms = (
            parent_ms + 1 if round else max(parent_ms + 1, self.now.wall_ms + rng.choice((0, 0, 1, 5_000, 20_000)))
        )
        built = build_block(
            chain.tip,
            chain,
            round=round,
            proposer=deciding.name(self._me),
            time_ms=time_ms,
            transactions=transactions,
        ).block
        self._tell_some(Transactions(tuple(item.envelope for item in transactions) or (b"{}",)))
        return built.block_hash, ProposedBlock(built.header_bytes, tuple(t.envelope_hash for t in built.transactions))

    def _prepare(self) -> None:
        """Prepare all that was proposed."""
        for proposal in self._proposals():
            said = proposal.statement
            vote = PrepareStatement(said.height, said.round, said.block_hash, said.justification_digest)
            self._say(PrepareVote(vote, self._me, self._sign(vote)))

    def _commit(self) -> None:
        """Commit all that was proposed, certificate or not."""
        for proposal in self._proposals():
            vote = CommitStatement(proposal.statement.height, proposal.statement.round, proposal.statement.block_hash)
            self._say(CommitVote(vote, self._me, self._sign(vote)))

    def _give_up(self) -> None:
        """Give a round up at once, naming any certificate that proves itself, or none."""
        state, rng = self._state, self.world.rng
        round = max(0, state.round + rng.choice((-1, 0, 0, 0, 1)))
        prepared = self._any_prepared(round)
        vote = self._timeout(round, prepared)
        self._say(TimeoutVote(vote, self._me, self._sign(vote), prepared))

    def _any_prepared(self, round: int) -> PrepareCertificate | None:
        known = [c for c in self._state.prepare_certificates.values() if c.round <= round]
        return self.world.rng.choice([None, *known])

    def _timeout(self, round: int, prepared: PrepareCertificate | None) -> TimeoutStatement:
        if prepared is None:
            return TimeoutStatement(self._deciding.height, round, -1, ZERO_DIGEST)
        return TimeoutStatement(self._deciding.height, round, prepared.round, prepared.block_hash)

    def _others_entries(self, round: int) -> list[TimeoutEntry]:
        """The timeouts of others for this round, those that bind least first."""
        entries: dict[int, TimeoutEntry] = {}
        for statement, signers in self._state.book._signers.get((round, StatementType.TIMEOUT), {}).items():
            assert isinstance(statement, TimeoutStatement)
            for validator, signature in signers.items():
                entry = TimeoutEntry(validator, statement.high_round, statement.high_hash, signature)
                if validator != self._me:
                    entries.setdefault(validator, entry)
        return sorted(entries.values(), key=lambda entry: (entry.high_round, entry.validator))

    def _weak_certificate(self) -> None:
        """A timeout certificate that binds as little as possible, with its own word that it knows nothing."""
        round = self._state.round
        entries = self._others_entries(round)[: self._deciding.validators.quorum - 1]
        own = self._timeout(round, None)
        entries.append(TimeoutEntry(self._me, own.high_round, own.high_hash, self._sign(own)))
        self._say_certificate(round, entries)

    def _poisoned_certificate(self) -> None:
        """A timeout certificate that names a prepare certificate of this round which nobody has (amendment A3)."""
        round = self._state.round
        entries = self._others_entries(round)[: self._deciding.validators.quorum - 1]
        own = TimeoutStatement(self._deciding.height, round, round, Digest(b"\x07" * 32))
        entries.append(TimeoutEntry(self._me, own.high_round, own.high_hash, self._sign(own)))
        self._say_certificate(round, entries)

    def _say_certificate(self, round: int, entries: list[TimeoutEntry]) -> None:
        if len(entries) < self._deciding.validators.quorum:
            return
        entries.sort(key=lambda entry: entry.validator)
        high_round = max(entry.high_round for entry in entries)
        prepared = self._state.prepare_certificates.get(high_round)
        certificate = TimeoutCertificate(self._deciding.height, round, tuple(entries), prepared)
        if self.world.rng.random() < 0.5:
            self._say(certificate)
        else:
            self._tell_some(Justification(self._deciding.height, encode_timeout_certificate(certificate)))

    def _another_body(self) -> None:
        """Somebody's proposal, whose signature does not cover the body, with another body or none."""
        proposals = self._proposals()
        if not proposals:
            return
        rng = self.world.rng
        proposal = rng.choice(proposals)
        block = proposal.block
        if block is not None:
            hashes = list(block.envelope_hashes)
            rng.shuffle(hashes)
            block = ProposedBlock(block.header, tuple(hashes[: rng.randint(0, len(hashes))]))
            if rng.random() < 0.5:
                self._tell_some(Block(self._deciding.height, block.header, block.envelope_hashes))
                return
        said = proposal.statement
        changed = Proposal(
            ProposalStatement(said.height, said.round, said.block_hash, said.justification_digest),
            proposal.validator,
            proposal.signature,
            proposal.justification,
            block if rng.random() < 0.7 else None,
        )
        self._say(changed)

    def _height_of_nobody(self) -> None:
        """Where it is: nowhere."""
        rng, height = self.world.rng, self._deciding.height
        claims = (INTEGER_MAX, height + 1, height + 2, max(1, height - 1), 1)
        self._tell_some(Status(rng.choice(claims), rng.choice((0, self._state.round, 1_000_000))))

    def _chatter(self) -> None:
        """Questions that cost their answer."""
        self._tell_some(FetchRecords(1, 64))
