"""Cosigning: when a validator signs the checkpoint of its tip, and what must be durable before that leaves. [safety]

A cosignature says: as of this time, the largest tree of this log that I have seen, consistent with all that I have seen
before, has this size and root. So a validator cosigns only what it has committed, only its tip, with the time of its
clock, each time later than the last; and never a tree that does not begin with the one that it cosigned last.

**Which blocks.** A quorum must cosign the same size, without asking each other, and each at most once a second: so they
cosign the first block of every second of ledger time, and a block that stays the tip for a second (`COSIGN_QUIET_MS`),
which is the last one before a pause. While ledger time is ahead of all clocks, because of one that was wrong, it goes
on by a millisecond with each block, and every sixteenth (`COSIGN_SLOW_BLOCKS`) is cosigned: that is all one can agree
on then, and enough as long as so many take a second. Empty blocks count: on an idle network the same size is cosigned
at later times.

**What must be remembered.** The newest cosignature is a row of the database, synced before it leaves. A database that
was set back would not know; so the cosignature is noted in the guard file as well, as a promise that the chain has its
block, and a node whose database is behind its guard signs nothing any more (`opening`). A node whose every file was set
back learns it from peers: they show it its own cosignatures, of blocks that its guard does not know (`gathering`).
Until it has heard of enough of them where the others are, and while it is behind them, it cosigns nothing.

Who must not vote must not cosign either.
"""

from __future__ import annotations

from hashlib import sha256

from ledger.limits import COSIGN_QUIET_MS, COSIGN_SLOW_BLOCKS, COSIGNERS_AHEAD_BLOCKS_MAX, ROUND_MAX
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, sign
from ledger.log.signed_note import TIMESTAMP_BYTES
from ledger.merkle import root_at
from ledger.primitives import Signature
from node.ports import GuardRecord
from node.replica import gathering
from node.replica.opening import REPLACE_KEY
from node.replica.parts import Parts
from node.storage import keys
from node.storage.guard import COSIGNED_STEP
from node.wire import Cosignature, encode

_WAITS = "cosigning_waits"
_CLOCK_BEHIND_S = 10  # of our newest cosignature: then the operator is told


def resume(parts: Parts) -> None:
    """At the start, before anything leaves: the power may have been cut after the row and before the guard."""
    newest = parts.cosigned.newest
    if parts.cosigned.lost is not None:
        _tell(parts, "cosigning_stopped", parts.cosigned.lost)
    elif newest is None or parts.key is None or parts.silence is not None:
        return  # without a consensus key, as a follower, a node signs nothing, and has no guard that could be written
    elif newest.height <= parts.chain.tip.header.height:
        _guard(parts, newest.height, encode(newest))


def note_appended(parts: Parts) -> None:
    """The tip is new: when is it to be cosigned?"""
    cosigned, header = parts.cosigned, parts.chain.tip.header
    second_begins = header.time_ms // 1_000 > cosigned.tip_time_ms // 1_000
    is_slow = header.time_ms == cosigned.tip_time_ms + 1 and header.height % COSIGN_SLOW_BLOCKS == 0
    wait_ms = 0 if second_begins or is_slow else COSIGN_QUIET_MS
    cosigned.tip_time_ms, cosigned.fresh = header.time_ms, True
    if cosigned.key is not None:
        cosigned.due_at_ms = parts.now.monotonic_ms + wait_ms


def cosign_if_due(parts: Parts) -> None:
    """At the end of a step: cosign the tip if its time has come, or try again later.

    Raises `StorageFailedError`; then nothing has left, and nothing may be signed any more.
    """
    cosigned, now_ms = parts.cosigned, parts.now.monotonic_ms
    if cosigned.due_at_ms is None or now_ms < cosigned.due_at_ms:
        return
    cosigned.due_at_ms = None
    if not _has_seat(parts):
        return
    if not (_is_level(parts) and _cosign(parts)):
        cosigned.due_at_ms = now_ms + COSIGN_QUIET_MS


def _has_seat(parts: Parts) -> bool:
    """Whether this node votes, and its cosigning key is the one of its seat in the set after the tip."""
    cosigned, deciding = parts.cosigned, parts.deciding
    if cosigned.key is None or cosigned.lost is not None or deciding.me is None or parts.silence is not None:
        return False
    if deciding.suspended or deciding.height < parts.vote_state.newest_height:
        return False
    if deciding.validators.validators[deciding.me].cosigning_key != cosigned.key.public_key:
        _tell(
            parts, "cosigning_key_wrong", "the cosigning key of this node is not the one that the ledger lists for it"
        )
        return False
    return True


def _is_level(parts: Parts) -> bool:
    """Whether, by what the validators say, the tip is the newest block, or nearly: no lie of n - q of them counts.

    A quorum, with this node, must have said that it is not further: whoever was set back and is fetching blocks again
    would else cosign them a second time, at later times, for as long as it is linked to few. A tip that was here at the
    start may be an old one: then nobody at all may be further.
    """
    deciding = parts.deciding
    claims = [peer.height for name, peer in parts.peers if peer.height and deciding.name_of_peer(name) is not None]
    if not parts.cosigned.fresh and max(claims, default=0) > deciding.height:
        return False
    level = [height for height in claims if height <= deciding.height + COSIGNERS_AHEAD_BLOCKS_MAX]
    return len(level) + 1 >= deciding.validators.quorum


def _cosign(parts: Parts) -> bool:
    """Sign, make it durable, note it in the guard, and only then let it leave. False: not now."""
    cosigned, deciding, header = parts.cosigned, parts.deciding, parts.chain.tip.header
    assert cosigned.key is not None
    assert deciding.me is not None
    time_s = parts.now.wall_ms // 1_000
    if time_s <= cosigned.shown_s or not (cosigned.newest is None or _may_follow(parts, cosigned.newest, time_s)):
        return False
    cosigned.told.discard(_WAITS)
    checkpoint = Checkpoint(cosigned.origin, header.log_size, header.log_root)
    cosigner = cosigner_key(cosigned.origin, deciding.validators.validators[deciding.me])
    line = cosign(cosigned.key, cosigner, checkpoint, time_s)
    message = Cosignature(
        height=header.height,
        size=checkpoint.size,
        root=checkpoint.root,
        time_s=time_s,
        key=cosigned.key.public_key,
        note_signature=Signature(sign(cosigned.key, checkpoint).signature),
        cosignature=Signature(line.signature[TIMESTAMP_BYTES:]),
    )
    row = encode(message)
    parts.chain.store.write({keys.OWN_COSIGNATURE: row}, sync=True)
    _guard(parts, header.height, row)
    cosigned.newest = message
    parts.out.send_to_validators(message)
    gathering.take(parts, message)
    return True


def _may_follow(parts: Parts, newest: Cosignature, time_s: int) -> bool:
    """Whether a cosignature of the tip at this time may follow our newest one."""
    header = parts.chain.tip.header
    if time_s <= newest.time_s:
        if newest.time_s - time_s > _CLOCK_BEHIND_S:
            _tell(parts, _WAITS, f"the clock is {newest.time_s - time_s} s behind this node's newest cosignature")
        return False
    if header.height < newest.height:
        return False
    if newest.size > header.log_size or root_at(newest.size, parts.chain.log_reader()) != newest.root:
        parts.keep_silent(
            f"this node cosigned another log of {newest.size} transactions than its chain has: {REPLACE_KEY}"
        )
        return False
    return True


def _guard(parts: Parts, height: int, row: bytes) -> None:
    """Have the guard demand of the database that it has the block of `height`.

    A vote of a later height, noted there already, demands more than that, and must not be forgotten for it.
    """
    noted, record = parts.guard.read(), GuardRecord(height, ROUND_MAX, COSIGNED_STEP, sha256(row).digest())
    if noted is None or (noted.height <= height and noted != record):
        parts.guard.write(record)


def _tell(parts: Parts, event: str, reason: str) -> None:
    """One line for the operator, once as long as it is so."""
    if event not in parts.cosigned.told:
        parts.cosigned.told.add(event)
        parts.out.log(event, reason=reason)
