"""What it means for a quorum that some validators cannot be reached, in words.

Who is reachable is no fact of the ledger: nodes know their links, and whoever asks them says what follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ledger.validators import Tolerance


@dataclass(frozen=True, slots=True)
class Reach:
    """A set of n validators with quorum q, and the names of those that cannot be reached."""

    tolerance: Tolerance
    unreachable: tuple[str, ...]

    @property
    def spare(self) -> int:
        """How many more may fail before blocks are appended no more; below zero, so many are too few already."""
        return self.tolerance.stopped - len(self.unreachable)

    def sentence(self) -> str:
        """Who cannot be reached, and what that and one more failure mean."""
        n, q = self.tolerance.validators, self.tolerance.quorum
        if self.unreachable:
            reached = (
                f"{n - len(self.unreachable)} of {n} validators can be reached, all but {_names(self.unreachable)}"
            )
        else:
            reached = f"all {n} validators can be reached" if n > 1 else "the only validator can be reached"
        if self.spare < 0:
            return f"{reached}: {-self.spare} too few for the quorum of {q}, so nothing is appended"
        if self.spare == 0:
            return f"{reached}, and the quorum is {q}: one more failure stops the chain until it is back"
        return f"{reached}, and the quorum is {q}: after one more failure blocks are still appended"


def reach(tolerance: Tolerance, validators: Iterable[str], reachable: Collection[str]) -> Reach:
    """The reach of a set of these `validators`, of which those in `reachable` can be reached."""
    return Reach(tolerance, tuple(name for name in validators if name not in reachable))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names)
