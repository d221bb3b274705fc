"""Evidence for tests: contradictory statements, signed with a validator's key, and transactions that report them."""

from __future__ import annotations

from ledger.consensus.messages import SignedStatement
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
from ledger.crypto import SigningKey
from ledger.encoding import Json, encode
from ledger.evidence import Evidence, evidence_of
from ledger.operations.evidence import EvidenceRecord
from ledger.primitives import ZERO_DIGEST, Digest
from ledger.refusals import Refusal
from ledger.senders import validator_sender
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body

X, Y = Digest(b"x" * 32), Digest(b"y" * 32)


def two_commits(height: int = 7, round: int = 0) -> tuple[Statement, Statement]:
    """Two commit votes in one round: the simplest contradiction."""
    return CommitStatement(height, round, X), CommitStatement(height, round, Y)


CONTRADICTIONS: tuple[tuple[Statement, Statement], ...] = (
    two_commits(),
    (ProposalStatement(7, 0, X, ZERO_DIGEST), ProposalStatement(7, 0, Y, ZERO_DIGEST)),
    (PrepareStatement(7, 1, X, Y), PrepareStatement(7, 1, X, X)),
    (TimeoutStatement(7, 2, NO_ROUND, ZERO_DIGEST), TimeoutStatement(7, 2, 1, X)),
    (PrepareStatement(7, 0, Y, ZERO_DIGEST), CommitStatement(7, 0, X)),
    (CommitStatement(7, 1, X), TimeoutStatement(7, 3, 0, X)),
)
"""Every kind, and every type of statement."""


def signed_statement(
    key: SigningKey, statement: Statement, chain: Digest, *, epoch: int = 0, validator: int = 0
) -> SignedStatement:
    """`statement`, signed with `key` for `chain`."""
    content = signed_bytes(SigningContext(chain, epoch), statement)
    return SignedStatement(statement, validator, key.sign(content))


def accuse(
    validator: str,
    key: SigningKey,
    chain: Digest,
    statements: tuple[Statement, Statement] | None = None,
    *,
    epoch: int = 0,
) -> Evidence:
    """Evidence that `validator` signed both `statements` with `key`."""
    one, other = (signed_statement(key, item, chain, epoch=epoch) for item in statements or two_commits())
    return evidence_of(validator, key.public_key, one, other)


def report(
    evidence: Evidence, reporter: str, node_key: SigningKey, *, chain: Digest, valid_until_ms: int
) -> Transaction:
    """The transaction with which a validator reports evidence."""
    body = build_body(
        chain=chain,
        sender=validator_sender(reporter),
        nonce=evidence.nonce,
        valid_until_ms=valid_until_ms,
        operations=[EvidenceRecord(validator_sender(reporter), evidence)],
    )
    transaction = parse_transaction(assemble(body, [sign_body(body, node_key)]))
    assert isinstance(transaction, Transaction), transaction
    return transaction


def crafted(body: dict[str, Json], *keys: SigningKey) -> Transaction | Refusal:
    """What becomes of a body that no builder would make, signed with `keys`."""
    data = encode(body)
    return parse_transaction(assemble(data, [sign_body(data, key) for key in keys]))
