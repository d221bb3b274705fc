"""The engine of one height: inputs in, effects out. It decides; the replica does.

`HeightEngine` is made fresh when a height begins and thrown away when it is committed. It is deterministic: the same
inputs with the same times give the same effects, on any machine. It never calls itself: its own messages come back as
inputs once they are durable, also when it is the only validator.

    input ──► learn (certificates, votes, blocks)          learning, votes, evidence
          ──► decided?  ──► Commit                          committing, justification
          ──► what may be said now? ──► Cast…              proposing, voting, pacemaker
          ──► WakeAt

The protocol, why it is safe and what was changed from its sources is in the package's docstring.
"""

from __future__ import annotations

from typing import assert_never

from ledger.consensus import committing, learning, pacemaker, proposing, voting
from ledger.consensus.codec import justification_digest
from ledger.consensus.effects import Effect, Send
from ledger.consensus.height import HeightContext, Restored, RoundStatus, Timing
from ledger.consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    Input,
    JustificationReceived,
    LinkLost,
    LinkUp,
    MessageReceived,
    Now,
    PeerId,
    StatusReceived,
    Wake,
    WorkPending,
)
from ledger.consensus.messages import SignedMessage, TimeoutCertificate
from ledger.consensus.state import HeightState, Place
from ledger.consensus.statements import NO_ROUND, StatementType
from ledger.consensus.votes import VoteBook
from ledger.primitives import Digest

__all__ = ["HeightContext", "HeightEngine", "Restored", "RoundStatus", "Timing"]


class HeightEngine:
    """Decides one height. Hand in a `Wake` as soon as it is made; after its `Commit` it does nothing any more."""

    def __init__(self, context: HeightContext, restored: Restored | None = None) -> None:
        assert sorted(context.leader_order) == list(range(context.validator_count))
        assert context.validator_count < 2 * context.quorum <= 2 * context.validator_count
        self.context = context
        self.state = HeightState(context, Now(context.committed_at_ms, 0), VoteBook(context.quorum))
        self.state.tick_at_ms = context.tick_at_ms
        if restored is not None:
            _restore(self.state, restored)

    def handle(self, given: Input, now: Now) -> tuple[Effect, ...]:
        """Take in one input; what should happen comes out, in the order in which it must happen."""
        state = self.state
        if state.decided:
            return ()
        state.now = now
        if state.tick_at_ms is None:
            state.tick_at_ms = now.monotonic_ms + self.context.timing.tick_ms
        _take(state, given)
        _advance(state)
        if not state.decided:
            pacemaker.wish_to_wake(state, renew=isinstance(given, Wake))
        effects, state.effects = tuple(state.effects), []
        return effects

    @property
    def round(self) -> int:
        """The current round."""
        return self.state.round

    @property
    def tick_at_ms(self) -> int | None:
        """When the resend tick is due; None before the first input."""
        return self.state.tick_at_ms

    @property
    def work_pending(self) -> bool:
        """Whether it knows of transactions that wait to be proposed."""
        return self.state.work_pending

    @property
    def timer_running(self) -> bool:
        """Whether the timer of the round runs."""
        return self.state.round_ends_at_ms is not None

    @property
    def decided(self) -> bool:
        """Whether the engine has asked for the commit of its height."""
        return self.state.decided

    def justification(self, digest: Digest) -> TimeoutCertificate | None:
        """A justification that this engine knows, for a peer that asks (besides what is durable)."""
        return self.state.justifications.get(digest)

    def status(self) -> RoundStatus:
        """What an operator wants to see of the current round."""
        state = self.state
        return RoundStatus(
            round=state.round,
            leader=self.context.leader(state.round),
            ends_at_ms=state.round_ends_at_ms,
            proposal_seen=bool(state.proposals.get(state.round)),
            prepared=state.book.voters(state.round, StatementType.PREPARE),
            committed=state.book.voters(state.round, StatementType.COMMIT),
            timed_out=state.book.voters(state.round, StatementType.TIMEOUT),
            prepared_blocks=state.book.tally(state.round, StatementType.PREPARE),
            committed_blocks=state.book.tally(state.round, StatementType.COMMIT),
            high_round=max(state.prepare_certificates, default=NO_ROUND),
            waiting_for_blocks=tuple(state.wanted_blocks),
            waiting_for_justifications=tuple(state.wanted_justifications),
        )


def _take(state: HeightState, given: Input) -> None:
    """What an input changes, before anything follows from it."""
    match given:
        case MessageReceived(message, sender):
            state.heard = True
            if sender is None:
                assert not isinstance(message, TimeoutCertificate), "certificates are not our own messages"
                assert state.promises[_place(message)] == message.statement
                state.spoken[_place(message)] = message
            else:
                # A timeout certificate of round r comes from somebody in round r + 1.
                _answer(state, sender, _round_of_sender(message))
            learning.learn(state, message)
        case StatusReceived(sender, round):
            _answer(state, sender, round)
        case JustificationReceived(digest, justification):
            if digest in state.wanted_justifications:
                del state.wanted_justifications[digest]
                state.justifications[digest] = justification
                learning.learn_timeout_certificate(state, justification)
        case BlockChecked(block_hash, facts):
            state.wanted_blocks.pop(block_hash, None)
            led = facts is not None and facts.proposer == state.context.leader(facts.round)
            state.blocks[block_hash] = facts if led else None
        case BlockBuilt():
            proposing.take_built(state, given)
        case WorkPending():
            state.work_pending = True
        case LinkLost(validator, at_ms):
            state.links_lost[validator] = at_ms
        case LinkUp(validator):
            state.links_lost.pop(validator, None)
        case Wake():
            pacemaker.wake(state)
        case _:
            assert_never(given)


def _advance(state: HeightState) -> None:
    """Everything that may follow, each rule once. No rule can enable an earlier one without a new input."""
    committing.decide(state)
    if state.decided:
        return
    pacemaker.start_timer(state)
    voting.want_blocks(state)
    if not state.votes:
        return
    if voting.braked(state):
        pacemaker.give_up(state)
    proposing.propose(state)
    voting.prepare(state)
    voting.commit(state)


def _answer(state: HeightState, peer: PeerId, round: int) -> None:
    """Somebody is in an earlier round: our entry certificate brings it here, at most once per peer and tick."""
    if round < state.round and state.entry is not None and peer not in state.answered:
        state.answered.add(peer)
        state.effects.append(Send(peer, state.entry))


def _round_of_sender(message: SignedMessage | TimeoutCertificate) -> int:
    return message.round + 1 if isinstance(message, TimeoutCertificate) else message.statement.round


def _place(message: SignedMessage) -> Place:
    return message.statement.round, message.statement.type


def _restore(state: HeightState, restored: Restored) -> None:
    """Amendment A9: the highest signed round, our promises, and our own votes counted again."""
    messages = sorted(restored.messages, key=_place)
    state.heard = bool(messages)  # amendment A4c: somebody may be waiting for what we promised
    state.round = max((message.statement.round for message in messages), default=0)
    state.promises = {_place(message): message.statement for message in messages}
    for certificate in restored.prepare_certificates:
        learning.learn_prepare_certificate(state, certificate)
    for justification in restored.timeout_certificates:
        state.justifications[justification_digest(justification)] = justification
        if justification.round == state.round - 1 and state.entry is None:
            state.entry = justification
    for message in messages:
        if message.statement.round == state.round:
            state.spoken[_place(message)] = message
    for justification in restored.timeout_certificates:
        learning.learn_timeout_certificate(state, justification)
    for message in messages:
        learning.learn(state, message)
