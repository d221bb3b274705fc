"""Learning: what a verified message adds to what is known. Nothing is promised here.

Certificates count, not single votes: one is always accepted, whatever single votes were seen first, because
honest nodes relay certificates and an equivocator can make single votes differ from node to node (section 2, row 10).
Every signature that passes, singly or in a certificate, goes through `witness`, which finds the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from ledger.consensus import pacemaker
from ledger.consensus.codec import justification_digest
from ledger.consensus.effects import ReportEvidence, VoteStateContradicted
from ledger.consensus.evidence import statements_of_prepare_certificate, statements_of_timeout_certificate
from ledger.consensus.messages import (
    CommitVote,
    ConsensusMessage,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    SignedMessage,
    SignedStatement,
    TimeoutCertificate,
    TimeoutVote,
)
from ledger.consensus.state import HeightState
from ledger.limits import PROPOSALS_PER_ROUND_MAX, ROUNDS_AHEAD_MAX, ROUNDS_BEHIND_MAX


def learn(state: HeightState, message: ConsensusMessage) -> None:
    """Take in a verified message, another's or our own."""
    match message:
        case TimeoutCertificate():
            learn_timeout_certificate(state, message)
        case Proposal():
            _learn_proposal(state, message)
        case PrepareVote():
            witness(state, [bare(message)])
            if message.statement.round not in state.prepare_certificates:
                certificate = state.book.prepare_certificate(message.statement)
                if certificate is not None:  # made of statements that were witnessed
                    state.prepare_certificates[certificate.round] = certificate
        case CommitVote():
            witness(state, [bare(message)])
            committed = state.book.commit_certificate(message.statement)
            if committed is not None:
                position = (committed.round, committed.block_hash)
                if position not in [(item.round, item.block_hash) for item in state.commit_certificates]:
                    state.commit_certificates.append(committed)
        case TimeoutVote():
            _learn_timeout_vote(state, message)
        case _:
            assert_never(message)


def learn_prepare_certificate(state: HeightState, certificate: PrepareCertificate) -> None:
    """Keep the first prepare certificate of each round (amendment A5)."""
    state.prepare_certificates.setdefault(certificate.round, certificate)
    witness(state, statements_of_prepare_certificate(certificate))


def learn_timeout_certificate(state: HeightState, certificate: TimeoutCertificate) -> None:
    """Adopt what it carries, and enter the round after it unless we are there already."""
    if certificate.prepare_certificate is not None:
        learn_prepare_certificate(state, certificate.prepare_certificate)
    if certificate.round >= state.round:
        state.justifications[justification_digest(certificate)] = certificate
        pacemaker.enter(state, certificate)
    witness(state, statements_of_timeout_certificate(certificate))


def witness(state: HeightState, statements: Iterable[SignedStatement]) -> None:
    """Count statements, report contradictions, and notice a statement of our own that we do not remember."""
    for signed in statements:
        round = signed.statement.round
        if not state.round - ROUNDS_BEHIND_MAX <= round <= state.round + ROUNDS_AHEAD_MAX:
            continue
        if signed.validator == state.context.me and state.votes:
            place = (round, signed.statement.type)
            if state.promises.get(place) != signed.statement:
                state.contradicted = True
                state.effects.append(VoteStateContradicted(signed))
        for earlier in state.book.add(signed):
            state.effects.append(ReportEvidence(signed.validator, earlier, signed))


def bare(message: SignedMessage) -> SignedStatement:
    """The signed statement of a message, without what it travels with."""
    return SignedStatement(message.statement, message.validator, message.signature)


def _learn_proposal(state: HeightState, proposal: Proposal) -> None:
    statement, justification = proposal.statement, proposal.justification
    if proposal.validator != state.context.leader(statement.round):
        return
    if justification is not None:
        learn_timeout_certificate(state, justification)
    witness(state, [bare(proposal)])
    if statement.round < state.round - ROUNDS_BEHIND_MAX:
        return
    proposals = state.proposals.setdefault(statement.round, [])
    for position, known in enumerate(proposals):
        if known.statement == statement:
            if known.block is None:  # the signature does not cover the block: somebody may have left it out
                proposals[position] = proposal
                state.offer_content(statement.block_hash)
            return
    if len(proposals) < PROPOSALS_PER_ROUND_MAX:
        if justification is not None:
            state.justifications[statement.justification_digest] = justification
        proposals.append(proposal)
        state.offer_content(statement.block_hash)


def _learn_timeout_vote(state: HeightState, vote: TimeoutVote) -> None:
    if vote.prepare_certificate is not None:
        learn_prepare_certificate(state, vote.prepare_certificate)
    witness(state, [bare(vote)])
    round = vote.statement.round
    if round >= state.round:
        certificate = state.book.timeout_certificate(state.context.height, round, state.prepare_certificates)
        if certificate is not None:
            learn_timeout_certificate(state, certificate)
