"""Putting damage right while the node runs: looking for it, asking peers for damaged blocks, and what else must be.

At every tick a little of the database is read in search of damage, and one peer after the other is asked for some of
the damaged blocks that are known, the highest first, because it names the one below it. An answer that was asked for is
held against the chain (`node.storage.replacing`) and put back, or left to be judged like any other record: it may show
that two chains exist. [safety]

Damage that no block puts right means that the database must be made anew. A step that meets such damage ends the
replica at once (`Halted.rebuild`). Who only found it by looking goes on until the others are a quorum without it, so
that several damaged nodes do not stop the chain by repairing themselves, and one after the other, by the clock, so that
each sees that another is gone; and for good where its votes cannot be read any more: nothing could be made anew.
"""

from __future__ import annotations

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.inputs import PeerId
from ledger.errors import LedgerError
from ledger.limits import (
    REBUILD_LEVEL_TICKS,
    REBUILD_TURN_TICKS,
    REPAIR_REQUESTS_PER_TICK_MAX,
)
from node.replica.parts import Parts
from node.replica.status import DamageStatus
from node.storage.archive import rows_to_take_over
from node.storage.damaged import Damaged
from node.storage.errors import DamagedError
from node.storage.replacing import replace_block
from node.wire import CertifiedBlock, FetchRecords


def repair(parts: Parts) -> None:
    """At every tick. Raises `DamagedError` when the database must be made anew, and can be now."""
    damaged, repairs = parts.chain.damaged, parts.repairs
    if damaged.elsewhere is None:
        repairs.scrubber.look()
    if damaged.elsewhere is not None and not damaged.hopeless and _can_be_made_anew(parts):
        raise DamagedError(damaged.elsewhere)
    if damaged.blocks:
        _ask(parts, damaged)


def take(parts: Parts, peer: PeerId, items: tuple[CertifiedBlock, ...]) -> bool:
    """Take in an answer, if it is one block that this peer was asked for to put it back. Returns whether it was put
    back. Raises `StorageFailedError`."""
    asked = parts.repairs.asked.get(peer)
    if not asked or len(items) != 1:
        return False
    (item,) = items
    chain = parts.chain
    try:
        height = parse_header(decode_commit_record(item.record).header).height
        if height not in asked:
            return False
        asked.discard(height)
        if chain.damaged.reason(height) is None:
            return True
        replace_block(chain, height, item.record, item.envelopes, parts.verify)
    except LedgerError as error:
        parts.out.log("block_not_replaced", peer=peer, reason=str(error))
        return False
    except DamagedError as error:
        _cannot_be_replaced(parts, height, error)
        return True
    parts.out.log("block_replaced", height=height, peer=peer)
    return True


def damage_status(parts: Parts) -> DamageStatus:
    """What is known to be damaged, for the operator."""
    damaged, archive = parts.chain.damaged, parts.syncing.archive
    archived_height = None if archive is None else archive.height
    return DamageStatus(damaged.blocks, damaged.replaced, damaged.elsewhere, archived_height)


def _cannot_be_replaced(parts: Parts, height: int, error: DamagedError) -> None:
    """Rows that the block shares with others are damaged, unless it waits for the block above it."""
    damaged = parts.chain.damaged
    if damaged.reason(height + 1) is None:
        damaged.note_elsewhere(f"block {height} cannot be put back: {error}")


def _ask(parts: Parts, damaged: Damaged) -> None:
    """Ask one peer for some damaged blocks: another one at every tick."""
    repairs = parts.repairs
    peers = [(name, peer.height) for name, peer in parts.peers if peer.height > 1]
    if not peers:
        return
    repairs.turns += 1
    name, height_there = peers[repairs.turns % len(peers)]
    wanted = [height for height in reversed(damaged.blocks) if height < height_there]
    # Not always the same ones: what is above them may have to be put back first, or this peer may not have them.
    turn = repairs.turns // len(peers) % max(1, -(-len(wanted) // REPAIR_REQUESTS_PER_TICK_MAX))
    start = turn * REPAIR_REQUESTS_PER_TICK_MAX
    heights = wanted[start : start + REPAIR_REQUESTS_PER_TICK_MAX]
    repairs.asked[name] = set(heights)
    for height in heights:
        parts.out.send(name, FetchRecords(height, 1))


def _can_be_made_anew(parts: Parts) -> bool:
    """Whether the database can be made anew, and now. Where not all that no peer has can be read, it never can: then
    the node goes on as long as it may, and its operator is told."""
    damaged = parts.chain.damaged
    if parts.syncing.archive is not None or not _can_be_spared(parts):
        return False
    try:
        rows_to_take_over(parts.chain.store)
    except DamagedError as error:
        parts.out.log("database_not_made_anew", reason=str(error), damage=str(damaged.elsewhere))
        damaged.give_up(f"it cannot be made anew by itself, because what nobody else has is damaged, too: {error}")
        return False
    return True


def _can_be_spared(parts: Parts) -> bool:
    """Whether others go on without this node, and have its blocks, as far as they say now; and it is its turn."""
    deciding, now_ms = parts.deciding, parts.now.monotonic_ms
    tick_ms = deciding.engine.context.timing.tick_ms
    level = [
        name
        for name, peer in parts.peers
        if peer.height >= deciding.height and now_ms - peer.level_at_ms < REBUILD_LEVEL_TICKS * tick_ms
    ]
    if deciding.me is None:
        return bool(level)
    turn, ticks = divmod(parts.now.wall_ms // tick_ms, REBUILD_TURN_TICKS)
    if turn % len(deciding.validators) != deciding.me or ticks >= REBUILD_TURN_TICKS - REBUILD_LEVEL_TICKS:
        return False
    return len([name for name in level if deciding.name_of_peer(name) is not None]) >= deciding.validators.quorum
