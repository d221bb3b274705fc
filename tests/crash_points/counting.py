"""All runs of one history, and what there was: the numbers that tests and the command state."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from tests.campaigns.campaign import Outcome
from tests.crash_points.histories import HISTORIES, History
from tests.crash_points.operations import Kind, Restart, When
from tests.crash_points.recording import Recording, recording
from tests.crash_points.running import BOUND_MS, run
from tests.simulation.violation import Violation

NETWORKS = ((3, 2), (4, 3))

recorded = cache(recording)


@dataclass(frozen=True, slots=True)
class Told:
    """A history with the power going at every instant, and one way to come back; `runs` is how many futures were run,
    `slowest_ms` how long the slowest network took, from when all machines were back until two further heights were
    appended everywhere."""

    recording: Recording
    restart: Restart
    runs: int
    slowest_ms: int

    def line(self) -> str:
        """All of it."""
        counts = self.recording.instants
        return (
            f"back {self.restart.value}: {counts.total()} instants ({_parts(counts)}), "
            f"{self.runs} of {len(self.recording.futures)} futures; the slowest network was two heights further after "
            f"{self.slowest_ms} of {BOUND_MS} ms"
        )


def tell_all(n: int, q: int, history: History, restart: Restart, *, first: int = 0, every: int = 1) -> Told:
    """Let the power go at every instant of a history, or in every so-many-th of its futures from the `first` on.

    Raises `Violation`.
    """
    found = recorded(n, q, history)
    chosen = found.futures[first::every]
    return Told(found, restart, len(chosen), max(run(n, q, history, instant, restart) for instant in chosen))


UNITS = [(n, q, history, restart) for n, q in NETWORKS for history in HISTORIES for restart in Restart]
"""What the campaign runs, one after the other."""


def run_units(first: int, last: int) -> Outcome:
    """Some of the units, for `tests.campaigns`."""
    counts: Counter[str] = Counter()
    slowest_ms, violations = 0, []
    for n, q, history, restart in UNITS[first:last]:
        try:
            told = tell_all(n, q, history, restart)
        except Violation as violation:
            violations.append(f"{n} validators: {violation}")
            continue
        counts["crash points"] += told.recording.instants.total()
        counts["runs"] += told.runs
        slowest_ms = max(slowest_ms, told.slowest_ms)
    return Outcome(counts, {"milliseconds to two further heights": slowest_ms}, tuple(violations))


def _parts(counts: Counter[tuple[Kind, When]]) -> str:
    return ", ".join(
        f"{counts[kind, when]} {kind.value} {when.value}" for kind in Kind for when in When if counts[kind, when]
    )
