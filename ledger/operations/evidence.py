"""The operation with which validators record evidence against one of them.

It is all that a validator itself may do on the ledger. Its sender is no account but `validator:<name>`, and its
transaction has nothing else in it. Admission decides whether it may be recorded, so execution refuses none, and none
stands on the ledger twice. Who reports gains nothing and decides nothing: what follows is for people, by a proposal.
"""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.events import Event, EvidenceRecorded
from ledger.evidence import Evidence
from ledger.operations import fields
from ledger.operations.fields import Field
from ledger.operations.kinds import OperationKind, Place
from ledger.refusals import Refusal
from ledger.rows.evidence import RecordedEvidence, evidence_key
from ledger.senders import VALIDATOR_SENDER_PATTERN, is_validator_sender
from ledger.state import Overlay

_EXAMPLE_KEY: Final = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"


class EvidenceRecord(Struct, frozen=True, gc=False):
    """Record `evidence`. Raises `MalformedError` unless it is by a validator."""

    kind: ClassVar[OperationKind]

    by: str
    evidence: Evidence

    def __post_init__(self) -> None:
        if not is_validator_sender(self.by):
            raise MalformedError("evidence.record: by must be validator:<name>, no account may record evidence")

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        evidence = self.evidence
        assert state.evidence(evidence.validator, evidence.height) is None, "admission lets nothing in twice"
        row = RecordedEvidence(
            evidence.validator, evidence.height, evidence.kind, evidence.digest, place.height, place.transaction_id
        )
        state.put(evidence_key(row.validator, row.height), row)
        return (
            EvidenceRecorded(row.validator, row.height, row.digest, place.transaction_index, place.operation_index),
        )


def _example_vote(byte: str) -> dict[str, Json]:
    """A commit vote that signs nothing, for the documentation."""
    return {"type": "commit", "height": 7, "round": 0, "block_hash": byte * 32, "signature": byte * 64}


EvidenceRecord.kind = OperationKind(
    type="evidence.record",
    operation=EvidenceRecord,
    summary="Records that a validator signed two statements that contradict each other; once per validator and height.",
    fields=(
        Field(
            "evidence",
            fields.EVIDENCE,
            "The validator, its consensus key, and the two signed statements in ascending order of their signed bytes.",
        ),
    ),
    permission="Any validator of the set in force, with its node key; nodes do it by themselves.",
    codes=frozenset(),
    example={
        "type": "evidence.record",
        "by": "validator:v1",
        "evidence": {
            "validator": "v2",
            "key": _EXAMPLE_KEY,
            "first": _example_vote("0a"),
            "second": _example_vote("0b"),
        },
    },
    by_schema={"type": "string", "pattern": f"^{VALIDATOR_SENDER_PATTERN}$"},
)

KINDS: Final = (EvidenceRecord.kind,)
