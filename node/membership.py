"""Who this node should be linked to: what the ledger says of validators, and what the configuration adds.

    validators in force    at the addresses on the ledger; they are sent votes
    pinned nodes           followers, joiners, and validators that were re-keyed while this node was down; a pin's
                           address goes before the one on the ledger
    validators removed     within the last `REMOVED_PEER_HEIGHTS` heights, until they say that they have the first block
                           of the set without them: it proves to them that a quorum of that set does not need them

A re-keyed validator comes with a new node key, so to links it is one removed and one added. Whom a node lists follows
from its own tip, and a link needs both ends to list each other: one that is behind still lists those removed since, and
is listed by them, because they are past its height and it is not removed. (consensus research 1.3b, "Set change")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ledger.consensus.inputs import PeerId
from ledger.errors import MalformedError
from ledger.limits import REMOVED_PEER_HEIGHTS, REMOVED_PEERS_MAX
from ledger.primitives import PublicKey
from ledger.validators import Validator, ValidatorSet
from node.config import Endpoint, PinnedPeer, parse_endpoint
from node.log import EventLog
from node.net.peers import Member
from node.storage.chain_store import ChainStore
from node.storage.set_changes import changes_set, read_set_changes

_LOG = EventLog("membership")

ClaimedHeight: TypeAlias = Callable[[PeerId], int]
"""The height that a linked peer says it decides; 0 when it has said nothing, or is not linked."""


@dataclass(frozen=True, slots=True)
class _Removed:
    """A validator that the block of `height` removed, as it was."""

    validator: Validator
    height: int


class Membership:
    """Whom to link at the tip of one chain; asked at each block that is appended, and now and then."""

    def __init__(self, chain: ChainStore, pinned: tuple[PinnedPeer, ...]) -> None:
        self._chain = chain
        self._pinned = pinned
        self._removed: dict[PublicKey, _Removed] = {}
        self._height = max(0, chain.tip.header.height - REMOVED_PEER_HEIGHTS)
        self._members: dict[PublicKey, Member] = {}
        self._note_changes()
        self._list()

    @property
    def members(self) -> dict[PublicKey, Member]:
        """The nodes to be linked, by node key."""
        return self._members

    def follow(self, claimed_height: ClaimedHeight) -> bool:
        """A block was appended, or peers may have said what they had not. Returns whether others are to be linked now,
        or the same in another way.

        Raises `StorageFailedError` and `DamagedError`, when the set has changed and cannot be read.
        """
        changed = self._note_changes()
        for key, removed in tuple(self._removed.items()):
            knows = claimed_height(PeerId(key.hex())) > removed.height + 1
            if knows or self._height - removed.height >= REMOVED_PEER_HEIGHTS:
                del self._removed[key]
                changed = True
        if changed:
            self._list()
        return changed

    def _note_changes(self) -> bool:
        """Take in the changes of the set since the height of the last call. Returns whether there were any."""
        chain, height = self._chain, self._chain.tip.header.height
        if height == self._height:
            return False
        if height == self._height + 1 and not changes_set(chain.tip.header):
            self._height = height
            return False  # as after nearly every block: nothing is read
        changes = list(read_set_changes(chain.store, self._height + 1, height + 1))
        for change in changes:
            after = {validator.node_key for validator in chain.validators_of(change.height + 1).validators}
            for validator in chain.validators_of(change.height).validators:
                if validator.node_key not in after:
                    self._removed[validator.node_key] = _Removed(validator, change.height)
        while len(self._removed) > REMOVED_PEERS_MAX:
            del self._removed[next(iter(self._removed))]
        self._height = height
        return bool(changes)

    def _list(self) -> None:
        validators = self._chain.validators_of(self._height + 1)
        removed = tuple(item.validator for item in self._removed.values())
        self._members = members(validators, self._pinned, removed)


def members(
    validators: ValidatorSet, pinned: tuple[PinnedPeer, ...], removed: tuple[Validator, ...] = ()
) -> dict[PublicKey, Member]:
    """Who may be linked: validators and `removed` ones, at the addresses on the ledger, and pinned nodes."""
    found = {validator.node_key: Member(_endpoint(validator), is_validator=False) for validator in removed}
    for validator in validators.validators:
        found[validator.node_key] = Member(_endpoint(validator), is_validator=True)
    for pin in pinned:
        listed = found.get(pin.node_key)
        if listed is None:
            found[pin.node_key] = Member(pin.endpoint, is_validator=False)
        elif pin.endpoint is not None:
            found[pin.node_key] = Member(pin.endpoint, listed.is_validator)
    return found


def _endpoint(validator: Validator) -> Endpoint | None:
    try:
        return parse_endpoint(validator.address, f"address of {validator.name}")
    except MalformedError as error:
        _LOG.warning("address_unusable", validator=validator.name, reason=str(error))
        return None
