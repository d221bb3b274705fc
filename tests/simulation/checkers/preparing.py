"""I9: a round has at most one prepared block, while no more sign two different things than the quorum bears."""

from __future__ import annotations

from typing import Any

from tests.simulation.violation import demand


class Preparing:
    """The prepare certificates that honest machines show, by height and round."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], str] = {}

    def seen(self, certificate: dict[str, Any]) -> None:
        """A prepare certificate that holds."""
        place = certificate["height"], certificate["round"]
        first = self._blocks.setdefault(place, certificate["block_hash"])
        same = first == certificate["block_hash"]
        demand(same, "certificates", f"two blocks are prepared at (height, round) {place}")
