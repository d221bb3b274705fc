"""What is wrong with a node or its network: findings, each with a code, how bad it is, a sentence and a remedy.

Judged from what the node itself knows: its own standing, its links, its disk, and what the ledger has decided. So a
finding about others says what this node sees of them, and asking several nodes tells more. `examine` is a function of
its inputs; the HTTP API and `quorum-node doctor` show what it finds.

    itself     its seat and vote state, its software, its disk, its clock, its pace, its workers
    others     each other validator: linked, heard, level, in the round, voting
    progress   the quorum, the height and its round: what keeps a block from being appended
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ledger.consensus.inputs import PeerId
from ledger.errors import MalformedError
from ledger.governance.impact import impact
from ledger.governance.proposals import decided_set_change
from ledger.governance.reach import reach
from ledger.limits import EVIDENCE_PER_VALIDATOR_MAX
from ledger.state import State
from ledger.validators import Tolerance
from node.doctor.findings import TABLE, Finding, FindingCode, Severity, healthy
from node.doctor.itself import clocks, damage, lost_workers, own_standing
from node.doctor.others import Missing, describe_missing, missing_validators
from node.doctor.progress import BLOCKS_BEHIND_MAX_DEFAULT, Claim, claimed_height, links, progress, reachable, waiting
from node.replica import ReplicaStatus
from node.verification.status import NO_WORKERS, WorkersStatus

__all__ = [
    "BLOCKS_BEHIND_MAX_DEFAULT",
    "TABLE",
    "Accusation",
    "Claim",
    "Finding",
    "FindingCode",
    "Severity",
    "claimed_height",
    "examine",
    "healthy",
]


@dataclass(frozen=True, slots=True)
class Accusation:
    """Evidence that `validator` signed two contradictory statements of `height`: this node's own, or the ledger's."""

    validator: str
    height: int


def examine(
    status: ReplicaStatus,
    state: State,
    *,
    accusations: Collection[Accusation],
    storage_low: bool,
    dial_faults: Mapping[PeerId, str],
    workers: WorkersStatus = NO_WORKERS,
) -> tuple[Finding, ...]:
    """What is wrong, the worst first. `state` is that of the newest block; `dial_faults` says why the last attempts to
    dial nodes failed, by node key in hex."""
    nodes = {item.name: PeerId(item.node_key.hex()) for item in state.validators().validators}
    why = {name: dial_faults[node] for name, node in nodes.items() if node in dial_faults}
    missing = missing_validators(status, why)
    found = [
        *own_standing(status, state),
        *links(status, missing, why),
        *progress(status, missing),
        *describe_missing(missing),
        *waiting(status),
        *damage(status),
        *lost_workers(status, workers),
        *_set_change(status, state, missing),
        *_accused(state, accusations),
        *clocks(status),
        *_tolerance(Tolerance(len(status.validators), status.quorum)),
    ]
    if storage_low:
        me = () if status.validator is None else (status.validator,)
        found.append(Finding(FindingCode.STORAGE_LOW, "the disk of this node is nearly full", me))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _set_change(status: ReplicaStatus, state: State, missing: tuple[Missing, ...]) -> Iterator[Finding]:
    """A change of the set that is decided, and whether its quorum could be reached from here."""
    decided = decided_set_change(state)
    if decided is None:
        return
    what = f"proposal {decided.number} changes the validator set from height {decided.activation_height} on"
    current = state.validators()
    try:
        then = impact(current, decided.changes)
    except MalformedError as error:
        yield Finding(FindingCode.SET_CHANGE_DECIDED, f"{what}; as things are it will fail: {error}")
        return
    linked = {peer.peer for peer in status.peers}
    there = reachable(status, missing) - set(then.renewed)
    for name in then.renewed:
        candidate = state.candidate(name)
        if candidate is not None and candidate.entry.node_key.hex() in linked:
            there.add(name)
    reached = reach(then.after, then.validators, there)
    sentence = f"{what}: {then.after.sentence()}"
    if status.validator is None:
        yield Finding(FindingCode.SET_CHANGE_DECIDED, sentence)
    elif reached.spare < 0:
        yield Finding(FindingCode.SET_CHANGE_UNREACHABLE, f"{sentence}; now {reached.sentence()}", reached.unreachable)
    elif reached.spare == 0 and reached.unreachable:
        yield Finding(
            FindingCode.SET_CHANGE_WITHOUT_SPARE, f"{sentence}; now {reached.sentence()}", reached.unreachable
        )
    else:
        yield Finding(FindingCode.SET_CHANGE_DECIDED, f"{sentence}; now {reached.sentence()}")


def _accused(state: State, accusations: Collection[Accusation]) -> Iterator[Finding]:
    """Who signed two things with the key that it has now."""
    for validator in state.validators().validators:
        row = state.validator_key(validator.consensus_key)
        found = {item.height for item in accusations if item.validator == validator.name}
        heights = sorted(height for height in found if row is None or row.in_force_at(height))
        if heights:
            where = f"height {heights[0]}" if len(heights) == 1 else f"{len(heights)} heights, first at {heights[0]}"
            if len(heights) >= EVIDENCE_PER_VALIDATOR_MAX:
                where = f"{len(heights)} heights or more"  # only so many of them are looked at
            yield Finding(
                FindingCode.EVIDENCE_FOUND,
                f"{validator.name} signed two different things at {where}; the proof is its own signatures",
                (validator.name,),
            )


def _tolerance(tolerance: Tolerance) -> Iterator[Finding]:
    """What the network does not survive by its very set."""
    if tolerance.stopped == 0:
        yield Finding(
            FindingCode.TOLERANCE_STOPPED_NONE,
            f"the quorum is all {tolerance.validators} validators: one that stops stops the chain until it is back",
        )
    if tolerance.double_signing == 0 and tolerance.validators > 1:
        yield Finding(
            FindingCode.TOLERANCE_DOUBLE_SIGNING_NONE,
            f"{tolerance.quorum} of {tolerance.validators} validators are the quorum: one that signs two different "
            "things can fork the ledger, provably",
        )
