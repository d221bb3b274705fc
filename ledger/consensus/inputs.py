"""Everything the engine can be told. Each input comes with the time, as `Now`; the engine reads no clock."""

from __future__ import annotations

from typing import NewType, TypeAlias

from msgspec import Struct

from ledger.consensus.messages import ConsensusMessage, ProposedBlock, TimeoutCertificate
from ledger.primitives import Digest

PeerId = NewType("PeerId", str)
"""Who a message came from, for answering: opaque to the engine."""


class Now(Struct, frozen=True):
    """Time as an input: a monotonic clock for timers, and the wall clock (ms since 1970) for the time rule A7."""

    monotonic_ms: int
    wall_ms: int


class MessageReceived(Struct, frozen=True):
    """A verified message of this height. `sender` is None for the engine's own message, once it is durable."""

    message: ConsensusMessage
    sender: PeerId | None


class StatusReceived(Struct, frozen=True):
    """A peer says that it is in `round` of this height."""

    sender: PeerId
    round: int


class JustificationReceived(Struct, frozen=True):
    """The verified answer to a `WantJustification`."""

    digest: Digest
    justification: TimeoutCertificate


class BlockFacts(Struct, frozen=True):
    """What the engine needs to know of a valid block: the round and leader in its header, and its time."""

    round: int
    proposer: int
    time_ms: int


class BlockChecked(Struct, frozen=True):
    """The answer to a `CheckBlock`: the body is here and the block is valid against the state of its parent
    (`facts`), or it is not valid (`facts` is None). Validity is objective; no clock is part of it."""

    block_hash: Digest
    facts: BlockFacts | None


class BlockBuilt(Struct, frozen=True):
    """The answer to a `BuildBlock`: a fresh block of ours for `round`, checked like any other.

    `facts` is None when our own check refuses what we built: such a block is not proposed.
    """

    round: int
    block_hash: Digest
    block: ProposedBlock
    facts: BlockFacts | None


class WorkPending(Struct, frozen=True):
    """Transactions are waiting to be proposed (the timer of the height starts). Saying it twice changes nothing."""


class LinkLost(Struct, frozen=True):
    """The link to a validator, which was up before, has been down since `at_ms` of the monotonic clock."""

    validator: int
    at_ms: int


class LinkUp(Struct, frozen=True):
    """A validator is linked."""

    validator: int


class Wake(Struct, frozen=True):
    """Time has passed: the engine looks at its own deadlines (round timer, resend tick, heartbeat).

    Handed in once as soon as an engine is made, so that it can say when it wants to be woken, and then at `WakeAt`.
    An early one changes nothing.
    """


Input: TypeAlias = (
    MessageReceived
    | StatusReceived
    | JustificationReceived
    | BlockChecked
    | BlockBuilt
    | WorkPending
    | LinkLost
    | LinkUp
    | Wake
)
