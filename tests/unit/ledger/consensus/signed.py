"""Signed things for tests of consensus: votes and certificates of a small set whose signatures are a keyed hash."""

from __future__ import annotations

import hashlib

from ledger.consensus.codec import justification_digest
from ledger.consensus.engine import HeightContext, Timing
from ledger.consensus.messages import (
    CommitCertificate,
    CommitVote,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    ProposedBlock,
    SignedStatement,
    TimeoutCertificate,
    TimeoutEntry,
    TimeoutVote,
    VoteSignature,
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
from ledger.consensus.verification import HeightKeys
from ledger.primitives import ZERO_DIGEST, Digest, PublicKey, Signature
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet

CHAIN = Digest(bytes([0xC0]) * 32)
CONTEXT = SigningContext(CHAIN, 0)
HEIGHT = 5
X = Digest(b"x" * 32)
Y = Digest(b"y" * 32)
TIMING = Timing(base_timeout_ms=1_000, timeout_ms_max=8_000, heartbeat_ms=60_000, tick_ms=500)


def validators(count: int = 4, quorum: int = 3) -> ValidatorSet:
    def entry(index: int) -> Validator:
        keys = [PublicKey(bytes([kind, index]) + bytes(30)) for kind in (1, 2, 3)]
        return Validator(f"v{index}", "acme", keys[0], keys[1], keys[2], "host:1")

    return ValidatorSet(tuple(entry(i) for i in range(count)), Quorum(QuorumRule.FIXED, quorum))


VALIDATORS = validators()


def keyed_hash(key: PublicKey, content: bytes) -> Signature:
    return Signature(hashlib.sha512(key + content).digest())


def keys(height: int = HEIGHT, of: ValidatorSet = VALIDATORS) -> HeightKeys:
    return HeightKeys(CONTEXT, height, of, lambda key, content, signature: signature == keyed_hash(key, content))


def sign(index: int, statement: Statement) -> Signature:
    key = PublicKey(bytes([1, index]) + bytes(30))
    return keyed_hash(key, signed_bytes(CONTEXT, statement))


def signed(index: int, statement: Statement) -> SignedStatement:
    return SignedStatement(statement, index, sign(index, statement))


def proposal(
    index: int,
    round: int,
    block_hash: Digest = X,
    justification: TimeoutCertificate | None = None,
    block: ProposedBlock | None = None,
) -> Proposal:
    statement = ProposalStatement(HEIGHT, round, block_hash, justification_digest(justification))
    return Proposal(statement, index, sign(index, statement), justification, block)


def prepare(index: int, round: int = 0, block_hash: Digest = X, digest: Digest = ZERO_DIGEST) -> PrepareVote:
    statement = PrepareStatement(HEIGHT, round, block_hash, digest)
    return PrepareVote(statement, index, sign(index, statement))


def commit(index: int, round: int = 0, block_hash: Digest = X) -> CommitVote:
    statement = CommitStatement(HEIGHT, round, block_hash)
    return CommitVote(statement, index, sign(index, statement))


def timeout(index: int, round: int = 0, prepared: PrepareCertificate | None = None) -> TimeoutVote:
    high = (NO_ROUND, ZERO_DIGEST) if prepared is None else (prepared.round, prepared.block_hash)
    statement = TimeoutStatement(HEIGHT, round, *high)
    return TimeoutVote(statement, index, sign(index, statement), prepared)


def prepared(
    round: int = 0, block_hash: Digest = X, digest: Digest = ZERO_DIGEST, by: tuple[int, ...] = (0, 1, 2)
) -> PrepareCertificate:
    votes = [prepare(index, round, block_hash, digest) for index in by]
    signatures = tuple(VoteSignature(vote.validator, vote.signature) for vote in votes)
    return PrepareCertificate(HEIGHT, round, block_hash, digest, signatures)


def committed(round: int = 0, block_hash: Digest = X, by: tuple[int, ...] = (0, 1, 2)) -> CommitCertificate:
    votes = [commit(index, round, block_hash) for index in by]
    signatures = tuple(VoteSignature(vote.validator, vote.signature) for vote in votes)
    return CommitCertificate(HEIGHT, round, block_hash, signatures)


def timed_out(
    round: int = 0, high: PrepareCertificate | None = None, by: tuple[int, ...] = (0, 1, 2)
) -> TimeoutCertificate:
    """All of `by` name `high`."""
    votes = [timeout(index, round, high) for index in by]
    entries = tuple(
        TimeoutEntry(vote.validator, vote.statement.high_round, vote.statement.high_hash, vote.signature)
        for vote in votes
    )
    return TimeoutCertificate(HEIGHT, round, entries, high)


def context(*, me: int | None = 0, count: int = 4, quorum: int = 3, **changes: object) -> HeightContext:
    """A height whose round r is led by validator r mod n; `me` is validator 0."""
    fields: dict[str, object] = {
        "height": HEIGHT,
        "parent_hash": Digest(b"p" * 32),
        "parent_time_ms": 1_000_000,
        "validator_count": count,
        "quorum": quorum,
        "leader_order": tuple(range(count)),
        "me": me,
        "may_vote": True,
        "timing": TIMING,
        "committed_at_ms": 10_000,
    }
    return HeightContext(**(fields | changes))  # type: ignore[arg-type]
