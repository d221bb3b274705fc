"""What waits to be sent over one link: bounded in frames and bytes, in four lanes, each in order. Pure.

A lane is emptied before the next one is looked at: a vote never waits behind gossip. When the outbox is full, gossip is
dropped, bulk first, oldest first, because whatever the peer misses of it comes with a proposal; when that does not make
room, the peer is hopelessly slow and the link closes. Gossip frames that waited leave as one.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum, unique

from msgspec import Struct

from ledger.limits import (
    GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_TRANSACTIONS_PER_FRAME_MAX,
    PEER_OUTBOX_BYTES_MAX,
    PEER_OUTBOX_FRAMES_MAX,
)
from node import wire


@unique
class Lane(IntEnum):
    """What a frame is, for the order of sending."""

    CONSENSUS = 0
    """Votes, certificates, status, and every request."""
    ANSWER = 1
    """Bulky answers: bodies and records that the peer asked for."""
    PROMPT = 2
    """New transactions of senders of whom few wait; may be dropped."""
    GOSSIP = 3
    """New transactions; may be dropped."""


_GOSSIP = (Lane.PROMPT, Lane.GOSSIP)
_LANE_OF_TRANSACTIONS = {
    wire.Haste.REQUESTED: Lane.ANSWER,
    wire.Haste.PROMPT: Lane.PROMPT,
    wire.Haste.BULK: Lane.GOSSIP,
}


class Outgoing(Struct, frozen=True):
    """An encoded frame (shared by the outboxes of all links), its lane, and how many envelopes it carries."""

    frame: bytes
    lane: Lane
    envelopes: int = 0


def outgoing(message: wire.PeerMessage) -> Outgoing:
    """`message`, encoded once, for any number of outboxes."""
    match message:
        case wire.Transactions(envelopes, haste):
            return Outgoing(wire.encode(message), _LANE_OF_TRANSACTIONS[haste], len(envelopes))
        case wire.Records():
            return Outgoing(wire.encode(message), Lane.ANSWER)
        case _:
            return Outgoing(wire.encode(message), Lane.CONSENSUS)


class Outbox:
    """The frames of one link. `dropped` counts gossip frames that were dropped since the link was opened."""

    __slots__ = ("_bytes", "_frames", "_lanes", "dropped")

    def __init__(self) -> None:
        self._lanes: tuple[deque[Outgoing], ...] = tuple(deque() for _ in Lane)
        self._frames = 0
        self._bytes = 0
        self.dropped = 0

    @property
    def waiting_frames(self) -> int:
        """How many frames wait."""
        return self._frames

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def push(self, item: Outgoing) -> bool:
        """Add a frame at the end of its lane. False: there is no room, not even without gossip; close the link."""
        while not self._fits(item):
            gossip = self._lanes[Lane.GOSSIP] or self._lanes[Lane.PROMPT]
            if not gossip and item.lane not in _GOSSIP:
                return False
            self.dropped += 1
            if not gossip:
                return True
            self._remove(gossip)
        self._lanes[item.lane].append(item)
        self._frames += 1
        self._bytes += len(item.frame)
        return True

    def pop(self) -> bytes | None:
        """The frame to send next, or None."""
        for lane in self._lanes:
            if lane:
                return self._merged(lane) if lane[0].lane in _GOSSIP else self._remove(lane).frame
        return None

    def _merged(self, gossip: deque[Outgoing]) -> bytes:
        """The oldest frames of a lane of gossip as one, as many as fit it."""
        first = self._remove(gossip)
        frames, envelopes, size = [first.frame], first.envelopes, len(first.frame)
        while (
            gossip
            and envelopes + gossip[0].envelopes <= GOSSIP_TRANSACTIONS_PER_FRAME_MAX
            and size + len(gossip[0].frame) <= GOSSIP_FRAME_BYTES_MAX
        ):
            item = self._remove(gossip)
            frames.append(item.frame)
            envelopes += item.envelopes
            size += len(item.frame)
        return wire.merge_gossip(frames)

    def _fits(self, item: Outgoing) -> bool:
        return self._frames < PEER_OUTBOX_FRAMES_MAX and self._bytes + len(item.frame) <= PEER_OUTBOX_BYTES_MAX

    def _remove(self, lane: deque[Outgoing]) -> Outgoing:
        item = lane.popleft()
        self._frames -= 1
        self._bytes -= len(item.frame)
        return item
