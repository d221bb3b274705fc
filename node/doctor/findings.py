"""The findings: a code each, how bad it is, and a remedy, in one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from ledger.encoding import Json


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
    CERTIFIED_BLOCK_REFUSED = "certified_block_refused"
    BEHIND = "behind"
    ISOLATED = "isolated"
    QUORUM_UNREACHABLE = "quorum_unreachable"
    QUORUM_WITHOUT_SPARE = "quorum_without_spare"
    VALIDATORS_UNREACHABLE = "validators_unreachable"
    VALIDATORS_SILENT = "validators_silent"
    VALIDATORS_BEHIND = "validators_behind"
    VALIDATORS_LAGGING = "validators_lagging"
    VALIDATORS_NOT_VOTING = "validators_not_voting"
    STALLED = "stalled"
    ROUNDS_FAIL = "rounds_fail"
    LEADER_SILENT = "leader_silent"
    VOTES_DIFFER = "votes_differ"
    BLOCK_UNAVAILABLE = "block_unavailable"
    BLOCK_REFUSED = "block_refused"
    SET_CHANGE_UNREACHABLE = "set_change_unreachable"
    SET_CHANGE_WITHOUT_SPARE = "set_change_without_spare"
    SET_CHANGE_DECIDED = "set_change_decided"
    EVIDENCE_FOUND = "evidence_found"
    CLOCK_WRONG = "clock_wrong"
    STOOD_STILL = "stood_still"
    WORKERS_LOST = "workers_lost"
    MEMPOOL_FULL = "mempool_full"
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
    FindingCode.CERTIFIED_BLOCK_REFUSED: (
        Severity.ERROR,
        "Stop this node and hold its database against the chain (quorum-node verify-store): its software or its state "
        "is not what the quorum has. If the store is sound, compare the versions of the software.",
    ),
    FindingCode.BEHIND: (
        Severity.WARNING,
        "Wait while it fetches blocks; if its height stands still, its log says why.",
    ),
    FindingCode.ISOLATED: (
        Severity.ERROR,
        "Look at its own network first. Have its node key pinned in the node.toml of two or more validators, and "
        "theirs in its own if they are not in genesis; check that it can reach them.",
    ),
    FindingCode.QUORUM_UNREACHABLE: (Severity.ERROR, _ASK),
    FindingCode.QUORUM_WITHOUT_SPARE: (Severity.WARNING, _ASK),
    FindingCode.VALIDATORS_UNREACHABLE: (Severity.WARNING, _ASK),
    FindingCode.VALIDATORS_SILENT: (
        Severity.WARNING,
        "Their link is up and nothing comes: ask their operators whether the process is stopped, its machine "
        "overloaded or its software too old to take part, and whether something between swallows what it sends.",
    ),
    FindingCode.VALIDATORS_BEHIND: (
        Severity.WARNING,
        "Those that catch up need time. Where the height stands still, quorum-node doctor on that machine says why.",
    ),
    FindingCode.VALIDATORS_LAGGING: (
        Severity.WARNING,
        "What this node sends them brings them into its round; it seems not to arrive: look at the network in that "
        "direction, and run quorum-node doctor on those machines.",
    ),
    FindingCode.VALIDATORS_NOT_VOTING: (
        Severity.WARNING,
        "Run quorum-node doctor on those machines: a validator that lost its vote state, or whose software is too old, "
        "follows and does not vote. One that should vote and does not is best re-keyed or removed by a proposal.",
    ),
    FindingCode.STALLED: (Severity.ERROR, "Ask the validators that it names as missing; the chain goes on by itself."),
    FindingCode.ROUNDS_FAIL: (
        Severity.WARNING,
        "Messages may take longer than a round lasts: look at the network and the load of the machines; if it cannot "
        "be faster, raise base_timeout_ms and timeout_ms_max by a proposal once blocks are appended again.",
    ),
    FindingCode.LEADER_SILENT: (
        Severity.WARNING,
        "The round passes to the next leader by itself. Run quorum-node doctor on that machine if it happens again.",
    ),
    FindingCode.VOTES_DIFFER: (
        Severity.WARNING,
        "Nothing is lost: a round that is split fails, and the next one decides. A leader that proposed two blocks is "
        "named by the evidence (GET /v1/evidence).",
    ),
    FindingCode.BLOCK_UNAVAILABLE: (
        Severity.WARNING,
        "All validators are asked for it in turn. If nobody has it, its leader keeps it back, or cannot be reached.",
    ),
    FindingCode.BLOCK_REFUSED: (
        Severity.WARNING,
        "Ask other operators for their doctor: if they refuse it too, its proposer is at fault. If this node alone "
        "does, its software or its database is (quorum-node verify-store).",
    ),
    FindingCode.SET_CHANGE_UNREACHABLE: (Severity.ERROR, _JOIN),
    FindingCode.SET_CHANGE_WITHOUT_SPARE: (Severity.WARNING, _JOIN),
    FindingCode.SET_CHANGE_DECIDED: (Severity.NOTICE, "Nothing is needed."),
    FindingCode.EVIDENCE_FOUND: (
        Severity.WARNING,
        "Ask its operator; if it may do so again, propose to remove the validator, or to re-key it (GET /v1/evidence).",
    ),
    FindingCode.CLOCK_WRONG: (
        Severity.WARNING,
        "Have the clock set by a time service (chrony, systemd-timesyncd). A leader whose clock is ahead loses its "
        "rounds; nothing else depends on it.",
    ),
    FindingCode.STOOD_STILL: (
        Severity.WARNING,
        "Its disk was too slow, its processor too busy, or the process was stopped: look at the machine. Others count "
        "it as absent meanwhile.",
    ),
    FindingCode.WORKERS_LOST: (
        Severity.WARNING,
        "Nothing is lost but time: the node verifies by itself until others run. Its log says what became of them: "
        "look for want of memory or an overloaded machine, or set verify_workers lower (0 for none).",
    ),
    FindingCode.MEMPOOL_FULL: (
        Severity.WARNING,
        "Submissions are refused until blocks have taken what waits: look at what keeps blocks from coming, or slow "
        "the submitters down.",
    ),
    FindingCode.STORAGE_LOW: (Severity.ERROR, "Make room on the disk of its data directory; submissions are refused."),
    FindingCode.BLOCKS_DAMAGED: (
        Severity.WARNING,
        "Wait: they are fetched again from peers and put back. Then look at the disk, for it may damage more.",
    ),
    FindingCode.DATABASE_DAMAGED: (
        Severity.ERROR,
        "See to it that the others are a quorum without this node: then it makes its database anew by itself, from its "
        "own blocks and theirs. If it says that it cannot: move data/database aside and start it. Look at the disk.",
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
    """One thing that was found; the sentence names what is at hand.

    `validators` are those that it is about, this node's own name among them if it is about itself, and none when it is
    about nobody in particular. `for_ms` is for how long it has been so, as far as this node knows; None: it can't know.
    """

    code: FindingCode
    sentence: str
    validators: tuple[str, ...] = ()
    for_ms: int | None = None

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
            "validators": list(self.validators),
            "for_ms": self.for_ms,
        }


def healthy(findings: Collection[Finding]) -> bool:
    """Whether nothing but notices was found."""
    return all(finding.severity is Severity.NOTICE for finding in findings)


def span(milliseconds: int) -> str:
    """A duration for people."""
    seconds = max(0, milliseconds) // 1_000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7_200:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h"
