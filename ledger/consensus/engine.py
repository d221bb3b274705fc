"""The engine of one height (public face; being filled in)."""

from __future__ import annotations

from ledger.consensus.effects import Effect
from ledger.consensus.height import HeightContext, Restored, RoundStatus, Timing
from ledger.consensus.inputs import Input, Now
from ledger.consensus.messages import TimeoutCertificate
from ledger.primitives import Digest

__all__ = ["HeightContext", "HeightEngine", "Restored", "RoundStatus", "Timing"]


class HeightEngine:
    """Decides one height: made fresh when the height begins, thrown away when it is committed.

    Hand in a `Wake` as soon as it is made.
    """

    def __init__(self, context: HeightContext, restored: Restored | None = None) -> None:
        self.context = context

    def handle(self, given: Input, now: Now) -> tuple[Effect, ...]:
        """Take in one input; what should happen comes out, in the order in which it must happen."""
        return ()

    @property
    def round(self) -> int:
        """The current round."""
        return 0

    def justification(self, digest: Digest) -> TimeoutCertificate | None:
        """A justification that this engine knows, for a peer that asks (besides what is durable)."""
        return None

    def status(self) -> RoundStatus:
        """What an operator wants to see of the current round."""
        raise AssertionError
