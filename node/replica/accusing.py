"""What becomes of a contradiction: kept durably when it is found, reported to the ledger, and done with once recorded.

Contradictions come from the engine, for the height being decided, and from a record of another chain, for any height.
What is kept was verified against the validators of its height, so nobody is named here who did not sign.

A record of another chain stops this node's vote when the set in force is not safe: when more of its keys are known to
have signed two different things than it tolerates. If it is the set that signed both blocks, that is always so (at
least 2q - n did, one more than it tolerates). If that was an earlier set, of which few sufficed or whose keys have been
replaced since, the present chain is as safe as before, and who kept old keys, or was alone once, must not be able to
silence everybody for ever.
[safety]
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.consensus.codec import decode_commit_record
from ledger.consensus.effects import ReportEvidence
from ledger.consensus.evidence import find_evidence, statements_of_record
from ledger.consensus.messages import SignedStatement
from ledger.events import Event, EvidenceRecorded
from ledger.evidence import evidence_of
from ledger.primitives import PublicKey
from ledger.validators import ValidatorSet
from node.replica.parts import Parts
from node.replica.syncing import Conflict
from node.storage.errors import DamagedError


def keep_evidence(parts: Parts, report: ReportEvidence) -> None:
    """Two statements of one validator that came in at the height being decided contradict each other."""
    _keep(parts, report.first, report.second, parts.deciding.validators)


def note_conflict(parts: Parts, conflict: Conflict) -> None:
    """Two chains exist: keep the record, accuse who signed both, and stop voting unless the set in force is safe."""
    height = conflict.height
    if parts.findings.keep_conflict(height, conflict.encoded):
        parts.out.log("chains_conflict", height=height)
    double_signers = _accuse_of_conflict(parts, conflict)
    in_force = parts.deciding.validators
    if double_signers is not None:
        known = double_signers | {item.key for item in parts.findings.evidence()}
        still = [key for key in known if in_force.index_of_consensus_key(key) is not None]
        same_set = parts.chain.validators_of(height).hash == in_force.hash
        if not same_set and len(still) <= in_force.tolerance.double_signing:
            return
    parts.keep_silent(
        f"a peer proves another block final at height {height}: two chains exist; the conflicting record is kept as "
        "evidence against the validators that signed both"
    )


def _accuse_of_conflict(parts: Parts, conflict: Conflict) -> set[PublicKey] | None:
    """Accuse the validators, at least 2q - n, that signed both blocks; their keys, or None when ours is damaged."""
    height = conflict.height
    try:
        ours = decode_commit_record(parts.chain.record(height))
        validators = parts.chain.validators_of(height)
    except DamagedError as error:
        parts.out.log("block_damaged", height=height, reason=str(error))
        return None
    theirs = decode_commit_record(conflict.encoded)
    double_signers = set()
    for first, second in find_evidence(statements_of_record(ours) + statements_of_record(theirs)):
        _keep(parts, first, second, validators)
        double_signers.add(validators.validators[first.validator].consensus_key)
    return double_signers


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
