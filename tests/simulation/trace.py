"""The trace of a run: one line per event, in fixed columns, and a digest of all of it.

    column   1-9    simulated time in milliseconds
    column   11-15  machine: v0 is validator 0, v3' a second machine with the key of validator 3, f0 a follower
    column   17-26  what happened: boot, refuse (to start), cut (power), halt, pause, clock, incident, hear, send,
                    submit, answer, append, blame, log; and of the whole world: phase, split, power
    column   28-34  height/round that the machine decides when the line is written, or - when it is down
    column   36-    note: who sends or receives what, the hash of a block, the reason of a log line

The digest covers every frame that arrives, byte for byte, and every event, whether or not lines are kept: two runs
with the same digest went the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class Trace:
    """Collects the digest, and hands readable lines to `show` if somebody wants them."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._digest = hashlib.sha256()
        self._show = show
        self.events = 0

    @property
    def wanted(self) -> bool:
        """Whether notes are read by anybody: they cost time."""
        return self._show is not None

    def event(self, time_ms: int, machine: str, kind: str, position: str = "-", note: str = "") -> None:
        """One event."""
        self.events += 1
        self._digest.update(f"{time_ms} {machine} {kind} {position}\n".encode())
        self.line(time_ms, machine, kind, position, note)

    def line(self, time_ms: int, machine: str, kind: str, position: str, note: str) -> None:
        """A line for readers only: what it says is in the digest otherwise."""
        if self._show is not None:
            self._show(f"{time_ms:>9} {machine:<5} {kind:<10} {position:<7} {note}".rstrip())

    def frame(self, time_ms: int, receiver: int, frame: bytes) -> None:
        """A frame arrives."""
        self.events += 1
        self._digest.update(b"%d %d " % (time_ms, receiver))
        self._digest.update(frame)

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._digest.hexdigest()
