"""What becomes of a contradiction: kept durably when it is found, reported to the ledger, and done with once recorded.

Contradictions come from the engine, for the height being decided, and from a record of another chain, for any height.
What is kept was verified against the validators of its height, so nobody is named here who did not sign.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.consensus.codec import decode_commit_record
from ledger.consensus.effects import ReportEvidence
from ledger.consensus.evidence import find_evidence, statements_of_record
from ledger.consensus.messages import SignedStatement
from ledger.events import Event, EvidenceRecorded
from ledger.evidence import evidence_of
from ledger.validators import ValidatorSet
from node.replica.parts import Parts
from node.replica.syncing import Conflict
from node.storage.errors import DamagedError


def keep_evidence(parts: Parts, report: ReportEvidence) -> None:
    """Two statements of one validator that came in at the height being decided contradict each other."""
    _keep(parts, report.first, report.second, parts.deciding.validators)


def keep_evidence_of_conflict(parts: Parts, conflict: Conflict) -> None:
    """Two chains exist: the records of both blocks name at least 2q - n validators that signed both."""
    height = conflict.height
    try:
        ours = decode_commit_record(parts.chain.record(height))
        validators = parts.chain.validators_of(height)
    except DamagedError as error:
        parts.out.log("block_damaged", height=height, reason=str(error))
        return
    theirs = decode_commit_record(conflict.encoded)
    for first, second in find_evidence(statements_of_record(ours) + statements_of_record(theirs)):
        _keep(parts, first, second, validators)


def note_recorded(parts: Parts, events: Iterable[Event]) -> None:
    """A block was appended, with these events: what it recorded need not be reported any more."""
    for event in events:
        if isinstance(event, EvidenceRecorded):
            parts.reports.recorded(event.validator, event.height)
            parts.out.log(
                "evidence_recorded", validator=event.validator, height=event.height, digest=event.digest.hex()
            )


def _keep(parts: Parts, first: SignedStatement, second: SignedStatement, validators: ValidatorSet) -> None:
    accused = validators.validators[first.validator]
    evidence = evidence_of(accused.name, accused.consensus_key, first, second)
    if parts.findings.keep_evidence(first.validator, evidence):
        if parts.deciding.state.evidence(evidence.validator, evidence.height) is None:
            parts.reports.wait(evidence)
        parts.out.log("evidence_found", height=evidence.height, validator=accused.name, kind=str(evidence.kind))
