"""Evidence as a document: one validator, one of its keys, and two statements that no honest validator signs both.

    validator      the validator's name
    key            the consensus key under which both signatures verify, hex
    first, second  a statement (`ledger.consensus.codec`) with its "signature", hex; in ascending order of the signed
                   bytes, so that one contradiction has one form

It is pure data: no clock, no place where it was seen, no index in a set, which nobody signed. What it says can be
checked by anybody who knows the chain, and that `key` was the validator's at that height: on the ledger the row
`validator-key/<key>` says so, in a portable file (`ledger.evidence_file`) a certified header and the trail of sets do.

The **digest** of evidence is a tagged SHA-256 of its canonical JSON. A validator that reports evidence takes the nonce
of its transaction from it. (consensus research, sections 1.6 and 2, row 16)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.consensus.codec import parse_statement, statement_to_json
from ledger.consensus.evidence import EvidenceKind, contradiction
from ledger.consensus.messages import SignedStatement
from ledger.consensus.statements import SigningContext, Statement, signed_bytes
from ledger.crypto import Verify, digest, tag
from ledger.encoding import Json, encode_trusted, expect_fields
from ledger.errors import MalformedError
from ledger.limits import NONCE_BYTES
from ledger.primitives import ZERO_DIGEST, Digest, PublicKey, Signature, parse_public_key, parse_signature
from ledger.validators import parse_validator_name

EVIDENCE_FIELDS: Final = frozenset({"validator", "key", "first", "second"})

_EVIDENCE_TAG = tag("evidence")
_ANY_CONTEXT = SigningContext(ZERO_DIGEST, 0)  # the same before both statements: it does not change their order


@dataclass(frozen=True, slots=True)
class AttestedStatement:
    """A statement of the accused, with the signature under it."""

    statement: Statement
    signature: Signature

    def to_json(self) -> dict[str, Json]:
        """The statement's fields, and `signature`."""
        return statement_to_json(self.statement) | {"signature": self.signature.hex()}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two statements of `validator` that contradict each other, in their canonical order; signatures unverified.

    Raises `MalformedError` for two that do not contradict each other, or are in the other order.
    """

    validator: str
    key: PublicKey
    first: AttestedStatement
    second: AttestedStatement

    def __post_init__(self) -> None:
        if contradiction(self.first.statement, self.second.statement) is None:
            raise MalformedError("an honest validator may sign both statements: they are no evidence")
        if _order(self.first) > _order(self.second):
            raise MalformedError("the statements of evidence must be in ascending order of their signed bytes")

    @property
    def height(self) -> int:
        """The height that both statements are about."""
        return self.first.statement.height

    @property
    def kind(self) -> EvidenceKind:
        """How the statements contradict each other."""
        kind = contradiction(self.first.statement, self.second.statement)
        assert kind is not None, "no other evidence exists"
        return kind

    @property
    def digest(self) -> Digest:
        """What the evidence is known by."""
        return digest(_EVIDENCE_TAG, encode_trusted(self.to_json()))

    @property
    def nonce(self) -> bytes:
        """The nonce of a transaction that records it."""
        return self.digest[:NONCE_BYTES]

    def to_json(self) -> dict[str, Json]:
        """The evidence as it stands in operations and files."""
        return {
            "validator": self.validator,
            "key": self.key.hex(),
            "first": self.first.to_json(),
            "second": self.second.to_json(),
        }


def evidence_of(validator: str, key: PublicKey, one: SignedStatement, other: SignedStatement) -> Evidence:
    """The evidence that two contradictory statements of `validator`, in any order, are."""
    first, second = sorted((AttestedStatement(item.statement, item.signature) for item in (one, other)), key=_order)
    return Evidence(validator, key, first, second)


def parse_evidence(value: Json) -> Evidence:
    """Evidence from its JSON form: contradictory and in canonical order, not verified. Raises `MalformedError`."""
    fields = expect_fields(value, what="evidence", required=EVIDENCE_FIELDS)
    return Evidence(
        parse_validator_name(fields["validator"]),
        parse_public_key(fields["key"], "key of evidence"),
        _parse_attested(fields["first"]),
        _parse_attested(fields["second"]),
    )


def signatures_verify(evidence: Evidence, context: SigningContext, verify: Verify) -> bool:
    """Whether both statements are signed by the evidence's key, which is a registered one, for this chain and epoch."""
    return all(
        verify(evidence.key, signed_bytes(context, item.statement), item.signature)
        for item in (evidence.first, evidence.second)
    )


def _parse_attested(value: Json) -> AttestedStatement:
    if not isinstance(value, dict):
        raise MalformedError("a statement of evidence must be a JSON object")
    statement = parse_statement(value)
    fields = expect_fields(
        value, what="a statement of evidence", required=frozenset({*statement_to_json(statement), "signature"})
    )
    return AttestedStatement(statement, parse_signature(fields["signature"], "signature"))


def _order(item: AttestedStatement) -> bytes:
    return signed_bytes(_ANY_CONTEXT, item.statement)
