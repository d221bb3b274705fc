"""What connected peers say of themselves, and whom to ask for blocks.

A peer's height is a claim. It decides whom this node asks, and nothing else: a claim too high costs its peer a place
in the queue after the first request that it leaves unanswered, or answers with what nobody wanted; a claim too low
brings it one block per tick, and a claim that flaps does both. No claim ever keeps this node from voting (design
section 4, consensus research 2, row 14).

A request that is not answered within a tick is overdue: others are asked too, but the same peer not yet: its link may
be slow, and more of the same would queue up behind the answer. It is asked again after twice as long each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.consensus.inputs import PeerId
from ledger.limits import PEER_LINKS_MAX, RECORD_REQUESTS_MAX

_DOUBLINGS_MAX = 5  # of the time after which a peer that has not answered is asked again


@dataclass(slots=True)
class Peer:
    """A connected peer: the height it says it decides (0: nothing said yet) and its round there.

    `heard_at_ms` is when anything came from it (or its link was made), `moved_at_ms` when it last said another height
    or round than before, `level_at_ms` when it last said a height that was about ours then.
    `asked_at_ms` is when a request for records was sent whose answer may still come, or None; `overdue` is whether it
    should have come by now; `asked_height` is the first height of the newest request; `failures` counts the requests
    it left unanswered in time, or answered uselessly, since the last useful answer; `resting` is whether it answered
    uselessly since the last tick, and is not asked again before the next; `served` is whether it was given a
    block unasked since the last tick.
    """

    heard_at_ms: int
    moved_at_ms: int
    level_at_ms: int
    height: int = 0
    round: int = 0
    asked_at_ms: int | None = None
    asked_height: int = 0
    overdue: bool = False
    failures: int = 0
    resting: bool = False
    served: bool = False

    def claim(self, height: int, round: int, now_ms: int) -> None:
        """Note where it says that it is."""
        if (height, round) != (self.height, self.round):
            self.height, self.round, self.moved_at_ms = height, round, now_ms


class Peers:
    """All connected peers, at most `PEER_LINKS_MAX`."""

    __slots__ = ("_peers",)

    def __init__(self) -> None:
        self._peers: dict[PeerId, Peer] = {}

    def __iter__(self) -> Iterator[tuple[PeerId, Peer]]:
        return iter(self._peers.items())

    def connect(self, peer: PeerId, now_ms: int) -> bool:
        """Note a new link. Returns whether there is room for it."""
        if peer not in self._peers and len(self._peers) >= PEER_LINKS_MAX:
            return False
        self._peers[peer] = Peer(now_ms, now_ms, now_ms)
        return True

    def disconnect(self, peer: PeerId) -> None:
        """Forget a peer whose link is down."""
        self._peers.pop(peer, None)

    def get(self, peer: PeerId) -> Peer | None:
        """The peer, if it is connected."""
        return self._peers.get(peer)

    def choose(
        self, height: int, above_height: int, now_ms: int, *, under_way_max: int = RECORD_REQUESTS_MAX
    ) -> list[PeerId]:
        """Whom to ask now for records from `height` on: peers that claim to be above `above_height`.

        The reliable come first. At most `under_way_max` requests are under way in all, besides those overdue, and one
        per peer; those chosen are counted.
        """
        able = [
            (peer.failures, name)
            for name, peer in self._peers.items()
            if peer.height > above_height and peer.asked_at_ms is None and not peer.resting
        ]
        if not able:
            return []  # as after nearly every step
        under_way = [peer for peer in self._peers.values() if peer.asked_at_ms is not None and not peer.overdue]
        room = under_way_max - len(under_way)
        chosen = [name for _, name in sorted(able)[: max(room, 0)]]
        for name in chosen:
            self._peers[name].asked_at_ms, self._peers[name].asked_height = now_ms, height
        return chosen

    def answered(self, peer: PeerId, first_height: int | None) -> bool:
        """Note that records came, from `first_height` on (None: there are none, or it cannot be read). Returns whether
        they were asked for: what begins with another height may be a block that was sent unasked, while the answer is
        still on its way."""
        known = self._peers.get(peer)
        if known is None or known.asked_at_ms is None or first_height not in (known.asked_height, None):
            return False
        known.asked_at_ms, known.overdue = None, False
        return True

    def useful(self, peer: PeerId) -> None:
        """Note that an answer of this peer brought a block."""
        known = self._peers.get(peer)
        if known is not None:
            known.failures = 0

    def useless(self, peer: PeerId) -> None:
        """Note that an answer of this peer brought nothing. It would not be better if it were asked again at once."""
        known = self._peers.get(peer)
        if known is not None:
            known.failures += 1
            known.resting = True

    def beside(self, peer: PeerId, height: int) -> None:
        """Note that a record of this peer was of `height`, which is decided. What it was asked for, somebody else may
        have brought before; but what is below that, nobody wanted."""
        known = self._peers.get(peer)
        if known is not None and height < known.asked_height:
            known.failures += 1

    def tick(self, now_ms: int, patience_ms: int) -> None:
        """Look for requests that are older than `patience_ms`, and allow one more block to each that is behind."""
        for peer in self._peers.values():
            peer.served = peer.resting = False
            if peer.asked_at_ms is None:
                continue
            waited_ms = now_ms - peer.asked_at_ms
            if not peer.overdue and waited_ms >= patience_ms:
                peer.overdue = True
                peer.failures += 1
            if peer.overdue and waited_ms >= patience_ms << min(peer.failures, _DOUBLINGS_MAX):
                peer.asked_at_ms, peer.overdue = None, False
