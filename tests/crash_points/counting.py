"""All runs of one history, and what there was: the numbers that tests and the command state."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from tests.crash_points.histories import History
from tests.crash_points.operations import Kind, Restart, When
from tests.crash_points.recording import Recording, recording
from tests.crash_points.running import BOUND_MS, run

NETWORKS = ((3, 2), (4, 3))

recorded = cache(recording)


@dataclass(frozen=True, slots=True)
class Told:
    """A history with the power going at every instant, and one way to come back; `slowest_ms` is how long the slowest
    network took, from when all machines were back until two further heights were appended everywhere."""

    recording: Recording
    restart: Restart
    slowest_ms: int

    def line(self) -> str:
        """All of it."""
        counts = self.recording.instants
        return (
            f"back {self.restart.value}: {counts.total()} instants ({_parts(counts)}), "
            f"{len(self.recording.futures)} futures; the slowest network was two heights further after "
            f"{self.slowest_ms} of {BOUND_MS} ms"
        )


def tell_all(n: int, q: int, history: History, restart: Restart) -> Told:
    """Let the power go at every instant of a history. Raises `Violation`."""
    found = recorded(n, q, history)
    return Told(found, restart, max(run(n, q, history, instant, restart) for instant in found.futures))


def _parts(counts: Counter[tuple[Kind, When]]) -> str:
    return ", ".join(
        f"{counts[kind, when]} {kind.value} {when.value}" for kind in Kind for when in When if counts[kind, when]
    )
