"""Paged reads for the HTTP API. What a page costs depends on what is on it, not on the length of the chain.

A page ends at a *place*: the last item's own position in the ledger or in the alphabet, as bytes. The next page starts
behind it, so blocks that are appended in between move nothing. A search by several subjects leaps from index row to
index row, and a list of what is in the state passes by what was there at another height only; both give up a page
after QUERY_SEEKS_MAX steps: then the page is short, and still says where to go on.

Everything is read from rows that are committed and durable. A page is read without yielding, so it is of one height.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from ledger.block import Header, Leaf
from ledger.errors import MalformedError
from ledger.governance.proposals import as_of
from ledger.limits import NAME_BYTES_MAX, QUERY_SEEKS_MAX
from ledger.primitives import Digest, successor
from ledger.rows.accounts import ACCOUNT_PREFIX
from ledger.rows.assets import ASSET_PREFIX, Balance, balances_prefix
from ledger.rows.evidence import RecordedEvidence, evidence_prefix
from ledger.rows.governance import CANDIDATE_PREFIX, Proposal, ProposalState
from ledger.rows.streams import STREAM_PREFIX
from ledger.state import State
from node.storage import keys
from node.storage.block_rows import BlockReader, Place, StoredHeader, read_heights_with_transactions
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.indexes import RecordPlace, entity_revisions, find_record, stream_records
from node.storage.keys import Subject
from node.storage.search import Pause, matching_places
from node.storage.state_rows import CurrentState, StateAt

Item = TypeVar("Item")

_HEIGHT = struct.Struct(">Q")
_PLACE = struct.Struct(">QI")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` (>= 1) items behind the place `after` (None: from the start); `reverse`: newest or last first."""

    limit: int
    after: bytes | None = None
    reverse: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the place where the next page starts: None when there is none. A page may be short, or empty."""

    items: tuple[Item, ...]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class CommittedTransaction:
    """A transaction of the chain: its log entry, its exact bytes, and its block."""

    leaf: Leaf
    envelope: bytes
    header: Header
    block_hash: Digest


@dataclass(frozen=True, slots=True)
class Record:
    """Record number `revision` of `stream`: operation number `operation` (from 0) of `transaction`."""

    stream: str
    revision: int
    operation: int
    transaction: CommittedTransaction


class Queries:
    """Reads of one chain. Methods raise `MalformedError` for an `after` that is no place, and `DamagedError`."""

    def __init__(self, chain: ChainStore) -> None:
        self.chain = chain

    def heights(self, page: PageRequest) -> Page[int]:
        """The heights of all blocks."""
        newest = self.chain.tip.header.height
        last = None if page.after is None else _unpack(_HEIGHT, page.after)[0]
        if page.reverse:
            heights = range(newest if last is None else min(last - 1, newest), -1, -1)
        else:
            heights = range(0 if last is None else last + 1, newest + 1)
        return _page(iter(heights), page.limit, _HEIGHT.pack)

    def transaction(self, transaction_id: Digest) -> CommittedTransaction | None:
        """The committed transaction with this id, or None."""
        place = self.chain.locate(transaction_id)
        if place is None:
            return None
        found = _Transactions(self.chain).read(place)
        if found.leaf.transaction_id != transaction_id:
            raise DamagedError(f"transaction {transaction_id.hex()} is not where the index has it")
        return found

    def evidence(self, evidence_digest: Digest) -> CommittedTransaction | None:
        """The committed transaction that recorded the evidence with this digest, or None."""
        transaction_id = self.chain.reader.get(keys.evidence(evidence_digest))
        if transaction_id is None:
            return None
        found = self.transaction(Digest(transaction_id))
        if found is None:
            raise DamagedError(f"evidence {evidence_digest.hex()} is recorded, and its transaction is nowhere")
        return found

    def transactions(
        self,
        page: PageRequest,
        *,
        account: str | None = None,
        stream: str | None = None,
        asset: str | None = None,
        type: str | None = None,
        from_height: int = 0,
        to_height: int | None = None,
    ) -> Page[CommittedTransaction]:
        """The transactions about everything that is given: an account, a stream, an asset, an operation type, heights.

        About an account: it is the sender, a cosigner, or was changed, or a balance of it was. About a stream: it was
        changed or appended to. About an asset: it was changed, or a balance of it was.
        """
        newest = self.chain.tip.header.height
        to_height = newest if to_height is None else min(to_height, newest)
        named = (
            (Subject.ACCOUNT, account),
            (Subject.STREAM, stream),
            (Subject.ASSET, asset),
            (Subject.OPERATION, type),
        )
        subjects = tuple((kind, name) for kind, name in named if name is not None)
        after = None if page.after is None else Place(*_unpack(_PLACE, page.after))
        if subjects:
            found = matching_places(self.chain.reader, subjects, from_height, to_height, after, reverse=page.reverse)
        else:
            found = self._places(from_height, to_height, after, reverse=page.reverse)
        transactions = _Transactions(self.chain)
        items: list[CommittedTransaction] = []
        last: Place | None = None
        for place in found:
            if isinstance(place, Pause):
                return Page(tuple(items), _pack(place.behind))
            if last is not None and len(items) == page.limit:
                return Page(tuple(items), _pack(last))
            items.append(transactions.read(place))
            last = place
        return Page(tuple(items), None)

    def account_names(self, page: PageRequest, *, height: int | None = None) -> Page[str]:
        """The names of all accounts, at a height or now."""
        return self._names(ACCOUNT_PREFIX, page, height)

    def stream_names(self, page: PageRequest, *, height: int | None = None) -> Page[str]:
        """The names of all streams, at a height or now."""
        return self._names(STREAM_PREFIX, page, height)

    def asset_names(self, page: PageRequest, *, height: int | None = None) -> Page[str]:
        """The names of all assets, at a height or now."""
        return self._names(ASSET_PREFIX, page, height)

    def balances(self, account: str, page: PageRequest, *, height: int | None = None) -> Page[Balance]:
        """What an account holds, and in what it is frozen, by asset name, at a height or now."""
        found = self._names(balances_prefix(account), page, height)
        state = State(self._state(height))
        balances = (state.balance(account, asset) for asset in found.items)
        return Page(tuple(balance for balance in balances if balance is not None), found.next)

    def holders(self, asset: str, page: PageRequest, *, height: int | None = None) -> Page[Balance]:
        """Who holds some of an asset, or is frozen in it, by account name, at a height or now."""
        prefix, state = keys.holders(asset), State(self._state(height))
        rows = self.chain.reader.range(*_behind(prefix, page), reverse=page.reverse)
        accounts = (key[len(prefix) :].decode() for key, _ in rows)
        return _sparse_page(((name.encode(), state.balance(name, asset)) for name in accounts), page.limit)

    def recorded_evidence(self, validator: str, *, limit: int) -> tuple[RecordedEvidence, ...]:
        """What the ledger has recorded against a validator: of the newest heights at which it contradicted itself."""
        prefix, state = evidence_prefix(validator), State(self.chain.state)
        newest = islice(self.chain.state.keys(prefix, successor(prefix), reverse=True), limit)
        rows = (state.evidence(validator, int(key[len(prefix) :])) for key, _ in newest)
        return tuple(row for row in rows if row is not None)

    def candidate_names(self, page: PageRequest, *, height: int | None = None) -> Page[str]:
        """The names of all candidates that are ready to be validators, at a height or now."""
        return self._names(CANDIDATE_PREFIX, page, height)

    def proposals(
        self, page: PageRequest, *, wanted: ProposalState | None = None, height: int | None = None
    ) -> Page[Proposal]:
        """Proposals by number, as they stood at a height or stand now: all, or those in the state that is `wanted`."""
        state, time_ms = State(self._state(height)), self._time_ms(height)
        governance = state.governance()
        after = None if page.after is None else _unpack(_HEIGHT, page.after)[0]
        first = 1 if page.reverse or after is None else after + 1
        last = governance.count if not page.reverse or after is None else min(after - 1, governance.count)
        listed: Sequence[int] = range(first, last + 1)
        if wanted is ProposalState.OPEN:
            listed = [item.number for item in governance.open if first <= item.number <= last]
        elif wanted is ProposalState.APPROVED:
            listed = sorted(item.number for item in governance.pending if first <= item.number <= last)

        def found() -> Iterator[tuple[bytes, Proposal | None]]:
            for number in reversed(listed) if page.reverse else listed:
                row = state.proposal(number)
                if row is None:
                    raise DamagedError(f"proposal {number} is counted, and is nowhere")
                shown = as_of(row, time_ms)
                yield _HEIGHT.pack(number), shown if wanted in (None, shown.state) else None

        return _sparse_page(found(), page.limit)

    def record(self, stream: str, revision: int) -> Record | None:
        """One record of a stream, or None."""
        place = find_record(self.chain.reader, stream, revision)
        return None if place is None else self._record(_Transactions(self.chain), stream, revision, place)

    def records(self, stream: str, page: PageRequest, *, key: str | None = None) -> Page[Record]:
        """The records of a stream, or those of them with an entity key."""
        last = None if page.after is None else _unpack(_HEIGHT, page.after)[0]
        first = 1 if page.reverse or last is None else last + 1
        final = keys.HEIGHT_MAX if not page.reverse or last is None else last - 1
        transactions, reader = _Transactions(self.chain), self.chain.reader
        if final < first:
            return Page((), None)
        if key is None:
            places = stream_records(reader, stream, first, final, reverse=page.reverse)
            found = (self._record(transactions, stream, revision, place) for revision, place in places)
        else:
            revisions = entity_revisions(reader, stream, key, first, final, reverse=page.reverse)
            found = (record for number in revisions if (record := self._found(transactions, stream, number)))
        return _page(found, page.limit, lambda record: _HEIGHT.pack(record.revision))

    def _found(self, transactions: _Transactions, stream: str, revision: int) -> Record:
        place = find_record(self.chain.reader, stream, revision)
        if place is None:
            raise DamagedError(f"record {revision} of {stream} has an entity key, and is nowhere")
        return self._record(transactions, stream, revision, place)

    def _record(self, transactions: _Transactions, stream: str, revision: int, place: RecordPlace) -> Record:
        height, index, operation = place
        return Record(stream, revision, operation, transactions.read(Place(height, index)))

    def _places(
        self, from_height: int, to_height: int, after: Place | None, *, reverse: bool
    ) -> Iterator[Place | Pause]:
        """Every transaction of the blocks from from_height to to_height, behind `after`."""
        if after is not None and reverse:
            to_height = min(to_height, after.height)
        elif after is not None:
            from_height = max(from_height, after.height)
        if not 0 <= from_height <= to_height:
            return
        lowest, highest = self.chain.header(from_height), self.chain.header(to_height)
        first_leaf = lowest.log_size - lowest.transaction_count
        for height in read_heights_with_transactions(self.chain.reader, first_leaf, highest.log_size, reverse=reverse):
            indices = range(self.chain.header(height).transaction_count)
            for index in reversed(indices) if reverse else indices:
                place = Place(height, index)
                if after is None or (place < after if reverse else place > after):
                    yield place

    def _names(self, prefix: bytes, page: PageRequest, height: int | None) -> Page[str]:
        """The names of the rows whose keys are a prefix and a name."""
        found = self._state(height).keys(*_behind(prefix, page), reverse=page.reverse)
        names = ((key[len(prefix) :], present) for key, present in found)
        return _sparse_page(((name, name.decode() if present else None) for name, present in names), page.limit)

    def _time_ms(self, height: int | None) -> int:
        """Ledger time at a height, or now."""
        return (self.chain.tip.header if height is None else self.chain.header(height)).time_ms

    def _state(self, height: int | None) -> CurrentState | StateAt:
        """The state at a height, or now."""
        return self.chain.state if height is None else self.chain.state_at(height)


class _Transactions:
    """Reads transactions for one page; those of one block come from one reader."""

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain
        self._open: tuple[StoredHeader, BlockReader] | None = None

    def read(self, place: Place) -> CommittedTransaction:
        """The transaction at a place. Raises `DamagedError`."""
        if self._open is None or self._open[0].header.height != place.height:
            header = self._chain.stored_header(place.height)
            self._open = header, BlockReader(self._chain.reader, header)
        stored, block = self._open
        envelope, leaf = block.transaction(place.index)
        return CommittedTransaction(leaf, envelope, stored.header, stored.block_hash)


def _page(found: Iterator[Item], limit: int, place_of: Callable[[Item], bytes]) -> Page[Item]:
    """The first `limit` items; one more is looked at to know whether there is a next page."""
    items = tuple(islice(found, limit + 1))
    if len(items) <= limit:
        return Page(items, None)
    return Page(items[:limit], place_of(items[limit - 1]))


def _sparse_page(found: Iterator[tuple[bytes, Item | None]], limit: int) -> Page[Item]:
    """The first `limit` items of `found`, which has a place and None where there is nothing to list."""
    items: list[Item] = []
    last = b""
    for seek, (place, item) in enumerate(found):
        if seek == QUERY_SEEKS_MAX or (item is not None and len(items) == limit):
            return Page(tuple(items), last)
        if item is not None:
            items.append(item)
        last = place
    return Page(tuple(items), None)


def _behind(prefix: bytes, page: PageRequest) -> tuple[bytes, bytes]:
    """The bounds of the keys, each a prefix and a name, that are behind the place of a page.

    Raises `MalformedError` for a place that is no name.
    """
    if page.after is None:
        return prefix, successor(prefix)
    if len(page.after) > NAME_BYTES_MAX:
        raise MalformedError("it is no name")
    if page.reverse:
        return prefix, prefix + page.after
    return prefix + page.after + b"\0", successor(prefix)


def _pack(place: Place) -> bytes:
    return _PLACE.pack(place.height, place.index)


def _unpack(form: struct.Struct, place: bytes) -> tuple[int, ...]:
    """The numbers of a place. Raises `MalformedError`."""
    if len(place) != form.size:
        raise MalformedError("it is no place in this list")
    return form.unpack(place)
