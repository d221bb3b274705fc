"""Recorded evidence: that a validator contradicted itself at a height, once for each validator and height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.consensus.evidence import EvidenceKind
from ledger.encoding import Json, decode, expect_fields, expect_integer
from ledger.errors import MalformedError
from ledger.primitives import Digest, parse_digest
from ledger.rows.reading import ROW_BYTES_MAX
from ledger.validators import parse_validator_name

EVIDENCE_PREFIX: Final = b"evidence/"


@dataclass(frozen=True, slots=True)
class RecordedEvidence:
    """`validator` contradicted itself at `height`: how, the digest of the evidence, and where the ledger has it."""

    validator: str
    height: int
    kind: EvidenceKind
    digest: Digest
    recorded_height: int
    transaction_id: Digest

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "validator": self.validator,
            "height": self.height,
            "kind": str(self.kind),
            "digest": self.digest.hex(),
            "recorded_height": self.recorded_height,
            "transaction": self.transaction_id.hex(),
        }


def evidence_prefix(validator: str) -> bytes:
    """What the state keys of all evidence against a validator start with; they ascend as heights do."""
    return b"%b%b/" % (EVIDENCE_PREFIX, validator.encode())


def evidence_key(validator: str, height: int) -> bytes:
    """The state key of the evidence against a validator about a height."""
    return b"%b%020d" % (evidence_prefix(validator), height)


def parse_evidence_row(data: bytes) -> RecordedEvidence:
    """Recorded evidence from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="evidence row"),
        what="recorded evidence",
        required=frozenset({"validator", "height", "kind", "digest", "recorded_height", "transaction"}),
    )
    return RecordedEvidence(
        validator=parse_validator_name(fields["validator"]),
        height=expect_integer(fields["height"], what="height", minimum=1),
        kind=_parse_kind(fields["kind"]),
        digest=parse_digest(fields["digest"], "digest"),
        recorded_height=expect_integer(fields["recorded_height"], what="recorded_height", minimum=1),
        transaction_id=parse_digest(fields["transaction"], "transaction"),
    )


def _parse_kind(value: Json) -> EvidenceKind:
    if isinstance(value, str) and value in tuple(EvidenceKind):
        return EvidenceKind(value)
    raise MalformedError(f"kind must be one of: {', '.join(EvidenceKind)}")
