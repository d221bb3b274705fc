"""Tells each message to whom it likes, answers no request, and leaves the content out of its proposals now and then."""

from __future__ import annotations

from node.wire import Block, Justification, PeerMessage, Records, Transactions
from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.machine import Machine


class Withholding(Shameless):
    """Sends selectively, so that some have what a quorum needs and others do not."""

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """Some of them, other ones each time; nobody gets an answer to a request."""
        if isinstance(message, Block | Justification | Records | Transactions):
            return []
        rng = self.world.rng
        share = rng.choice((0.0, 0.4, 0.8, 1.0))
        return [receiver for receiver in receivers if rng.random() < share]
