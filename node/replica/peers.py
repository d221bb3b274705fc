"""What connected peers say of themselves, and whom to ask for blocks.

A peer's height is a claim. It decides whom this node asks, and nothing else: a claim too high costs its peer a place
in the queue after the first request it leaves unanswered, a claim too low brings it one block per tick, and a claim
that flaps does both. No claim ever keeps this node from voting (design section 4, consensus research 2, row 14).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.consensus.inputs import PeerId
from ledger.limits import PEER_LINKS_MAX, RECORD_REQUESTS_MAX


@dataclass(slots=True)
class Peer:
    """A connected peer: the height it says it decides (0: nothing said yet) and its round there.

    `asked_at_ms` is when a request for records was sent that has not been answered, or None; `failures` counts the
    requests it left unanswered, or answered uselessly, since the last useful answer; `served` is whether it was given
    a block unasked since the last tick.
    """

    height: int = 0
    round: int = 0
    asked_at_ms: int | None = None
    failures: int = 0
    served: bool = False


class Peers:
    """All connected peers, at most `PEER_LINKS_MAX`."""

    __slots__ = ("_peers",)

    def __init__(self) -> None:
        self._peers: dict[PeerId, Peer] = {}

    def __iter__(self) -> Iterator[tuple[PeerId, Peer]]:
        return iter(self._peers.items())

    def connect(self, peer: PeerId) -> bool:
        """Note a new link. Returns whether there is room for it."""
        if peer not in self._peers and len(self._peers) >= PEER_LINKS_MAX:
            return False
        self._peers[peer] = Peer()
        return True

    def disconnect(self, peer: PeerId) -> None:
        """Forget a peer whose link is down."""
        self._peers.pop(peer, None)

    def get(self, peer: PeerId) -> Peer | None:
        """The peer, if it is connected."""
        return self._peers.get(peer)

    def choose(self, above_height: int, now_ms: int) -> list[PeerId]:
        """Whom to ask now for records from `above_height` on: peers that claim to be further, the reliable first.

        At most `RECORD_REQUESTS_MAX` requests are under way in all, and one per peer; those chosen are counted.
        """
        room = RECORD_REQUESTS_MAX - sum(peer.asked_at_ms is not None for peer in self._peers.values())
        able = [
            (peer.failures, name)
            for name, peer in self._peers.items()
            if peer.height > above_height and peer.asked_at_ms is None
        ]
        chosen = [name for _, name in sorted(able)[: max(room, 0)]]
        for name in chosen:
            self._peers[name].asked_at_ms = now_ms
        return chosen

    def answered(self, peer: PeerId) -> bool:
        """Note that records came. Returns whether they were asked for."""
        known = self._peers.get(peer)
        if known is None or known.asked_at_ms is None:
            return False
        known.asked_at_ms = None
        return True

    def useful(self, peer: PeerId) -> None:
        """Note that an answer of this peer brought a block."""
        known = self._peers.get(peer)
        if known is not None:
            known.failures = 0

    def useless(self, peer: PeerId) -> None:
        """Note that an answer of this peer brought nothing."""
        known = self._peers.get(peer)
        if known is not None:
            known.failures += 1

    def tick(self, now_ms: int, patience_ms: int) -> None:
        """Give up requests that are older than `patience_ms`, and allow one more block to each that is behind."""
        for peer in self._peers.values():
            peer.served = False
            if peer.asked_at_ms is not None and now_ms - peer.asked_at_ms >= patience_ms:
                peer.asked_at_ms = None
                peer.failures += 1
