"""Receives everything, says nothing: a dead validator that everybody believes alive."""

from __future__ import annotations

from node.wire import PeerMessage
from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.machine import Machine


class Silent(Shameless):
    """Says nothing."""

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """Nobody."""
        return []
