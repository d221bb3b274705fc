"""Catching up: certified blocks of peers, verified and executed like any other. There is no second mode.

A node that is behind asks a peer that says it is further for records from its own height on, verifies each against
the validators of that height, executes it, and appends it; in between it takes part in consensus as ever, with what
it has. A node that follows without a key does nothing else. While it executes what an answer brought it asks for what
comes after that, so that the next blocks arrive, and their signatures are verified by workers (`node.verification`),
meanwhile. What peers say of their height decides only whom to ask (see `peers`); what they send proves itself or is
dropped.

A valid record for another block than ours at a height that we have means that two chains exist. That is looked for in
every answer: a record that is valid at its height but does not build on our tip makes us ask its sender for its
record of our tip's height.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from ledger.block import Header, block_hash, parse_header
from ledger.chain import check_block
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.inputs import PeerId
from ledger.consensus.messages import CommitRecord
from ledger.consensus.record import verify_commit_record
from ledger.consensus.verification import HeightKeys
from ledger.crypto import Verify
from ledger.errors import LedgerError
from ledger.limits import CERTIFIED_BLOCKS_PER_REPLY_MAX, RECORD_REQUESTS_MAX
from ledger.refusals import Refusal
from ledger.transaction import Transaction
from node.replica.deciding import Decided, Deciding
from node.replica.door import Door
from node.replica.outbox import Outbox
from node.replica.peers import Peers
from node.storage.archive import Archive
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.wire import CertifiedBlock, FetchRecords

_ARCHIVE = PeerId("")  # no peer has this name
_QUEUE_MAX = RECORD_REQUESTS_MAX * CERTIFIED_BLOCKS_PER_REPLY_MAX


@dataclass(frozen=True, slots=True)
class Conflict:
    """A peer proved another block final at a height that we have."""

    height: int
    encoded: bytes


Finding: TypeAlias = Decided | Conflict


class Syncing:
    """The answers of peers that wait to be verified, in order, and what became of them."""

    def __init__(self, peers: Peers, verify: Verify, archive: Archive | None) -> None:
        self._peers = peers
        self._verify = verify
        self._queue: deque[tuple[PeerId, CertifiedBlock]] = deque()
        self._newest_count = 0  # how many blocks the newest answer brought, those at the end of the queue
        self._next_height = 0  # after them, if they are what was asked for
        self._disputed: tuple[PeerId, int] | None = None  # who was asked for its record of which height of ours
        self._not_archived = 0
        self.archive = archive
        """The database that was set aside, until all of its blocks are here."""
        self.refused: tuple[int, str] | None = None
        """The height and reason of the newest certified block that is not valid here, until the height is appended."""

    @property
    def busy(self) -> bool:
        """Whether answers wait to be verified."""
        return bool(self._queue)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is to come of it: neither an answer nor a database that was set aside."""
        return not self._queue and self.archive is None

    def archived(self, height: int) -> bool:
        """Whether the database that was set aside may have the block of `height`."""
        return self.archive is not None and self._not_archived != height <= self.archive.height

    def ask(self, height: int, above_height: int, now_ms: int, out: Outbox) -> None:
        """Ask peers that claim to decide a height above `above_height` for records from `height` on; while the newest
        answer is being verified, one peer for what comes after it."""
        if not self._queue:
            peers = self._peers.choose(height, above_height, now_ms)
        elif len(self._queue) <= self._newest_count and self._next_height > height:
            height = self._next_height
            peers = self._peers.choose(height, height, now_ms, under_way_max=1)
        else:
            return
        for peer in peers:
            out.send(peer, FetchRecords(height, CERTIFIED_BLOCKS_PER_REPLY_MAX))

    def receive(self, peer: PeerId, items: tuple[CertifiedBlock, ...]) -> None:
        """Take in an answer, which begins with the height that was asked for, or the one block that a peer sends
        unasked to who is behind."""
        first = _claimed_height(items)
        answered = self._peers.answered(peer, first)
        if not answered:
            disputed = (peer, first) == self._disputed
            items = items[:1] if disputed or not self._queue else ()
            if disputed:
                self._disputed = None
        elif not items:
            self._peers.useless(peer)
        items = items[: _QUEUE_MAX - len(self._queue)]
        if items:
            self._queue.extend((peer, item) for item in items)
            self._newest_count = len(items) if answered else 0
            self._next_height = 0 if first is None or not answered else first + len(items)

    def next(self, deciding: Deciding, *, chain: ChainStore, door: Door, out: Outbox) -> Finding | None:
        """The next block that a peer's answer brings, verified and executed, or a conflict; None when none is left."""
        while self._queue:
            peer, item = self._queue.popleft()
            if out.blamed(peer):
                continue
            try:
                finding = self._judge(peer, item, deciding, chain=chain, door=door, out=out)
            except LedgerError as error:
                self._peers.useless(peer)
                out.blame(peer, f"commit record: {error}")
                continue
            if finding is not None:
                return finding
        return self._take_from_archive(deciding, chain=chain, door=door, out=out)

    def _take_from_archive(self, deciding: Deciding, *, chain: ChainStore, door: Door, out: Outbox) -> Finding | None:
        """The next block as the database that was set aside has it: judged like the answer of a peer."""
        if self.archive is None:
            return None
        height = deciding.height
        if height > self.archive.height:
            out.log("database_rebuilt", height=self.archive.height)
            self.archive = None
            return None
        if not self.archived(height):
            return None
        self._not_archived = height  # not a second time, whatever comes of it
        stored = self.archive.block(height)
        if stored is None:
            return None
        try:
            return self._judge(_ARCHIVE, CertifiedBlock(*stored), deciding, chain=chain, door=door, out=out)
        except LedgerError as error:
            out.log("archived_block_refused", height=height, reason=str(error))
            return None

    def _judge(
        self, peer: PeerId, item: CertifiedBlock, deciding: Deciding, *, chain: ChainStore, door: Door, out: Outbox
    ) -> Finding | None:
        """What one certified block brings. Raises `LedgerError` when it proves nothing at its height."""
        record = decode_commit_record(item.record)
        header = parse_header(record.header)
        if header.height < deciding.height:
            self._peers.beside(peer, header.height)
            try:
                return self._compare(record, header, item.record, deciding, chain)
            except DamagedError as error:  # ours, not the peer's: as when it is to be served
                out.log("block_damaged", height=header.height, reason=str(error))
                return None
        if header.height > deciding.height:
            self._peers.useless(peer)
            return None  # the block below it was refused, or somebody skipped it
        verify_commit_record(record, keys=deciding.keys, parent_hash=None)
        if header.parent_hash != chain.tip.block_hash:
            self._peers.useless(peer)
            out.log("other_parent", height=header.height, peer=peer)
            if chain.tip.header.height > 0:
                self._disputed = peer, chain.tip.header.height
                out.send(peer, FetchRecords(chain.tip.header.height, 1))
            return None
        transactions = self._open(item, header, deciding, door)
        candidate = (
            transactions
            if isinstance(transactions, str)
            else check_block(chain.tip, deciding.reader, record.header, transactions)
        )
        if isinstance(candidate, str):
            self._peers.useless(peer)
            self.refused = (header.height, candidate)
            out.log("certified_block_refused", height=header.height, peer=peer, reason=candidate)
            return None
        self._peers.useful(peer)
        self.refused = None
        return Decided(candidate, record, item.record)

    def _open(self, item: CertifiedBlock, header: Header, deciding: Deciding, door: Door) -> list[Transaction] | str:
        """The verified transactions of a body, or why it cannot be the one of this header."""
        if len(item.envelopes) != header.transaction_count:
            return f"{len(item.envelopes)} envelopes, and the header counts {header.transaction_count}"
        transactions = door.judge_body(item.envelopes, deciding)
        return str(transactions) if isinstance(transactions, Refusal) else transactions

    def _compare(
        self, record: CommitRecord, header: Header, encoded: bytes, deciding: Deciding, chain: ChainStore
    ) -> Conflict | None:
        """A conflict, if `record` is valid and not for our block of its height.

        Raises `LedgerError` when it is for another block and not valid, and `DamagedError` when ours cannot be read.
        """
        if header.height == 0 or chain.committed_hash(header.height) == block_hash(record.header):
            return None
        keys = HeightKeys(deciding.keys.context, header.height, chain.validators_of(header.height), self._verify)
        verify_commit_record(record, keys=keys, parent_hash=None)
        return Conflict(header.height, encoded)


def _claimed_height(items: tuple[CertifiedBlock, ...]) -> int | None:
    """The height of the first block, if it can be read."""
    try:
        return parse_header(decode_commit_record(items[0].record).header).height if items else None
    except LedgerError:
        return None
