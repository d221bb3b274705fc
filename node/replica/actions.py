"""Everything a replica asks the runtime to do, in order. What an action promises is durable before it is returned.

A runtime that cannot carry out a send drops it: the replica repeats whatever still matters at its next tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from ledger.consensus.inputs import PeerId
from ledger.primitives import Digest
from ledger.refusals import Refusal
from node.wire import PeerMessage


class Pending(Struct, frozen=True, gc=False):
    """The transaction is in the mempool of this node (now, or since earlier)."""

    transaction_id: Digest


class Committed(Struct, frozen=True):
    """The transaction is in a block that is durable here."""

    transaction_id: Digest


Outcome: TypeAlias = Pending | Committed | Refusal
"""What became of one submitted envelope, as far as this node knows at the end of the step."""

Field: TypeAlias = str | int
"""The value of a field of a log event."""


class SendTo(Struct, frozen=True):
    """Send to one peer, if it is connected."""

    peer: PeerId
    message: PeerMessage


class SendToAll(Struct, frozen=True):
    """Send to every connected peer, or to those that are validators in the set of the height being decided."""

    message: PeerMessage
    validators_only: bool


class Answer(Struct, frozen=True):
    """The outcomes of `Submitted(ticket, envelopes)`, in the order of its envelopes."""

    ticket: int
    outcomes: tuple[Outcome, ...]


class BlockAppended(Struct, frozen=True):
    """A block is durable in this node's chain. `transaction_ids` are in the order of the block."""

    height: int
    block_hash: Digest
    transaction_ids: tuple[Digest, ...]


class PeerMisbehaved(Struct, frozen=True):
    """The peer sent what no correct node sends; the runtime closes its link and lets it wait before the next."""

    peer: PeerId
    reason: str


class WakeAt(Struct, frozen=True):
    """Hand in `Elapsed` at this monotonic time (which may be now); replaces the earlier wish."""

    monotonic_ms: int


class Logged(Struct, frozen=True):
    """One line for the operator: a stable event name and its fields."""

    event: str
    fields: Mapping[str, Field]


class Halted(Struct, frozen=True):
    """Storage failed: the process must end. Nothing follows this action, and every later step returns nothing else.

    With `rebuild`, it failed because something on disk is damaged that no block puts right: made anew from its own
    blocks and those of peers (`node.storage.rebuild`), the database is whole again.
    """

    reason: str
    rebuild: bool = False


Action: TypeAlias = SendTo | SendToAll | Answer | BlockAppended | PeerMisbehaved | WakeAt | Logged | Halted
