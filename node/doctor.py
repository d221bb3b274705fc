"""What is wrong with a node or its network: findings, each with a code, how bad it is, a sentence and a remedy.

Judged from what the node itself knows: its own standing, its links, its disk, and what the ledger has decided. So a
finding about others says what this node sees of them, and asking several nodes tells more. `examine` is a function of
its inputs; the HTTP API and `quorum-node doctor` show what it finds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.governance.activation import unknown_rules
from ledger.governance.impact import impact
from ledger.governance.proposals import decided_set_change
from ledger.governance.reach import reach
from ledger.limits import EVIDENCE_PER_VALIDATOR_MAX
from ledger.parameters import PROTOCOL_VERSION
from ledger.state import State
from ledger.validators import Tolerance
from node.replica import DamageStatus, ReplicaStatus, Role

BLOCKS_BEHIND_MAX_DEFAULT: Final = 2
STALLED_ROUNDS: Final = 3  # a leader that is away costs one round, and two of them two


@unique
class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    ERROR = "error"
    """Something does not work."""
    WARNING = "warning"
    """Something works, and one more failure or some time ends that; or somebody did what must not be done."""
    NOTICE = "notice"
    """No fault, and worth knowing."""


@unique
class FindingCode(StrEnum):
    """Stable names of what can be found. Never renamed, never reused."""

    NODE_NOT_ANSWERING = "node_not_answering"
    NODE_UNFIT = "node_unfit"
    VOTE_STATE_LOST = "vote_state_lost"
    HALTED = "halted"
    NOT_VOTING = "not_voting"
    NOT_IN_SET = "not_in_set"
    CHAINS_CONFLICT = "chains_conflict"
    PROTOCOL_VERSION_UNKNOWN = "protocol_version_unknown"
    BEHIND = "behind"
    ISOLATED = "isolated"
    QUORUM_UNREACHABLE = "quorum_unreachable"
    QUORUM_WITHOUT_SPARE = "quorum_without_spare"
    VALIDATORS_UNREACHABLE = "validators_unreachable"
    STALLED = "stalled"
    SET_CHANGE_UNREACHABLE = "set_change_unreachable"
    SET_CHANGE_WITHOUT_SPARE = "set_change_without_spare"
    SET_CHANGE_DECIDED = "set_change_decided"
    EVIDENCE_FOUND = "evidence_found"
    STORAGE_LOW = "storage_low"
    BLOCKS_DAMAGED = "blocks_damaged"
    DATABASE_DAMAGED = "database_damaged"
    DATABASE_REBUILDING = "database_rebuilding"
    TOLERANCE_STOPPED_NONE = "tolerance_stopped_none"
    TOLERANCE_DOUBLE_SIGNING_NONE = "tolerance_double_signing_none"


_JOIN = "Get them linked before that height, for it comes as decided: joiners must be pinned, and have caught up."
_ASK = "Ask their operators whether they run and can be reached; the log says why a link fails."

TABLE: Final[Mapping[FindingCode, tuple[Severity, str]]] = {
    FindingCode.NODE_NOT_ANSWERING: (
        Severity.ERROR,
        "Start it (quorum-node start); if it runs, its log says why its API does not answer.",
    ),
    FindingCode.NODE_UNFIT: (Severity.ERROR, "Correct what it says; quorum-node config check shows the rest."),
    FindingCode.VOTE_STATE_LOST: (
        Severity.ERROR,
        "Its key must never vote again: make a new home with new keys, and have the validator re-keyed by a proposal.",
    ),
    FindingCode.HALTED: (Severity.ERROR, "Look at its log and its disk, then start it again."),
    FindingCode.NOT_VOTING: (
        Severity.ERROR,
        "If it is fetching blocks, wait; otherwise have the validator re-keyed by a proposal.",
    ),
    FindingCode.NOT_IN_SET: (
        Severity.NOTICE,
        "To join: submit its ready statement (quorum-node ready), and have it proposed. Otherwise nothing is needed.",
    ),
    FindingCode.CHAINS_CONFLICT: (
        Severity.ERROR,
        "Compare the block of that height with other operators before relying on either chain: who signed both is "
        "named by the evidence (GET /v1/evidence and /v1/evidence/unrecorded).",
    ),
    FindingCode.PROTOCOL_VERSION_UNKNOWN: (
        Severity.ERROR,
        "Update its software: up to the height before it votes as ever, from then on it only serves what it has.",
    ),
    FindingCode.BEHIND: (
        Severity.WARNING,
        "Wait while it fetches blocks; if its height stands still, its log says why.",
    ),
    FindingCode.ISOLATED: (
        Severity.ERROR,
        "Have its node key pinned in the node.toml of two or more validators, and theirs in its own if they are not in "
        "genesis; check that it can reach them.",
    ),
    FindingCode.QUORUM_UNREACHABLE: (Severity.ERROR, _ASK),
    FindingCode.QUORUM_WITHOUT_SPARE: (Severity.WARNING, _ASK),
    FindingCode.VALIDATORS_UNREACHABLE: (Severity.WARNING, _ASK),
    FindingCode.STALLED: (Severity.ERROR, "Ask the validators that it names as missing; the chain goes on by itself."),
    FindingCode.SET_CHANGE_UNREACHABLE: (Severity.ERROR, _JOIN),
    FindingCode.SET_CHANGE_WITHOUT_SPARE: (Severity.WARNING, _JOIN),
    FindingCode.SET_CHANGE_DECIDED: (Severity.NOTICE, "Nothing is needed."),
    FindingCode.EVIDENCE_FOUND: (
        Severity.WARNING,
        "Ask its operator; if it may do so again, propose to remove the validator, or to re-key it (GET /v1/evidence).",
    ),
    FindingCode.STORAGE_LOW: (Severity.ERROR, "Make room on the disk of its data directory; submissions are refused."),
    FindingCode.BLOCKS_DAMAGED: (
        Severity.WARNING,
        "Wait: they are fetched again from peers and put back. Then look at the disk, for it may damage more.",
    ),
    FindingCode.DATABASE_DAMAGED: (
        Severity.ERROR,
        "See to it that the others are a quorum without this node: then it makes its database anew by itself, from its "
        "own blocks and theirs; unless its log says that it cannot. Look at the disk.",
    ),
    FindingCode.DATABASE_REBUILDING: (
        Severity.WARNING,
        "Wait: it votes again once it has all of its blocks. Look at the disk, for it may damage more.",
    ),
    FindingCode.TOLERANCE_STOPPED_NONE: (Severity.NOTICE, "Add validators, or lower the quorum, by a proposal."),
    FindingCode.TOLERANCE_DOUBLE_SIGNING_NONE: (
        Severity.NOTICE,
        "Choose the quorum rule bft, or another number of validators, by a proposal.",
    ),
}
"""How bad each finding is, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; the sentence names what is at hand."""

    code: FindingCode
    sentence: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return TABLE[self.code][0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return TABLE[self.code][1]

    def to_json(self) -> dict[str, Json]:
        """The finding as the API and the command give it."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "sentence": self.sentence,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Accusation:
    """Evidence that `validator` signed two contradictory statements of `height`: this node's own, or the ledger's."""

    validator: str
    height: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The height that peers say they decide, as far as it is believed (0: nobody says anything), and who says so."""

    height: int
    by: str


def healthy(findings: Collection[Finding]) -> bool:
    """Whether nothing but notices was found."""
    return all(finding.severity is Severity.NOTICE for finding in findings)


def examine(
    status: ReplicaStatus, state: State, *, accusations: Collection[Accusation], storage_low: bool, now_ms: int
) -> tuple[Finding, ...]:
    """What is wrong, the worst first. `state` is that of the newest block, `now_ms` this machine's clock."""
    found = [
        *_own_standing(status, state),
        *_links(status),
        *_progress(status, state, now_ms),
        *_set_change(status, state),
        *_accused(state, accusations),
        *_tolerance(Tolerance(len(status.validators), status.quorum)),
    ]
    found += _damage(status.damage)
    if storage_low:
        found.append(Finding(FindingCode.STORAGE_LOW, "the disk of this node is nearly full"))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def claimed_height(status: ReplicaStatus) -> Claim:
    """The height that others are at.

    A height is a claim. The network lives with n - q validators that fail, so one more has to agree; followers are
    asked where there is no validator. Where fewer are connected, all of them have to agree.
    """
    heard = [peer for peer in status.peers if peer.height > 0]
    validators = [peer.height for peer in heard if peer.validator is not None]
    heights = sorted(validators or (peer.height for peer in heard), reverse=True)
    count = min(len(status.validators) - status.quorum + 1, len(heights))
    who = "validators" if validators else "peers"
    return Claim(heights[count - 1] if heights else 0, f"{count} of {len(heights)} connected {who}")


def _own_standing(status: ReplicaStatus, state: State) -> Iterator[Finding]:
    """Whether this node does what it should."""
    if status.role is Role.HALTED:
        yield Finding(FindingCode.HALTED, f"this node has halted: {status.reason}")
    elif status.role is Role.OBSERVING:
        yield Finding(FindingCode.NOT_VOTING, f"{status.validator}, this node, does not vote: {status.reason}")
    elif status.role is Role.FOLLOWING:
        yield Finding(FindingCode.NOT_IN_SET, f"this node follows: {status.reason}")
    if status.unfit is not None:
        yield Finding(FindingCode.VOTE_STATE_LOST, f"this node could not vote if it joined: {status.unfit}")
    if (height := status.conflict_height) is not None:
        yield Finding(
            FindingCode.CHAINS_CONFLICT, f"a quorum signed another block of height {height} than this node has"
        )
    if (rules := unknown_rules(state, status.height)) is not None:
        yield Finding(
            FindingCode.PROTOCOL_VERSION_UNKNOWN,
            f"from height {rules.height} on the chain follows protocol version {rules.protocol_version}, and this "
            f"software knows {PROTOCOL_VERSION} at most",
        )


def _damage(damage: DamageStatus) -> Iterator[Finding]:
    """What the disk of this node has damaged."""
    if damage.elsewhere is not None:
        yield Finding(FindingCode.DATABASE_DAMAGED, f"the database of this node is damaged: {damage.elsewhere}")
    if damage.blocks:
        count, first = len(damage.blocks), damage.blocks[0]
        what = f"block {first} is" if count == 1 else f"{count} blocks are, the first of them {first},"
        yield Finding(FindingCode.BLOCKS_DAMAGED, f"{what} damaged on the disk of this node")
    if damage.archived_height is not None:
        yield Finding(
            FindingCode.DATABASE_REBUILDING,
            f"the database of this node was damaged up to height {damage.archived_height}, and is being made anew",
        )


def _links(status: ReplicaStatus) -> Iterator[Finding]:
    """Who cannot be reached, and what that means for the quorum. A follower is linked to few, and needs one."""
    tolerance = Tolerance(len(status.validators), status.quorum)
    if status.validator is None:
        if not status.peers:
            yield Finding(FindingCode.ISOLATED, "this node is linked to nobody, so it gets no blocks")
        return
    reached = reach(tolerance, status.validators, _reachable(status))
    if reached.spare < 0:
        yield Finding(FindingCode.QUORUM_UNREACHABLE, reached.sentence())
    elif reached.spare == 0 and reached.unreachable:
        yield Finding(FindingCode.QUORUM_WITHOUT_SPARE, reached.sentence())
    elif reached.unreachable:
        yield Finding(FindingCode.VALIDATORS_UNREACHABLE, reached.sentence())


def _progress(status: ReplicaStatus, state: State, now_ms: int) -> Iterator[Finding]:
    """Whether this node is where others are, and whether blocks are appended at all; if it could know."""
    if status.validator is None and not status.peers:
        return
    claim = claimed_height(status)
    if claim.height - status.deciding > BLOCKS_BEHIND_MAX_DEFAULT:
        yield Finding(
            FindingCode.BEHIND,
            f"{claim.by} are at height {claim.height}, this node is at {status.deciding}: "
            f"{claim.height - status.deciding} blocks behind",
        )
        return
    parameters = state.parameters()
    age_ms = now_ms - status.time_ms
    if status.round < STALLED_ROUNDS and age_ms <= parameters.heartbeat_ms + parameters.timeout_ms_max:
        return
    missing = f"; no vote seen from: {', '.join(status.missing)}" if status.missing else ""
    yield Finding(
        FindingCode.STALLED,
        f"nothing was appended for {max(0, age_ms) // 1_000} s: height {status.deciding} is in round {status.round}, "
        f"{status.explanation}{missing}",
    )


def _set_change(status: ReplicaStatus, state: State) -> Iterator[Finding]:
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
    reachable = _reachable(status) - set(then.renewed)
    for name in then.renewed:
        candidate = state.candidate(name)
        if candidate is not None and candidate.entry.node_key.hex() in linked:
            reachable.add(name)
    reached = reach(then.after, then.validators, reachable)
    sentence = f"{what}: {then.after.sentence()}"
    if status.validator is None:
        yield Finding(FindingCode.SET_CHANGE_DECIDED, sentence)
    elif reached.spare < 0:
        yield Finding(FindingCode.SET_CHANGE_UNREACHABLE, f"{sentence}; now {reached.sentence()}")
    elif reached.spare == 0 and reached.unreachable:
        yield Finding(FindingCode.SET_CHANGE_WITHOUT_SPARE, f"{sentence}; now {reached.sentence()}")
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


def _reachable(status: ReplicaStatus) -> set[str]:
    """The validators that this node is linked to, and itself if it votes."""
    names = {peer.validator for peer in status.peers if peer.validator is not None}
    if status.validator is not None and status.role is Role.VOTING:
        names.add(status.validator)
    return names
