"""What a replica says of itself: where it is, what it does there and why nothing is appended, if nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

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
    """A connected peer: its validator name (None for a follower), and what it last said of itself (0: nothing yet)."""

    peer: PeerId
    validator: str | None
    height: int
    round: int


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """The state of one replica. `deciding` is the height being decided, the tip's plus one.

    `prepared`, `committed` and `timed_out` name the validators whose votes of the current round are here;
    `missing` names those of whom there is none.
    """

    chain: Digest
    height: int
    block_hash: Digest
    time_ms: int
    deciding: int
    round: int
    leader: str
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
    peers: tuple[PeerStatus, ...]
    mempool_transactions: int
    mempool_bytes: int
    evidence_count: int
    conflict_height: int | None
    """The lowest height at which a peer proved another block final than ours, if one did: two chains exist."""
    unfit: str | None
    """Why the key of a node that is not in the validator set could not vote if it joined; None when it could."""
    explanation: str
    """One sentence for people: what the node waits for."""
    damage: DamageStatus = UNDAMAGED
