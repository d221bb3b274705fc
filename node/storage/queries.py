"""Paged reads for the HTTP API. What a page costs depends on what is on it, not on the length of the chain.

`node.storage.paging` says how pages follow each other. A search by several subjects leaps from index row to index row,
and a list of what is in the state passes by what was there at another height only; both give up a page after
QUERY_SEEKS_MAX steps in vain: then the page is short, and still says where to go on.

Everything is read from rows that are committed and durable. A page is read without yielding, so it is of one height.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.block import Header, Leaf
from ledger.governance.proposals import as_of
from ledger.primitives import Digest
from ledger.rows.accounts import ACCOUNT_PREFIX
from ledger.rows.assets import ASSET_PREFIX, Balance, balances_prefix
from ledger.rows.evidence import RecordedEvidence, evidence_prefix
from ledger.rows.governance import CANDIDATE_PREFIX, Proposal, ProposalState
from ledger.rows.streams import STREAM_PREFIX
from ledger.state import State
from node.storage import keys
from node.storage.block_rows import BlockReader, Place, read_heights_with_transactions
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.indexes import RecordPlace, entity_revisions, find_record, stream_records
from node.storage.keys import Subject
from node.storage.paging import (
    Page,
    PageRequest,
    names_behind,
    numbers_behind,
    pack_number,
    pack_place,
    page_of,
    sparse_page,
    unpack_place,
)
from node.storage.search import Pause, matching_places
from node.storage.state_rows import CurrentState, StateAt, row_versions


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


@dataclass(frozen=True, slots=True)
class StateVersion:
    """What a state key held from the block of `header` on: the row's bytes, or None for nothing."""

    header: Header
    value: bytes | None


class Queries:
    """Reads of one chain. Methods raise `MalformedError` for an `after` that is no place, and `DamagedError`."""

    def __init__(self, chain: ChainStore) -> None:
        self.chain = chain

    def height_from(self, time_ms: int) -> int:
        """The first height whose block has this ledger time or a later one; the newest plus one when there is none.

        Ledger time grows with every block, so this reads as many headers as the newest height has binary digits.
        """
        return bisect_left(
            range(self.chain.tip.header.height + 1), time_ms, key=lambda height: self.chain.header(height).time_ms
        )

    def heights(self, page: PageRequest, *, from_height: int = 0, to_height: int | None = None) -> Page[int]:
        """The heights of all blocks, or of those from from_height to to_height."""
        heights = numbers_behind(page, from_height, self._newest(to_height))
        return page_of(iter(heights), page.limit, pack_number)

    def transaction(self, transaction_id: Digest) -> CommittedTransaction | None:
        """The committed transaction with this id, or None."""
        place = self.chain.locate(transaction_id)
        if place is None:
            return None
        found = _Transactions(self.chain).read(place)
        if found.leaf.transaction_id != transaction_id:
            raise DamagedError(f"transaction {transaction_id.hex()} is not where the index has it")
        return found

    def leaves(self, transaction_ids: Iterable[Digest]) -> dict[Digest, Leaf]:
        """The log entries of those of the transactions that are committed; what stands together is read together."""
        located = [(self.chain.locate(name), name) for name in transaction_ids]
        transactions = _Transactions(self.chain)
        found: dict[Digest, Leaf] = {}
        for place, name in sorted((place, name) for place, name in located if place is not None):
            leaf = transactions.leaf(place)
            if leaf.transaction_id != name:
                raise DamagedError(f"transaction {name.hex()} is not where the index has it")
            found[name] = leaf
        return found

    def evidence(self, evidence_digest: Digest) -> CommittedTransaction | None:
        """The committed transaction that recorded the evidence with this digest, or None."""
        transaction_id = self.chain.store.get(keys.evidence(evidence_digest))
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
        validator: str | None = None,
        proposal: int | None = None,
        from_height: int = 0,
        to_height: int | None = None,
    ) -> Page[CommittedTransaction]:
        """The transactions about everything that is given: an account, a stream, an asset, an operation type, heights.

        About an account: it is the sender, a cosigner, or was changed, or a balance of it was. About a stream: it was
        changed or appended to. About an asset: it was changed, or a balance of it was. About a validator, which need
        not be in the set: it sent it, or is accused, is ready, or is what a proposal is about that it creates or
        decides. About a proposal: it was created or changed.
        """
        to_height = self._newest(to_height)
        after = None if page.after is None else unpack_place(page.after)
        if to_height < from_height:
            return Page((), None)
        named = (
            (Subject.ACCOUNT, account),
            (Subject.STREAM, stream),
            (Subject.ASSET, asset),
            (Subject.OPERATION, type),
            (Subject.VALIDATOR, validator),
            (Subject.PROPOSAL, None if proposal is None else str(proposal)),
        )
        subjects = tuple((kind, name) for kind, name in named if name is not None)
        if subjects:
            found = matching_places(self.chain.store, subjects, from_height, to_height, after, reverse=page.reverse)
        else:
            found = self._places(from_height, to_height, after, reverse=page.reverse)
        transactions = _Transactions(self.chain)
        items: list[CommittedTransaction] = []
        last: Place | None = None
        for place in found:
            if isinstance(place, Pause):
                return Page(tuple(items), pack_place(place.behind))
            if last is not None and len(items) == page.limit:
                return Page(tuple(items), pack_place(last))
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
        rows = self.chain.store.range(*names_behind(prefix, page), reverse=page.reverse)
        accounts = (key[len(prefix) :].decode() for key, _ in rows)
        return sparse_page(((name.encode(), state.balance(name, asset)) for name in accounts), page.limit)

    def recorded_evidence(
        self, validator: str, page: PageRequest, *, height: int | None = None
    ) -> Page[RecordedEvidence]:
        """What the ledger has recorded against a validator, by the height at which it contradicted itself."""
        prefix, view = evidence_prefix(validator), self._state(height)
        state = State(view)
        found = (
            (key[len(prefix) :], state.evidence(validator, int(key[len(prefix) :])) if present else None)
            for key, present in view.keys(*names_behind(prefix, page), reverse=page.reverse)
        )
        return sparse_page(found, page.limit)

    def versions(
        self, key: bytes, page: PageRequest, *, from_height: int = 0, to_height: int | None = None
    ) -> Page[StateVersion]:
        """Each height whose block wrote or deleted the row of a state key, and what it held from then on."""
        heights = numbers_behind(page, from_height, self._newest(to_height))
        if not heights:
            return Page((), None)
        found = row_versions(
            self.chain.store, key, min(heights[0], heights[-1]), max(heights[0], heights[-1]), reverse=page.reverse
        )
        versions = (StateVersion(self.chain.header(height), value) for height, value in found)
        return page_of(versions, page.limit, lambda item: pack_number(item.header.height))

    def candidate_names(self, page: PageRequest, *, height: int | None = None) -> Page[str]:
        """The names of all candidates that are ready to be validators, at a height or now."""
        return self._names(CANDIDATE_PREFIX, page, height)

    def proposals(
        self, page: PageRequest, *, wanted: ProposalState | None = None, height: int | None = None
    ) -> Page[Proposal]:
        """Proposals by number, as they stood at a height or stand now: all, or those in the state that is `wanted`."""
        state, time_ms = State(self._state(height)), self._time_ms(height)
        governance = state.governance()
        listed = numbers_behind(page, 1, governance.count)
        numbers: Iterable[int] = listed
        if wanted is ProposalState.OPEN:
            numbers = _in_order((item.number for item in governance.open), listed)
        elif wanted is ProposalState.APPROVED:
            numbers = _in_order((item.number for item in governance.pending), listed)

        def found() -> Iterator[tuple[bytes, Proposal | None]]:
            for number in numbers:
                row = state.proposal(number)
                if row is None:
                    raise DamagedError(f"proposal {number} is counted, and is nowhere")
                shown = as_of(row, time_ms)
                yield pack_number(number), shown if wanted in (None, shown.state) else None

        return sparse_page(found(), page.limit)

    def record(self, stream: str, revision: int) -> Record | None:
        """One record of a stream, or None."""
        place = find_record(self.chain.store, stream, revision)
        return None if place is None else self._record(_Transactions(self.chain), stream, revision, place)

    def records(
        self,
        stream: str,
        page: PageRequest,
        *,
        key: str | None = None,
        from_height: int = 0,
        to_height: int | None = None,
    ) -> Page[Record]:
        """The records of a stream, or those of them with an entity key, appended from from_height to to_height."""
        revisions = numbers_behind(
            page, self._count(stream, from_height - 1) + 1, self._count(stream, self._newest(to_height))
        )
        if not revisions:
            return Page((), None)
        first, last = min(revisions[0], revisions[-1]), max(revisions[0], revisions[-1])
        transactions, reader = _Transactions(self.chain), self.chain.store
        if key is None:
            places = stream_records(reader, stream, first, last, reverse=page.reverse)
            found = (self._record(transactions, stream, revision, place) for revision, place in places)
        else:
            numbers = entity_revisions(reader, stream, key, first, last, reverse=page.reverse)
            found = (self._found(transactions, stream, number) for number in numbers)
        return page_of(found, page.limit, lambda record: pack_number(record.revision))

    def _count(self, stream: str, height: int) -> int:
        """How many records a stream had after the block of a height, which may be before the first."""
        found = None if height < 0 else State(self.chain.state_at(height)).stream(stream)
        return 0 if found is None else found.count

    def _newest(self, to_height: int | None) -> int:
        """The height at which a range ends that is to end at `to_height`, None for the newest."""
        newest = self.chain.tip.header.height
        return newest if to_height is None else min(to_height, newest)

    def _found(self, transactions: _Transactions, stream: str, revision: int) -> Record:
        place = find_record(self.chain.store, stream, revision)
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
        for height in read_heights_with_transactions(self.chain.store, first_leaf, highest.log_size, reverse=reverse):
            indices = range(self.chain.header(height).transaction_count)
            for index in reversed(indices) if reverse else indices:
                place = Place(height, index)
                if after is None or (place < after if reverse else place > after):
                    yield place

    def _names(self, prefix: bytes, page: PageRequest, height: int | None) -> Page[str]:
        """The names of the rows whose keys are a prefix and a name."""
        found = self._state(height).keys(*names_behind(prefix, page), reverse=page.reverse)
        names = ((key[len(prefix) :], present) for key, present in found)
        return sparse_page(((name, name.decode() if present else None) for name, present in names), page.limit)

    def _time_ms(self, height: int | None) -> int:
        """Ledger time at a height, or now."""
        return (self.chain.tip.header if height is None else self.chain.header(height)).time_ms

    def _state(self, height: int | None) -> CurrentState | StateAt:
        """The state at a height, or now."""
        return self.chain.state if height is None else self.chain.state_at(height)


class _Transactions:
    """Reads transactions for one answer; those of one block come from one reader."""

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain
        self._tiles = chain.log_reader()
        self._open: BlockReader | None = None

    def read(self, place: Place) -> CommittedTransaction:
        """The transaction at a place. Raises `DamagedError`."""
        if (at_hand := self._chain.just_appended(place)) is not None:
            envelope, leaf = at_hand
            return CommittedTransaction(leaf, envelope, self._chain.tip.header, self._chain.tip.block_hash)
        block = self._block(place.height)
        envelope, leaf = block.transaction(place.index)
        return CommittedTransaction(leaf, envelope, block.stored.header, block.stored.block_hash)

    def leaf(self, place: Place) -> Leaf:
        """The log entry of the transaction at a place. Raises `DamagedError`."""
        return self._block(place.height).leaf(place.index)

    def _block(self, height: int) -> BlockReader:
        if self._open is None or self._open.stored.header.height != height:
            self._open = self._chain.block(height, self._tiles)
        return self._open


def _in_order(numbers: Iterable[int], behind: range) -> list[int]:
    """Those of `numbers` that are in `behind`, in its order."""
    return sorted((number for number in numbers if number in behind), reverse=behind.step < 0)
