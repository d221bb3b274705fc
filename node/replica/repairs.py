"""What a replica remembers of repairing its database (`repairing` does it)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.consensus.inputs import PeerId
from node.storage.scrubbing import Scrubber


@dataclass(slots=True)
class Repairs:
    """Where the search for damage stands, of whom which blocks were asked for and have not come, and whose turn it is
    to be asked."""

    scrubber: Scrubber
    asked: dict[PeerId, set[int]] = field(default_factory=dict)
    turns: int = 0

    def forget(self, peer: PeerId) -> None:
        """The peer's link is down."""
        self.asked.pop(peer, None)
