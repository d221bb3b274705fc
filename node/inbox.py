"""The one queue in front of the replica: what came in and has not been looked at, by source and urgency.

Sources are the peers and this node's own submitters. Each has two lanes. *Urgent* is all that a decision may wait for:
consensus messages, requests, and bodies that were asked for. *Bulk* is gossip, submissions and catch-up. `take` gives
what one step of the replica shall do: everything about links first, then urgent messages, then a slice of bulk, and
within a lane one source after the other, so that no peer can crowd out another. Many envelopes are cut into slices,
because their signatures are verified within the step and a vote should not wait for a thousand of them; a message of
certified blocks, or a request for some, is the last of its step for the same reason. When urgent work never ends,
every `_URGENT_STEPS_MAX`th step takes a slice of bulk all the same.

Each source is bounded in messages and bytes. A peer whose share is full is not read until there is room (`put` waits);
a submission beyond the bound is refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ledger.consensus.inputs import PeerId
from ledger.limits import (
    INBOX_BYTES_MAX,
    INBOX_FRAMES_MAX,
    INBOX_SUBMISSION_BYTES_MAX,
    INBOX_SUBMISSIONS_MAX,
    STEP_ENVELOPES_MAX,
    STEP_MESSAGES_MAX,
)
from node.replica.inputs import Elapsed, PeerConnected, PeerDisconnected, PeerMessageReceived, ReplicaInput, Submitted
from node.wire import FetchRecords, PeerMessage, Records, Transactions

_URGENT_STEPS_MAX = 8


class _Waiting:
    """A message or submission in a lane; `offset` is how many of its envelopes have been taken."""

    __slots__ = ("bytes", "envelopes", "item", "offset")

    def __init__(self, item: PeerMessageReceived | Submitted, *, size: int) -> None:
        self.item = item
        self.bytes = size
        self.offset = 0
        self.envelopes = _envelopes(item)

    def take(self, room: int) -> ReplicaInput:
        """The whole of it, or the next envelopes, at most `room`."""
        start, self.offset = self.offset, min(self.offset + room, len(self.envelopes))
        if start == 0 and self.offset == len(self.envelopes):
            return self.item
        envelopes = self.envelopes[start : self.offset]
        match self.item:
            case Submitted(ticket, _):
                return Submitted(ticket, envelopes)
            case PeerMessageReceived(peer, message):
                requested = isinstance(message, Transactions) and message.requested
                return PeerMessageReceived(peer, Transactions(envelopes, requested))

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left."""
        return self.offset == len(self.envelopes)


@dataclass(slots=True)
class _Source:
    """What one peer, or this node's own API, has waiting."""

    urgent: deque[_Waiting]
    bulk: deque[_Waiting]
    frames: int = 0
    bytes: int = 0
    room: asyncio.Event | None = None  # somebody waits for it

    @property
    def full(self) -> bool:
        return self.frames >= INBOX_FRAMES_MAX or self.bytes >= INBOX_BYTES_MAX


class Inbox:
    """Filled by links and submitters, emptied by the runtime, all on one event loop."""

    def __init__(self) -> None:
        self._links: list[ReplicaInput] = []
        self._peers: dict[PeerId, _Source] = {}
        self._own = _Source(deque(), deque())
        self._own_envelopes = 0
        self._urgent: deque[_Source] = deque()  # sources with something in the lane, in order of service
        self._bulk: deque[_Source] = deque()
        self._urgent_steps = 0
        self._elapsed = False
        self._filled = asyncio.Event()

    def connected(self, peer: PeerId) -> None:
        """A link to `peer` is up, or has replaced the one before."""
        self._links.append(PeerConnected(peer))
        self._filled.set()

    def disconnected(self, peer: PeerId) -> None:
        """The last link to `peer` is down. What it sent before is still taken in."""
        self._links.append(PeerDisconnected(peer))
        self._filled.set()

    def elapsed(self) -> None:
        """The time that the replica asked to be woken at has come."""
        self._elapsed = True
        self._filled.set()

    async def put(self, peer: PeerId, message: PeerMessage, size: int) -> None:
        """Add a message whose frame had `size` bytes; returns when there is room for the next one of this peer."""
        source = self._peers.get(peer)
        if source is None:
            source = self._peers[peer] = _Source(deque(), deque())
        self._add(source, _Waiting(PeerMessageReceived(peer, message), size=size), urgent=_is_urgent(message))
        while source.full:
            if source.room is None:
                source.room = asyncio.Event()
            await source.room.wait()

    def submit(self, ticket: int, envelopes: tuple[bytes, ...]) -> bool:
        """Add a submission of this node's API. False: there is no room for it."""
        size = sum(map(len, envelopes))
        if (
            self._own_envelopes + len(envelopes) > INBOX_SUBMISSIONS_MAX
            or self._own.bytes + size > INBOX_SUBMISSION_BYTES_MAX
        ):
            return False
        self._own_envelopes += len(envelopes)
        self._add(self._own, _Waiting(Submitted(ticket, envelopes), size=size), urgent=False)
        return True

    async def wait(self) -> None:
        """Return when there is something to take."""
        await self._filled.wait()

    def take(self) -> list[ReplicaInput]:
        """The inputs of one step, removed from here; empty when there is nothing."""
        inputs, self._links = self._links, []
        if self._elapsed:
            self._elapsed = False
            inputs.append(Elapsed())
        if self._urgent and (not self._bulk or self._urgent_steps < _URGENT_STEPS_MAX):
            self._urgent_steps += 1
            self._serve(self._urgent, inputs, urgent=True)
        elif self._bulk:
            self._urgent_steps = 0
            self._serve(self._bulk, inputs, urgent=False)
        if not (self._urgent or self._bulk):
            self._filled.clear()
        return inputs

    def _add(self, source: _Source, waiting: _Waiting, *, urgent: bool) -> None:
        lane, order = (source.urgent, self._urgent) if urgent else (source.bulk, self._bulk)
        if not lane:
            order.append(source)
        lane.append(waiting)
        source.frames += 1
        source.bytes += waiting.bytes
        self._filled.set()

    def _serve(self, order: deque[_Source], inputs: list[ReplicaInput], *, urgent: bool) -> None:
        """Move messages of one lane into `inputs`, from one source after the other, up to the size of a step."""
        envelopes_left = STEP_ENVELOPES_MAX
        for _ in range(STEP_MESSAGES_MAX):
            if not order or envelopes_left == 0:
                return
            source = order.popleft()
            lane = source.urgent if urgent else source.bulk
            waiting = lane[0]
            before = waiting.offset
            inputs.append(waiting.take(envelopes_left))
            envelopes_left -= waiting.offset - before
            if source is self._own:
                self._own_envelopes -= waiting.offset - before
            if waiting.finished:
                lane.popleft()
                self._release(source, waiting)
            if lane:
                order.append(source)
            if _fills_step(waiting.item):
                return

    def _release(self, source: _Source, waiting: _Waiting) -> None:
        source.frames -= 1
        source.bytes -= waiting.bytes
        if source.room is not None and not source.full:
            source.room.set()
            source.room = None


def _is_urgent(message: PeerMessage) -> bool:
    match message:
        case Transactions(_, requested):
            return requested
        case Records() | FetchRecords():
            return False
        case _:
            return True


def _fills_step(item: PeerMessageReceived | Submitted) -> bool:
    """Whether it may cost megabytes of reading or verifying."""
    return isinstance(item, PeerMessageReceived) and isinstance(item.message, FetchRecords | Records)


def _envelopes(item: PeerMessageReceived | Submitted) -> tuple[bytes, ...]:
    match item:
        case Submitted(_, envelopes) | PeerMessageReceived(_, Transactions(envelopes, _)):
            return envelopes
        case _:
            return ()
