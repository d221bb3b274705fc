"""Answers to what peers ask for: bodies, candidate blocks, justifications, certified blocks.

Only what was verified here is served. A committed block that turns out damaged on disk is not served, and reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.consensus.codec import encode_timeout_certificate
from ledger.consensus.inputs import PeerId
from ledger.limits import BLOCK_BYTES_MAX, CERTIFIED_BLOCKS_PER_REPLY_MAX
from node.replica.deciding import Deciding
from node.replica.door import Door
from node.replica.outbox import Outbox
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.wire import (
    Block,
    CertifiedBlock,
    FetchBlock,
    FetchJustification,
    FetchTransactions,
    Justification,
    fill_records,
    split_transactions,
)


def send_transactions(peer: PeerId, asked: FetchTransactions, deciding: Deciding, door: Door, out: Outbox) -> None:
    """The envelopes that are here, of those asked for, in order, as many as a block may hold: who completes one needs
    no more, and who lacks more asks again."""
    others = deciding.blocks.transactions()
    found = []
    room = BLOCK_BYTES_MAX
    for name in asked.hashes:
        item = door.mempool.get(name) or others.get(name)
        if item is not None:
            room -= len(item.envelope)
            if room < 0:
                break
            found.append(item.envelope)
    for message in split_transactions(found):
        out.send(peer, message)


def send_block(peer: PeerId, asked: FetchBlock, deciding: Deciding, out: Outbox) -> None:
    """The content of a candidate of the height being decided, if it was checked here."""
    content = deciding.blocks.content(asked.block_hash)
    if asked.height == deciding.height and content is not None:
        out.send(peer, Block(asked.height, content.header, content.envelope_hashes))


def send_justification(peer: PeerId, asked: FetchJustification, deciding: Deciding, out: Outbox) -> None:
    """A justification of the height being decided, if the engine knows it."""
    justification = deciding.engine.justification(asked.digest)
    if asked.height == deciding.height and justification is not None:
        out.send(peer, Justification(asked.height, encode_timeout_certificate(justification)))


def send_records(peer: PeerId, from_height: int, count_max: int, chain: ChainStore, out: Outbox) -> None:
    """Certified blocks from `from_height` on, as many as there are, are asked for and fit one frame."""
    count = min(count_max, CERTIFIED_BLOCKS_PER_REPLY_MAX)
    last = min(chain.tip.header.height, from_height + count - 1)
    try:
        records = fill_records(_certified_blocks(chain, max(from_height, 1), last))
    except DamagedError as error:
        out.log("block_damaged", height=from_height, reason=str(error))
        return  # it was noted, and is fetched again (`repairing`)
    if records.items:
        out.send(peer, records)


def _certified_blocks(chain: ChainStore, first: int, last: int) -> Iterator[CertifiedBlock]:
    for height in range(first, last + 1):
        yield CertifiedBlock(chain.record(height), chain.envelopes(height))
