"""The one queue in front of the replica: what came in and has not been looked at, by source and haste.

Sources are the peers and this node's own submitters. Each has three lanes. *Urgent* is all that a decision may wait
for: consensus messages, requests, and bodies that were asked for. *Prompt* is gossip that overtakes (`wire.Haste`), and
what is submitted by a sender of whom few wait here. *Bulk* is other gossip, other submissions and catch-up. `take`
gives what one step of the replica shall do: everything about links first, then a slice of one lane, the most urgent
that has something; within a lane one source after the other, so that no peer can crowd out another, and among
submissions one sender after the other, so that nobody waits for another's backlog. Many envelopes are cut into slices,
because they are read and verified within the step and a vote should not wait for a thousand of them; a message of
certified blocks, or a request for some or for bodies, is the last of its step for the same reason. Steps are short
while somebody reads over HTTP, who waits for the end of each. When work of one lane never ends, the lanes after it have
every `_STEPS_IN_A_ROW_MAX`th step all the same.

Each source is bounded in messages and bytes. A peer whose share is full is not read until there is room (`put` waits);
a submission beyond the bound, of all or of its sender, is refused.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from itertools import accumulate

from ledger.consensus.inputs import PeerId
from ledger.limits import (
    INBOX_BYTES_MAX,
    INBOX_FRAMES_MAX,
    INBOX_SENDER_SUBMISSION_BYTES_MAX,
    INBOX_SENDER_SUBMISSIONS_MAX,
    INBOX_SUBMISSION_BYTES_MAX,
    INBOX_SUBMISSIONS_MAX,
    PROMPT_TRANSACTIONS_MAX,
    SHORT_STEP_ENVELOPE_BYTES_MAX,
    SHORT_STEP_ENVELOPES_MAX,
    STEP_ENVELOPE_BYTES_MAX,
    STEP_ENVELOPES_MAX,
    STEP_MESSAGES_MAX,
)
from ledger.transaction import claimed_sender
from node.replica.inputs import Elapsed, PeerConnected, PeerDisconnected, PeerMessageReceived, ReplicaInput, Submitted
from node.wire import FetchRecords, FetchTransactions, Haste, PeerMessage, Records, Transactions

_STEPS_IN_A_ROW_MAX = 8
_STEP = STEP_ENVELOPES_MAX, STEP_ENVELOPE_BYTES_MAX
_SHORT_STEP = SHORT_STEP_ENVELOPES_MAX, SHORT_STEP_ENVELOPE_BYTES_MAX


@unique
class Lane(IntEnum):
    """What overtakes what, the first first."""

    URGENT = 0
    PROMPT = 1
    BULK = 2


_LANES = tuple(Lane)  # gone through at each step; an enumeration itself takes far longer to go through
_CATCH_UP = FetchRecords | Records
_LARGE = FetchTransactions | FetchRecords | Records
_LANE_OF_TRANSACTIONS = {Haste.REQUESTED: Lane.URGENT, Haste.PROMPT: Lane.PROMPT, Haste.BULK: Lane.BULK}


@dataclass(slots=True)
class _Room:
    """How many envelopes a step may still take, and of how many bytes."""

    envelopes_left: int
    bytes_left: int

    def admit(self, envelopes: Sequence[bytes]) -> int:
        """For how many of `envelopes`, no more than `envelopes_left`, from the first on, there was room, which they
        have now."""
        sizes = list(accumulate(map(len, envelopes)))
        count = bisect_right(sizes, self.bytes_left)
        if count:
            self.envelopes_left -= count
            self.bytes_left -= sizes[count - 1]
        return count


class _Waiting:
    """A message or submission in a lane; `offset` is how many of its envelopes have been taken.

    `sender` is whom it is for, among others of its source; what comes from a peer has none.
    """

    __slots__ = ("bytes", "envelopes", "item", "offset", "sender")

    def __init__(
        self, item: PeerMessageReceived | Submitted, envelopes: tuple[bytes, ...], *, size: int, sender: str = ""
    ) -> None:
        self.item = item
        self.envelopes = envelopes
        self.bytes = size
        self.sender = sender
        self.offset = 0

    def take(self, room: _Room) -> ReplicaInput | None:
        """The whole of it, or the next envelopes for which there is `room`; None when there is none for the first."""
        if not self.envelopes:
            return self.item
        start = self.offset
        self.offset += room.admit(self.envelopes[start : start + room.envelopes_left])
        if start == self.offset < len(self.envelopes):
            return None
        if start == 0 and self.offset == len(self.envelopes):
            return self.item
        envelopes = self.envelopes[start : self.offset]
        match self.item:
            case Submitted(ticket, _):
                return Submitted(ticket, envelopes)
            case PeerMessageReceived(peer, message):
                haste = message.haste if isinstance(message, Transactions) else Haste.BULK
                return PeerMessageReceived(peer, Transactions(envelopes, haste))

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left."""
        return self.offset == len(self.envelopes)


class _Turns:
    """What waits in one lane of one source: each sender's in order, and one sender after the other."""

    __slots__ = ("_by_sender",)

    def __init__(self) -> None:
        self._by_sender: dict[str, deque[_Waiting]] = {}  # none is empty; the first is next

    def __bool__(self) -> bool:
        return bool(self._by_sender)

    def append(self, waiting: _Waiting) -> None:
        queue = self._by_sender.get(waiting.sender)
        if queue is None:
            self._by_sender[waiting.sender] = deque((waiting,))
        else:
            queue.append(waiting)

    def first(self) -> _Waiting:
        return next(iter(self._by_sender.values()))[0]

    def served(self) -> bool:
        """The first had its turn: it goes when it is finished, and its sender to the end in any case. Returns whether
        more waits."""
        sender, queue = next(iter(self._by_sender.items()))
        if queue[0].finished:
            queue.popleft()
        if not queue:
            del self._by_sender[sender]
        elif len(self._by_sender) > 1:
            self._by_sender[sender] = self._by_sender.pop(sender)
        return bool(self._by_sender)


@dataclass(slots=True)
class _Source:
    """What one peer, or this node's own API, has waiting."""

    lanes: tuple[_Turns, ...] = field(default_factory=lambda: tuple(_Turns() for _ in _LANES))
    frames: int = 0
    bytes: int = 0
    room: asyncio.Event | None = None  # somebody waits for it

    @property
    def full(self) -> bool:
        return self.frames >= INBOX_FRAMES_MAX or self.bytes >= INBOX_BYTES_MAX


class Inbox:
    """Filled by links and submitters, emptied by the runtime, all on one event loop."""

    def __init__(self, arrived: Callable[[PeerMessageReceived | Submitted], None] = lambda _: None) -> None:
        """`arrived` hears of each message and submission that is let in, before anything else is done with it."""
        self._arrived = arrived
        self._links: list[ReplicaInput] = []
        self._peers: dict[PeerId, _Source] = {}
        self._own = _Source()
        self._own_envelopes = 0
        self._envelopes = 0  # of all sources
        self._sender_envelopes: Counter[str] = Counter()  # of the submissions that wait, by sender
        self._sender_bytes: Counter[str] = Counter()
        self._bulk_senders: set[str] = set()  # of whom many waited: until nothing does, so that all stays in order
        # For each lane: sources with something in it, in order of service; and how many steps it had in a row.
        self._order: tuple[deque[_Source], ...] = tuple(deque() for _ in _LANES)
        self._steps_in_a_row = [0] * len(Lane)
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
            source = self._peers[peer] = _Source()
        envelopes: tuple[bytes, ...] = ()
        if isinstance(message, Transactions):
            lane, envelopes = _LANE_OF_TRANSACTIONS[message.haste], message.envelopes
        else:
            lane = Lane.BULK if isinstance(message, _CATCH_UP) else Lane.URGENT
        self._add(source, _Waiting(PeerMessageReceived(peer, message), envelopes, size=size), lane)
        while source.full:
            if source.room is None:
                source.room = asyncio.Event()
            await source.room.wait()

    def submit(self, ticket: int, envelopes: tuple[bytes, ...]) -> bool:
        """Add a submission of this node's API, which has its turns with those of its first sender. False: no room."""
        size, sender = sum(map(len, envelopes)), claimed_sender(envelopes[0])
        if (
            self._own_envelopes + len(envelopes) > INBOX_SUBMISSIONS_MAX
            or self._own.bytes + size > INBOX_SUBMISSION_BYTES_MAX
            or self._sender_envelopes[sender] + len(envelopes) > INBOX_SENDER_SUBMISSIONS_MAX
            or self._sender_bytes[sender] + size > INBOX_SENDER_SUBMISSION_BYTES_MAX
        ):
            return False
        self._own_envelopes += len(envelopes)
        self._sender_envelopes[sender] += len(envelopes)
        self._sender_bytes[sender] += size
        if self._sender_envelopes[sender] > PROMPT_TRANSACTIONS_MAX:
            self._bulk_senders.add(sender)
        lane = Lane.BULK if sender in self._bulk_senders else Lane.PROMPT
        self._add(self._own, _Waiting(Submitted(ticket, envelopes), envelopes, size=size, sender=sender), lane)
        return True

    async def wait(self) -> None:
        """Return when there is something to take."""
        await self._filled.wait()

    def take(self, *, short: bool = False) -> list[ReplicaInput]:
        """The inputs of one step, which shall be `short` or not, removed from here; empty when there is nothing."""
        inputs, self._links = self._links, []
        if self._elapsed:
            self._elapsed = False
            inputs.append(Elapsed())
        lane = self._next_lane()
        if lane is not None:
            self._serve(lane, inputs, _Room(*(_SHORT_STEP if short else _STEP)))
        if not any(self._order):
            self._filled.clear()
        return inputs

    @property
    def backlog(self) -> bool:
        """Whether transactions wait here that no step has taken."""
        return self._envelopes > 0

    def _next_lane(self) -> Lane | None:
        """The lane of this step: the first that has something, unless it had enough and a later one waits."""
        for lane in _LANES:
            steps = self._steps_in_a_row
            if self._order[lane] and (steps[lane] < _STEPS_IN_A_ROW_MAX or not any(self._order[lane + 1 :])):
                steps[lane] += 1
                return lane
            steps[lane] = 0
        return None

    def _add(self, source: _Source, waiting: _Waiting, lane: Lane) -> None:
        turns = source.lanes[lane]
        if not turns:
            self._order[lane].append(source)
        turns.append(waiting)
        self._envelopes += len(waiting.envelopes)
        source.frames += 1
        source.bytes += waiting.bytes
        self._filled.set()
        self._arrived(waiting.item)

    def _serve(self, lane: Lane, inputs: list[ReplicaInput], room: _Room) -> None:
        """Move messages of one lane into `inputs`, from one source after the other, as long as there is room."""
        order = self._order[lane]
        for _ in range(STEP_MESSAGES_MAX):
            if not order or room.envelopes_left == 0:
                return
            source = order[0]
            turns = source.lanes[lane]
            waiting = turns.first()
            before = waiting.offset
            given = waiting.take(room)
            if given is None:
                return  # it is the first of the next step
            inputs.append(given)
            order.popleft()
            taken = waiting.offset - before
            self._envelopes -= taken
            if source is self._own:
                self._own_envelopes -= taken
                self._sender_envelopes[waiting.sender] -= taken
            if turns.served():
                order.append(source)
            if waiting.finished:
                self._release(source, waiting)
            if _fills_step(waiting.item):
                return

    def _release(self, source: _Source, waiting: _Waiting) -> None:
        source.frames -= 1
        source.bytes -= waiting.bytes
        if source is self._own:
            sender = waiting.sender
            self._sender_bytes[sender] -= waiting.bytes
            if not self._sender_envelopes[sender]:
                del self._sender_envelopes[sender], self._sender_bytes[sender]
                self._bulk_senders.discard(sender)
        if source.room is not None and not source.full:
            source.room.set()
            source.room = None


def _fills_step(item: PeerMessageReceived | Submitted) -> bool:
    """Whether it may cost megabytes of reading, copying or verifying."""
    return isinstance(item, PeerMessageReceived) and isinstance(item.message, _LARGE)
