"""What a replica notices as time goes on, for whoever asks why nothing is appended, and since when.

It decides nothing: of all this the rules of the protocol are told only which links are lost. All of it is bounded by
the number of validators, and lost with a restart, so every duration is "for as long as this node knows, or longer".
Times are of the monotonic clock.

**Clocks of others.** A validator cosigns a new block at once, with the time of its clock. So a cosignature of the tip
that comes soon after the tip was appended here says, to a few seconds, how far its clock is from ours.

**Standing still.** A replica is woken at least once a tick. One that is woken much later than it asked for was paused,
or its last step took that long: a slow disk, a processor that has too much to do. What peers said meanwhile waits
unread, so their silence is counted from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.consensus.inputs import Now, PeerId
from ledger.limits import COSIGN_QUIET_MS, VALIDATORS_MAX

STOOD_STILL_TICKS = 8
"""A step that is so many ticks late shows that the node stood still, for so long that others took it for silent."""

_READING_MS_MAX = COSIGN_QUIET_MS + 2_000  # a tip that is older may be cosigned again, or have been a while ago
_UNREAD_MS = 10_000  # after standing still, what comes may have waited for as long


@dataclass(frozen=True, slots=True)
class Reading:
    """How far ahead of ours the clock of a validator was (`ahead_ms`, negative when behind), and when."""

    ahead_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Standstill:
    """The newest time that this node stood still: until when, for how long, and which since its start it was."""

    until_ms: int
    for_ms: int
    number: int


@dataclass(slots=True)
class Watch:
    """`appended_at_ms` is when the tip was appended here, or the node started, which `started_at_ms` is. `due_ms` is
    when the node asked to be woken, None before its first step: what a start takes is no standstill. `busy_at_ms` is
    when the timer of this height was first seen to run: since then somebody waits for it. `unlinked` has since when
    validators are not linked that were."""

    started_at_ms: int
    appended_at_ms: int
    due_ms: int | None = None
    busy_at_ms: int | None = None
    unlinked: dict[PeerId, int] = field(default_factory=dict)
    clocks: dict[str, Reading] = field(default_factory=dict)
    stood_still: Standstill | None = None

    def step_begins(self, now_ms: int, tick_ms: int) -> None:
        """Notice a step that comes much too late."""
        late_ms = 0 if self.due_ms is None else now_ms - self.due_ms
        if late_ms >= STOOD_STILL_TICKS * tick_ms:
            number = 1 if self.stood_still is None else self.stood_still.number + 1
            self.stood_still = Standstill(now_ms, late_ms, number)

    def step_ends(self, now_ms: int, due_ms: int, *, timer_running: bool) -> None:
        """Note when the node wants to be woken."""
        self.due_ms = max(due_ms, now_ms)
        if timer_running and self.busy_at_ms is None:
            self.busy_at_ms = now_ms

    def appended(self, now_ms: int) -> None:
        """The tip is new."""
        self.appended_at_ms, self.busy_at_ms = now_ms, None

    def linked(self, peer: PeerId) -> None:
        """A link is up."""
        self.unlinked.pop(peer, None)

    def link_lost(self, validator: PeerId, now_ms: int) -> None:
        """The link to a validator is down."""
        self.unlinked[validator] = now_ms
        while len(self.unlinked) > VALIDATORS_MAX:  # of former validators, then
            del self.unlinked[next(iter(self.unlinked))]

    def cosigned(self, validator: str, time_s: int, now: Now) -> None:
        """A cosignature of the tip came just now. Its time was cut to whole seconds."""
        now_ms, still = now.monotonic_ms, self.stood_still
        if now_ms - self.appended_at_ms > _READING_MS_MAX:
            return
        if still is not None and now_ms - still.until_ms <= _UNREAD_MS:
            return
        self.clocks.pop(validator, None)
        self.clocks[validator] = Reading(time_s * 1_000 + 500 - now.wall_ms, now_ms)
        while len(self.clocks) > VALIDATORS_MAX:
            del self.clocks[next(iter(self.clocks))]

    def since(self, at_ms: int) -> int:
        """`at_ms`, or when this node last stood still, if that was later."""
        return at_ms if self.stood_still is None else max(at_ms, self.stood_still.until_ms)
