"""The door of one height: what passes here is signed by who it says, and proves what it says.

Bytes are decoded (`ledger.consensus.codec`), then verified here against the validator set of their height, and only
then reach the engine, which checks no signature. A door belongs to one height because only that height's set can
judge: messages of a height that cannot be judged yet wait, bounded, with whoever received them.

What is checked besides signatures, because it needs nothing else and so is objective:

* votes name the height of the door and a validator that exists;
* in round 0, and only there, a proposal and its prepare votes have no justification and the zero digest;
* a justification of round r is a timeout certificate of round r - 1 with the digest that the proposal binds;
* a timeout names no prepare certificate above its own round, and comes with the one it names ("hq <= r");
* a certificate has at least q signatures, by different validators in ascending order;
* a timeout certificate comes with the prepare certificate of its highest high round, and every entry of that round
  names its block (amendment A3).

Whether a proposal's validator leads its round, and whether its block is valid, depends on state: the engine asks that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import assert_never

from ledger.block import block_hash
from ledger.consensus.codec import justification_digest
from ledger.consensus.messages import (
    CommitCertificate,
    CommitVote,
    ConsensusMessage,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    TimeoutCertificate,
    TimeoutVote,
)
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    TimeoutStatement,
    signed_bytes,
)
from ledger.crypto import Verify
from ledger.errors import VerificationError
from ledger.limits import SIGNATURES_REMEMBERED_MAX
from ledger.primitives import ZERO_DIGEST, Signature
from ledger.validators import ValidatorSet


class HeightKeys:
    """Who may sign at one height, and the memory of signatures of that height that were verified already.

    Retransmissions repeat the same signatures, and certificates are made of votes that were seen singly, so most
    signatures would be verified several times without the memory. It is bounded; what does not fit is verified again.
    """

    def __init__(self, context: SigningContext, height: int, validators: ValidatorSet, verify: Verify) -> None:
        self.context = context
        self.height = height
        self.validators = validators
        self._verify = verify
        self._verified: set[tuple[int, Statement, Signature]] = set()

    def check(self, statement: Statement, validator: int, signature: Signature) -> None:
        """Raise `VerificationError` unless `validator` signed `statement`, which is of this height."""
        remembered = (validator, statement, signature)
        if remembered in self._verified:
            return
        if statement.height != self.height:
            raise VerificationError(f"a statement of height {statement.height} at height {self.height}")
        if not 0 <= validator < len(self.validators):
            raise VerificationError(f"there is no validator {validator} at height {self.height}")
        content = signed_bytes(self.context, statement)
        if not self._verify(self.validators.validators[validator].consensus_key, content, signature):
            raise VerificationError(f"the signature of validator {validator} does not verify")
        if len(self._verified) < SIGNATURES_REMEMBERED_MAX:
            self._verified.add(remembered)


def verify_message(message: ConsensusMessage, keys: HeightKeys) -> None:
    """Raise `VerificationError` unless the message, and all that it carries, holds."""
    match message:
        case Proposal():
            _verify_proposal(message, keys)
        case PrepareVote():
            _check_digest_of_round(message.statement)
            keys.check(message.statement, message.validator, message.signature)
        case CommitVote():
            keys.check(message.statement, message.validator, message.signature)
        case TimeoutVote():
            _verify_timeout(message, keys)
        case TimeoutCertificate():
            verify_timeout_certificate(message, keys)
        case _:
            assert_never(message)


def verify_prepare_certificate(certificate: PrepareCertificate, keys: HeightKeys) -> None:
    """Raise `VerificationError` unless q validators signed this prepare statement."""
    statement = PrepareStatement(
        certificate.height, certificate.round, certificate.block_hash, certificate.justification_digest
    )
    _check_digest_of_round(statement)
    _check_quorum([item.validator for item in certificate.signatures], keys)
    for item in certificate.signatures:
        keys.check(statement, item.validator, item.signature)


def verify_commit_certificate(certificate: CommitCertificate, keys: HeightKeys) -> None:
    """Raise `VerificationError` unless q validators signed this commit statement."""
    statement = CommitStatement(certificate.height, certificate.round, certificate.block_hash)
    _check_quorum([item.validator for item in certificate.signatures], keys)
    for item in certificate.signatures:
        keys.check(statement, item.validator, item.signature)


def verify_timeout_certificate(certificate: TimeoutCertificate, keys: HeightKeys) -> None:
    """Raise `VerificationError` unless q validators gave this round up, and the certificate proves its high round."""
    _check_quorum([entry.validator for entry in certificate.entries], keys)
    high_round, prepared = certificate.high_round, certificate.prepare_certificate
    if high_round == NO_ROUND:
        if prepared is not None:
            raise VerificationError("a prepare certificate that no entry of its timeout certificate names")
    else:
        _check_named(prepared, high_round, certificate.round)  # amendment A3
        assert prepared is not None
        for entry in certificate.entries:
            if entry.high_round == high_round and entry.high_hash != prepared.block_hash:  # amendment A3
                raise VerificationError(f"validator {entry.validator} names another block of round {high_round}")
        verify_prepare_certificate(prepared, keys)
    for entry in certificate.entries:
        statement = TimeoutStatement(certificate.height, certificate.round, entry.high_round, entry.high_hash)
        _check_high(statement)
        keys.check(statement, entry.validator, entry.signature)


def _verify_proposal(proposal: Proposal, keys: HeightKeys) -> None:
    statement, justification, block = proposal.statement, proposal.justification, proposal.block
    _check_digest_of_round(statement)
    if justification_digest(justification) != statement.justification_digest:
        raise VerificationError("a proposal binds another justification than it carries")
    if block is not None and block_hash(block.header) != statement.block_hash:
        raise VerificationError("a proposal names another block than it carries")
    if block is not None and len(set(block.envelope_hashes)) != len(block.envelope_hashes):
        raise VerificationError("a proposed block names a transaction twice")
    keys.check(statement, proposal.validator, proposal.signature)
    if justification is not None:
        if justification.round != statement.round - 1:
            raise VerificationError(f"round {justification.round} cannot justify a proposal in {statement.round}")
        verify_timeout_certificate(justification, keys)


def _verify_timeout(vote: TimeoutVote, keys: HeightKeys) -> None:
    statement, prepared = vote.statement, vote.prepare_certificate
    _check_high(statement)
    if statement.high_round == NO_ROUND:
        if prepared is not None:
            raise VerificationError("a timeout that names no prepare certificate carries one")
    else:
        _check_named(prepared, statement.high_round, statement.round)
        assert prepared is not None
        if prepared.block_hash != statement.high_hash:
            raise VerificationError("a timeout names another block than its prepare certificate")
    keys.check(statement, vote.validator, vote.signature)
    if prepared is not None:
        verify_prepare_certificate(prepared, keys)


def _check_quorum(signers: Sequence[int], keys: HeightKeys) -> None:
    """At least q different validators, in ascending order."""
    if any(left >= right for left, right in pairwise(signers)):
        raise VerificationError("the signers of a certificate are not in ascending order")
    if len(signers) < keys.validators.quorum:
        raise VerificationError(
            f"a certificate of {len(signers)} signatures, and the quorum is {keys.validators.quorum}"
        )


def _check_digest_of_round(statement: ProposalStatement | PrepareStatement) -> None:
    """A justification digest is zero exactly in round 0."""
    if (statement.round == 0) != (statement.justification_digest == ZERO_DIGEST):
        raise VerificationError("a proposal is justified exactly when its round is above 0")


def _check_high(statement: TimeoutStatement) -> None:
    """hq <= r, and no block is named without a round."""
    if statement.high_round > statement.round:
        raise VerificationError(f"a timeout of round {statement.round} names the later round {statement.high_round}")
    if statement.high_round == NO_ROUND and statement.high_hash != ZERO_DIGEST:
        raise VerificationError("a timeout names a block but no round")


def _check_named(prepared: PrepareCertificate | None, high_round: int, round: int) -> None:
    """The prepare certificate of `high_round` must be there."""
    if prepared is None or prepared.round != high_round:
        raise VerificationError(f"the prepare certificate of round {high_round}, named in round {round}, is missing")
