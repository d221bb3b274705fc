"""What a campaign is, and what a piece of it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What some units came to: `counts` add up over pieces, of each of `largest` the maximum is kept.

    `violations` are sentences, each with the command that shows it again; they do not end a campaign.
    """

    counts: Mapping[str, int]
    largest: Mapping[str, int]
    violations: tuple[str, ...]

    def __add__(self, other: Outcome) -> Outcome:
        """Both together, names in order."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        names = sorted({*self.largest, *other.largest})
        largest = {name: max(self.largest.get(name, 0), other.largest.get(name, 0)) for name in names}
        return Outcome(dict(sorted(counts.items())), largest, (*self.violations, *other.violations))


NOTHING = Outcome({}, {}, ())


@dataclass(frozen=True, slots=True)
class Campaign:
    """`units` pieces of work, numbered from 0, each of which is a `unit` (in the plural).

    `run(first, last)`, a function of a module, runs those from `first` to `last` - 1; `chunk` units are run, and
    recorded, at once: choose them to take about a minute.
    """

    name: str
    about: str
    units: int
    unit: str
    chunk: int
    run: Callable[[int, int], Outcome]

    def chunks(self) -> list[tuple[int, int]]:
        """(first, last) of every chunk."""
        return [(first, min(first + self.chunk, self.units)) for first in range(0, self.units, self.chunk)]
