"""The actions of one step, in order, as they come about."""

from __future__ import annotations

from ledger.consensus.inputs import PeerId
from node.replica.actions import Action, Field, Logged, PeerMisbehaved, SendTo, SendToAll
from node.wire import PeerMessage


class Outbox:
    """Collects what a step asks of the runtime."""

    __slots__ = ("_actions", "_blamed")

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._blamed: set[PeerId] = set()

    def add(self, action: Action) -> None:
        """Any action."""
        self._actions.append(action)

    def send(self, peer: PeerId, message: PeerMessage) -> None:
        """To one peer."""
        self.add(SendTo(peer, message))

    def send_to_validators(self, message: PeerMessage) -> None:
        """To all connected validators."""
        self.add(SendToAll(message, validators_only=True))

    def send_to_all(self, message: PeerMessage) -> None:
        """To all connected peers."""
        self.add(SendToAll(message, validators_only=False))

    def blame(self, peer: PeerId, reason: str) -> None:
        """The peer sent what no correct node sends. Said once per step; the rest of what it sent is not looked at."""
        if peer not in self._blamed:
            self._blamed.add(peer)
            self.add(PeerMisbehaved(peer, reason))

    def blamed(self, peer: PeerId) -> bool:
        """Whether the peer misbehaved in this step."""
        return peer in self._blamed

    def log(self, event: str, **fields: Field) -> None:
        """One line for the operator."""
        self.add(Logged(event, fields))

    def take(self) -> tuple[Action, ...]:
        """All actions so far; the next step starts empty."""
        actions = tuple(self._actions)
        self._actions.clear()
        self._blamed.clear()
        return actions
