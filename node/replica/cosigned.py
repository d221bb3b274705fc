"""What a replica holds of checkpoints: its own newest cosignature, those of others, and the checkpoint that it serves.

Two rows of the database are written here and in `cosigning`, as the peer frames that say the same: what this node
cosigned last, which it must never contradict, and the newest checkpoint with a quorum, which survives a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.consensus.inputs import Now, PeerId
from ledger.crypto import SigningKey
from ledger.errors import MalformedError
from ledger.limits import COSIGNATURE_BURST, COSIGNATURE_EVERY_MS, COSIGNATURES_HELD_MAX, PEER_LINKS_MAX
from ledger.log.checkpoint import Checkpoint, log_origin, parse_checkpoint
from ledger.log.signed_note import Note, parse_note
from ledger.primitives import PublicKey
from node import wire
from node.ports import Guard
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.guard import COSIGNED_STEP
from node.wire import Cosignature


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with a quorum of cosignatures of the validator set in force after the block of `height`."""

    height: int
    checkpoint: Checkpoint
    note: Note


@dataclass(slots=True)
class Cosigned:
    """The pieces that `cosigning` and `gathering` work on.

    Own: `key`, and what it `newest` signed. `tip_time_ms` is the ledger time of the tip; `due_at_ms` is when the tip is
    to be cosigned, None when it need not be; `fresh` is whether the tip was appended since the start; `lost` is why
    this node cannot know what it cosigned, and so cosigns no more; `noted_height` is the block of which the guard knew
    at the start that nothing later was cosigned, and `shown_s` the newest time of what peers showed that is not later,
    or of a start at which the tip was not cosigned; `told` has what its operator was told once.

    Of all: `published` is what is served; `grown` is whether more cosignatures of it have come since it was made.

    Of others: `heard` has the newest cosignatures by key, oldest first, `postponed` what came before its block, by
    peer, and `budgets` until when each peer has used up its share (monotonic ms).
    """

    key: SigningKey | None
    origin: str
    newest: Cosignature | None
    published: Published | None
    tip_time_ms: int
    due_at_ms: int | None
    noted_height: int
    lost: str | None = None
    shown_s: int = 0
    fresh: bool = False
    grown: bool = False
    told: set[str] = field(default_factory=set)
    heard: dict[PublicKey, list[Cosignature]] = field(default_factory=dict)
    postponed: dict[PeerId, wire.Cosignature | wire.Checkpoint] = field(default_factory=dict)
    budgets: dict[PeerId, int] = field(default_factory=dict)

    def hold(self, item: Cosignature) -> None:
        """Keep a verified cosignature, if it is newer than those that are held of its key."""
        held = self.heard.setdefault(item.key, [])
        if not held or held[-1].time_s < item.time_s:
            held.append(item)
            del held[:-COSIGNATURES_HELD_MAX]

    def afford(self, peer: PeerId, now_ms: int) -> bool:
        """Whether the peer may have one more message looked at; if so, it is counted."""
        if len(self.budgets) > PEER_LINKS_MAX:
            self.budgets.clear()  # of peers that are gone, most of them
        used_until_ms = max(self.budgets.get(peer, 0), now_ms)
        if used_until_ms - now_ms > COSIGNATURE_BURST * COSIGNATURE_EVERY_MS:
            return False
        self.budgets[peer] = used_until_ms + COSIGNATURE_EVERY_MS
        return True

    def forget(self, peer: PeerId) -> None:
        """The peer's link is down. Its budget stays: a new link is no new share."""
        self.postponed.pop(peer, None)


def read_cosigned(chain: ChainStore, guard: Guard, key: SigningKey | None, now: Now) -> Cosigned:
    """What is durable of it; the tip is due at once when this node has not cosigned it.

    But not in this second: if the database has lost a cosignature, that one may have been made in it.
    """
    newest, lost = None, None
    try:
        newest = _own(chain)
    except DamagedError as error:
        lost = f"what this node cosigned last is damaged: {error}"
    tip = chain.tip.header
    is_due = tip.height > 0 and (newest is None or newest.height < tip.height)
    cosigned = Cosigned(
        key=key,
        origin=log_origin(chain.genesis),
        newest=newest,
        published=_published(chain),
        tip_time_ms=tip.time_ms,
        due_at_ms=now.monotonic_ms if key is not None and is_due else None,
        noted_height=_noted_height(guard),
        lost=lost,
        shown_s=now.wall_ms // 1_000 if is_due else 0,
    )
    if newest is not None:
        cosigned.hold(newest)
    return cosigned


def _noted_height(guard: Guard) -> int:
    """No later block was cosigned when the guard was written last: what is voted on is not committed yet."""
    record = guard.read()
    if record is None:
        return 0
    return record.height if record.step == COSIGNED_STEP else max(record.height - 1, 0)


def _own(chain: ChainStore) -> Cosignature | None:
    """Raises `DamagedError`."""
    row = chain.store.get(keys.OWN_COSIGNATURE)
    if row is None:
        return None
    try:
        message = wire.decode(row)
    except MalformedError as error:
        raise DamagedError(str(error)) from error
    if not isinstance(message, Cosignature):
        raise DamagedError("it is something else")
    return message


def _published(chain: ChainStore) -> Published | None:
    """The checkpoint that was served, if it can be read, and is of this chain as it stands: peers have newer ones."""
    try:
        row = chain.store.get(keys.CHECKPOINT)
        message = None if row is None else wire.decode(row)
        if not isinstance(message, wire.Checkpoint) or message.height > chain.tip.header.height:
            return None
        note = parse_note(message.note)
        checkpoint = parse_checkpoint(note.text)
        header = chain.header(message.height)
    except (DamagedError, MalformedError):
        return None
    is_ours = (checkpoint.size, checkpoint.root) == (header.log_size, header.log_root)
    return Published(message.height, checkpoint, note) if is_ours else None
