"""Consensus messages that came too early: those of the next height, which nobody can judge before this one is done.

They are kept unread, per transport peer (whoever may sign at the next height is not known yet), and bounded in number
and bytes; beyond, the oldest of that peer are dropped, and its next resend brings what still matters.
"""

from __future__ import annotations

from collections import deque

from ledger.consensus.inputs import PeerId
from ledger.limits import HEIGHT_MESSAGES_BUFFERED_BYTES_MAX, HEIGHT_MESSAGES_BUFFERED_MAX


class Postbox:
    """Unread messages of one height, by peer."""

    __slots__ = ("_bytes", "_payloads")

    def __init__(self) -> None:
        self._payloads: dict[PeerId, deque[bytes]] = {}
        self._bytes: dict[PeerId, int] = {}

    def put(self, peer: PeerId, payload: bytes) -> None:
        """Keep a message of the next height; drop the oldest of this peer beyond the bounds."""
        waiting = self._payloads.setdefault(peer, deque())
        waiting.append(payload)
        size = self._bytes.get(peer, 0) + len(payload)
        while len(waiting) > HEIGHT_MESSAGES_BUFFERED_MAX or size > HEIGHT_MESSAGES_BUFFERED_BYTES_MAX:
            size -= len(waiting.popleft())
        self._bytes[peer] = size

    def take(self) -> list[tuple[PeerId, bytes]]:
        """All that waits, now that its height begins, oldest first per peer. Empties the box."""
        taken = [(peer, payload) for peer, payloads in self._payloads.items() for payload in payloads]
        self._payloads.clear()
        self._bytes.clear()
        return taken

    def forget(self, peer: PeerId) -> None:
        """Drop what a peer sent whose link is down."""
        self._payloads.pop(peer, None)
        self._bytes.pop(peer, None)
