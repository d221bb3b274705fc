"""Evidence: two statements of one validator that no honest validator ever signs both of.

For one validator and one height, with r a round and x != y blocks:

    E1  two different statements of one type in one round
    E2  prepare(r, y) and commit(r, x)
    E3  commit(r, x) and timeout(r' >= r) with a high round below r: "I held a prepare certificate of round r" and,
        later, "I hold none as new as that"

The rules that keep an honest validator from ever signing such a pair are A1 (for E2), A5 and "commit never after
timeout" (for E3) and durability (for E1). Evidence is pure data: no clock, no place where it was seen. Two valid commit
records for different blocks of one height always contain evidence against at least 2q - n validators.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum, unique

from ledger.consensus.messages import (
    CommitCertificate,
    CommitRecord,
    PrepareCertificate,
    SignedStatement,
    TimeoutCertificate,
)
from ledger.consensus.statements import CommitStatement, PrepareStatement, Statement, TimeoutStatement


@unique
class EvidenceKind(StrEnum):
    """How two statements contradict each other."""

    TWO_STATEMENTS = "two_statements"  # E1
    COMMIT_OF_ANOTHER_BLOCK = "commit_of_another_block"  # E2
    COMMIT_FORGOTTEN = "commit_forgotten"  # E3


def contradiction(first: Statement, second: Statement) -> EvidenceKind | None:
    """How the two statements, of one validator, contradict each other, or None. The order does not matter."""
    if first.height != second.height:
        return None
    if type(first) is type(second):
        return EvidenceKind.TWO_STATEMENTS if first.round == second.round and first != second else None
    match (first, second):
        case (PrepareStatement() as prepare, CommitStatement() as commit) | (
            CommitStatement() as commit,
            PrepareStatement() as prepare,
        ):
            differ = prepare.round == commit.round and prepare.block_hash != commit.block_hash
            return EvidenceKind.COMMIT_OF_ANOTHER_BLOCK if differ else None
        case (CommitStatement() as commit, TimeoutStatement() as timeout) | (
            TimeoutStatement() as timeout,
            CommitStatement() as commit,
        ):
            forgotten = timeout.high_round < commit.round <= timeout.round
            return EvidenceKind.COMMIT_FORGOTTEN if forgotten else None
        case _:
            return None


def statements_of_prepare_certificate(certificate: PrepareCertificate) -> tuple[SignedStatement, ...]:
    """The signed statements that the certificate consists of."""
    statement = PrepareStatement(
        certificate.height, certificate.round, certificate.block_hash, certificate.justification_digest
    )
    return tuple(SignedStatement(statement, item.validator, item.signature) for item in certificate.signatures)


def statements_of_commit_certificate(certificate: CommitCertificate) -> tuple[SignedStatement, ...]:
    """The signed statements that the certificate consists of."""
    statement = CommitStatement(certificate.height, certificate.round, certificate.block_hash)
    return tuple(SignedStatement(statement, item.validator, item.signature) for item in certificate.signatures)


def statements_of_timeout_certificate(certificate: TimeoutCertificate) -> tuple[SignedStatement, ...]:
    """The signed statements of its entries, and those of the prepare certificate that comes with it."""
    prepared = certificate.prepare_certificate
    entries = tuple(
        SignedStatement(
            TimeoutStatement(certificate.height, certificate.round, entry.high_round, entry.high_hash),
            entry.validator,
            entry.signature,
        )
        for entry in certificate.entries
    )
    return entries if prepared is None else entries + statements_of_prepare_certificate(prepared)


def statements_of_record(record: CommitRecord) -> tuple[SignedStatement, ...]:
    """Every signed statement in a commit record."""
    statements = statements_of_commit_certificate(record.certificate)
    for justification in record.justifications:
        statements += statements_of_timeout_certificate(justification)
    return statements


def find_evidence(statements: Iterable[SignedStatement]) -> tuple[tuple[SignedStatement, SignedStatement], ...]:
    """Every contradictory pair among `statements`, which are verified: for auditors holding two conflicting records."""
    by_validator: dict[int, list[SignedStatement]] = {}
    found = []
    for signed in statements:
        seen = by_validator.setdefault(signed.validator, [])
        if any(other.statement == signed.statement for other in seen):
            continue
        found += [(other, signed) for other in seen if contradiction(other.statement, signed.statement)]
        seen.append(signed)
    return tuple(found)
