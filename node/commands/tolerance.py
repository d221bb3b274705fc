"""What a network survives, in plain words: both numbers of design section 3, and what one failure more would do."""

from __future__ import annotations

from ledger.encoding import Json
from ledger.validators import Tolerance, default_quorum


def beyond(tolerance: Tolerance) -> str:
    """What happens one failure past each of the two numbers."""
    return (
        f"with {tolerance.stopped + 1} stopped nothing is appended until enough are back; "
        f"with {tolerance.double_signing + 1} signing two different things the chain can fork, provably by whom"
    )


def tolerance_json(tolerance: Tolerance) -> dict[str, Json]:
    """Both numbers and both sentences, for scripts."""
    return {
        "n": tolerance.validators,
        "q": tolerance.quorum,
        "tolerance": {"stopped": tolerance.stopped, "double_signing": tolerance.double_signing},
        "sentence": tolerance.sentence(),
        "beyond": beyond(tolerance),
    }


def usual_tolerances() -> tuple[str, ...]:
    """What networks of usual sizes survive with the default quorum, a line for each."""
    sizes = (3, 4, 7)
    return tuple(Tolerance(n, default_quorum(n).size(n)).sentence() for n in sizes)
