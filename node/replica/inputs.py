"""Everything a replica can be told. The runtime collects inputs and hands them in as a batch, with the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ledger.consensus.inputs import PeerId
from node.wire import PeerMessage


@dataclass(frozen=True, slots=True)
class Submitted:
    """Envelopes from this node's own API. Answered, in order and in the same step, by `Answer` with `ticket`."""

    ticket: int
    envelopes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PeerMessageReceived:
    """A decoded frame of a connected peer; its content is not verified yet."""

    peer: PeerId
    message: PeerMessage


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A link to this peer (hex node key) is up. A second one for the same peer replaces the first."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The last link to this peer is down."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time has passed: the answer to `WakeAt`, and the first input after construction."""


ReplicaInput: TypeAlias = Submitted | PeerMessageReceived | PeerConnected | PeerDisconnected | Elapsed
