"""Evidence in words: who signed which two things, and why no honest validator signs both."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ledger.consensus.evidence import EvidenceKind
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    Statement,
    TimeoutStatement,
)
from ledger.primitives import ZERO_DIGEST

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.evidence import Evidence
    from ledger.evidence_file import VerifiedEvidence
    from wallet.pinning import Pin
    from wallet.session import Session


def statement_sentence(statement: Statement) -> str:
    """What a validator said, without who and at which height."""
    match statement:
        case ProposalStatement():
            return f"proposed the block {statement.block_hash.hex()} in round {statement.round}{_because(statement)}"
        case PrepareStatement():
            verb = "voted to prepare the block"
            return f"{verb} {statement.block_hash.hex()} in round {statement.round}{_because(statement)}"
        case CommitStatement():
            return f"voted to commit the block {statement.block_hash.hex()} in round {statement.round}"
        case TimeoutStatement(high_round=high_round) if high_round == NO_ROUND:
            return f"gave up round {statement.round}, saying that it held no prepare certificate"
        case TimeoutStatement():
            newest = f"the newest prepare certificate it held was of round {statement.high_round}"
            return f"gave up round {statement.round}, saying that {newest}, for the block {statement.high_hash.hex()}"
        case _:
            assert_never(statement)


def contradiction_sentence(kind: EvidenceKind) -> str:
    """Why the two statements contradict each other."""
    match kind:
        case EvidenceKind.TWO_STATEMENTS:
            return "they are two different statements of one kind in one round, and an honest validator makes one"
        case EvidenceKind.COMMIT_OF_ANOTHER_BLOCK:
            return "an honest validator never votes to commit one block and to prepare another in one round"
        case EvidenceKind.COMMIT_FORGOTTEN:
            return (
                "whoever votes to commit in a round holds its prepare certificate, and an honest validator never says "
                "later that it held none as new as that"
            )
        case _:
            assert_never(kind)


def evidence_sentence(evidence: Evidence) -> str:
    """Evidence as one sentence."""
    one, other = statement_sentence(evidence.first.statement), statement_sentence(evidence.second.statement)
    return (
        f"at height {evidence.height}, {evidence.validator} {one}; it also {other}; "
        f"{contradiction_sentence(evidence.kind)}"
    )


def verify_evidence_file(session: Session, data: bytes, pin: Pin) -> None:
    """Verify the evidence file `data` against what is pinned, and say what it proves. Raises `WalletError` (10)."""
    from ledger.evidence_file import verify_evidence_file
    from wallet.receipts import judged

    _show(session, judged(lambda: verify_evidence_file(data, pin.anchor), "The evidence"), pin)


def _show(session: Session, verified: VerifiedEvidence, pin: Pin) -> None:
    from ledger.evidence_file import EVIDENCE_KIND

    evidence, validators = verified.evidence, verified.validators
    accused = next(item for item in validators.validators if item.name == evidence.validator)
    one, other = statement_sentence(evidence.first.statement), statement_sentence(evidence.second.statement)
    why = contradiction_sentence(evidence.kind)
    fields: dict[str, Json] = {
        "verified": True,
        "kind": EVIDENCE_KIND,
        "chain": verified.chain.hex(),
        "digest": evidence.digest.hex(),
        "validator": evidence.validator,
        "operator": accused.operator,
        "key": evidence.key.hex(),
        "height": evidence.height,
        "contradiction": str(evidence.kind),
        "first": f"{evidence.validator} {one}",
        "second": f"{evidence.validator} {other}",
        "why": why,
        "validators": len(validators),
        "quorum": validators.quorum,
    }
    lines = [
        ("verified", f"yes, against {pin.sentence}"),
        ("evidence", evidence.digest.hex()),
        ("accused", f"{evidence.validator}, operated by {accused.operator}"),
        ("key", evidence.key.hex()),
        ("height", str(evidence.height)),
        ("it", one),
        ("and it", other),
        ("but", why),
        ("network", validators.tolerance.sentence()),
    ]
    session.output.record(fields, lines)


def _because(statement: ProposalStatement | PrepareStatement) -> str:
    """Two statements about one block may differ in this alone."""
    bound = statement.justification_digest
    return "" if bound == ZERO_DIGEST else f", justified by {bound.hex()}"
