"""What a replica says of itself: where it is, what it does there and why nothing is appended, if nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from ledger.consensus.height import Timing
from ledger.consensus.inputs import PeerId
from ledger.primitives import Digest


@unique
class Role(StrEnum):
    """What a node does in consensus."""

    VOTING = "voting"
    """Its key is in the validator set and it votes."""
    OBSERVING = "observing"
    """Its key is in the validator set, but it does not vote; the reason says why."""
    FOLLOWING = "following"
    """It has no key in the validator set."""
    OUTDATED = "outdated"
    """The chain follows rules that its software does not know: it serves what it has and waits for its update."""
    HALTED = "halted"
    """Its storage failed; it does nothing any more."""


@dataclass(frozen=True, slots=True)
class DamageStatus:
    """What is damaged on this node's disk.

    `blocks` are the heights of blocks that are fetched again from peers, `replaced` counts those that were put back
    since the start; `elsewhere` says what no block puts right, so that the database must be made anew; and
    `archived_height` is the height of the damaged database that blocks are taken from, while it is, or None.
    """

    blocks: tuple[int, ...]
    replaced: int
    elsewhere: str | None
    archived_height: int | None


UNDAMAGED = DamageStatus((), 0, None, None)
"""Nothing is damaged, as far as is known."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """A connected peer: its validator name (None for a follower), and what it last said of itself (0: nothing yet).

    `silent_ms` is how long nothing came from it, `standing_ms` how long it has said the same height and round,
    `behind_ms` how long it has not said a height that was about that of this node.
    """

    peer: PeerId
    validator: str | None
    height: int
    round: int
    silent_ms: int = 0
    standing_ms: int = 0
    behind_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A validator that is not linked, and for how long, or since the start of this node."""

    validator: str
    for_ms: int


@dataclass(frozen=True, slots=True)
class BlockVotes:
    """A block, and the validators whose prepare votes for it, of the current round, are here."""

    block_hash: Digest
    validators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefusedBlock:
    """A proposed block that is not valid here, and why."""

    block_hash: Digest
    reason: str


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How far the clock of a validator was ahead of this node's (negative: behind), `age_ms` ago."""

    validator: str
    ahead_ms: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """The state of one replica. `deciding` is the height being decided, the tip's plus one, `waiting_ms` how long it is
    being decided here, `busy_ms` how long somebody has waited for it, as far as this node, which votes, can know (None:
    nobody does), and `round_ms` how long the timer of its round has run (None: it does not run).

    `prepared`, `committed` and `timed_out` name the validators whose votes of the current round are here;
    `missing` names those of whom there is none; `votes` says who prepared which block. `failed_leaders` led the rounds
    before this one. `wanted_blocks` were proposed and are not here. Durations are those that this node knows of.
    """

    chain: Digest
    height: int
    block_hash: Digest
    time_ms: int
    deciding: int
    waiting_ms: int
    busy_ms: int | None
    round: int
    round_ms: int | None
    timing: Timing
    leader: str
    failed_leaders: tuple[str, ...]
    proposal_seen: bool
    role: Role
    reason: str
    validator: str | None
    validators: tuple[str, ...]
    quorum: int
    quorum_sentence: str
    prepared: tuple[str, ...]
    committed: tuple[str, ...]
    timed_out: tuple[str, ...]
    missing: tuple[str, ...]
    votes: tuple[BlockVotes, ...]
    wanted_blocks: tuple[Digest, ...]
    refused_block: RefusedBlock | None
    refused_record: str | None
    """Why the block that a quorum certified for this height is not valid here; None when there is no such block."""
    peers: tuple[PeerStatus, ...]
    unlinked: tuple[Unlinked, ...]
    clocks: tuple[ClockReading, ...]
    clock_set_back_ms: int
    """How far this node's clock is behind the time of its own newest cosignature, or 0."""
    stood_still_ms: int
    """For how long this node stood still when it last did (see `watch`), or 0."""
    stood_still_ago_ms: int
    stood_still_times: int
    mempool_transactions: int
    mempool_bytes: int
    mempool_full: bool
    evidence_count: int
    conflict_height: int | None
    """The lowest height at which a peer proved another block final than ours, if one did: two chains exist."""
    unfit: str | None
    """Why the key of a node that is not in the validator set could not vote if it joined; None when it could."""
    explanation: str
    """One sentence for people: what the node waits for."""
    damage: DamageStatus = UNDAMAGED
