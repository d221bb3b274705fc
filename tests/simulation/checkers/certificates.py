"""I3: every block that is appended, or passed on, has a record that proves it: a commit certificate of at least q
different validators of its height, and, above round 0, the justifications down to the proposal that was fresh.

So have all certificates that honest machines send, their own or others': they passed a door. Both are judged by code
that shares nothing with that door (`stranger`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.replica import BlockAppended
from node.storage import keys
from node.wire import CertifiedBlock
from tests.simulation.checkers.stranger import Stranger
from tests.simulation.violation import demand
from tests.verifier.verify_receipt import digest

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "certificates"


class Certificates:
    """All that was judged, so that nothing is judged twice."""

    def __init__(self, stranger: Stranger) -> None:
        self._stranger = stranger
        self._messages: dict[bytes, dict[str, Any]] = {}
        self._proved: dict[bytes, tuple[str, dict[str, Any]]] = {}
        """By record, the hash of the block that it proves, and its commit certificate."""

    def appended(self, machine: Machine, block: BlockAppended) -> dict[str, Any]:
        """A block is announced: its record on this disk proves it. Returns its commit certificate."""
        encoded = machine.disk.durable(keys.record(block.height))
        assert encoded is not None
        proved, certificate = self._record(encoded)
        demand(proved == block.block_hash.hex(), _NAME, f"the record of height {block.height} is another block's")
        return certificate

    def served(self, block: CertifiedBlock) -> None:
        """A block is served to who is behind."""
        self._record(block.record)

    def _record(self, encoded: bytes) -> tuple[str, dict[str, Any]]:
        known = self._proved.get(encoded)
        if known is None:
            record = self._stranger.record(encoded)
            known = self._proved[encoded] = digest("block", record["header"]), record["certificate"]
        return known

    def message(self, payload: bytes) -> dict[str, Any]:
        """A consensus message of an honest machine, as plain values."""
        known = self._messages.get(payload)
        if known is None:
            known = self._messages[payload] = self._stranger.message(payload)
        return known

    def justification(self, encoded: bytes) -> dict[str, Any]:
        """A justification that an honest machine serves, as plain values."""
        known = self._messages.get(encoded)
        if known is None:
            known = self._messages[encoded] = self._stranger.justification(encoded)
        return known
