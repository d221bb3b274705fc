"""Everything a replica can be told. The runtime collects inputs and hands them in as a batch, with the time."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ledger.consensus.inputs import PeerId
from node.wire import PeerMessage


class Submitted(Struct, frozen=True):
    """Envelopes from this node's own API. Answered, in order and in the same step, by `Answer` with `ticket`."""

    ticket: int
    envelopes: tuple[bytes, ...]


class PeerMessageReceived(Struct, frozen=True):
    """A decoded frame of a connected peer; its content is not verified yet."""

    peer: PeerId
    message: PeerMessage


class PeerConnected(Struct, frozen=True):
    """A link to this peer (hex node key) is up. A second one for the same peer replaces the first."""

    peer: PeerId


class PeerDisconnected(Struct, frozen=True):
    """The last link to this peer is down."""

    peer: PeerId


class Elapsed(Struct, frozen=True):
    """Time has passed: the answer to `WakeAt`, and the first input after construction."""


ReplicaInput: TypeAlias = Submitted | PeerMessageReceived | PeerConnected | PeerDisconnected | Elapsed
