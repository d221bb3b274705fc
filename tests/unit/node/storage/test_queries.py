"""Searches and lists: each page is what a plain walk over all blocks would have found, in order, each item once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.chain import CandidateBlock
from ledger.errors import MalformedError
from ledger.events import RecordAppended
from ledger.transaction import Transaction
from node.storage import keys, search
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.paging import Page, PageRequest
from node.storage.queries import Queries
from tests.unit.node.storage.chains import append, commit, create_stream, digest_of, new_chain, transaction
from tests.unit.node.storage.noting import NotingStore

Item = TypeVar("Item")
STREAMS, KEYS = ("invoices", "invoices-2"), (None, "a", "b")


class World:
    """A chain of transactions of several senders on several streams, and what was put into it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.chain: ChainStore = new_chain(self.store)
        self.blocks: list[CandidateBlock] = []
        nonce = 0
        for height in range(1, 13):
            items: list[Transaction] = []
            for index in range((0, 1, 5, 0, 70)[height % 5]):
                nonce += 1
                stream, key = STREAMS[nonce % 2], KEYS[nonce % 3]
                if height == 1:
                    operations = tuple(create_stream(name) for name in STREAMS)
                elif index % 7 == 3:
                    operations = (create_stream(f"stream-{nonce}"),)
                else:
                    operations = (append(f"{nonce}", stream=stream, key=key), append("more", stream=stream))
                sender = (0, 0, 0, 0, 1)[nonce % 5]
                if sender:  # refused when it is executed: recorded as failed
                    operations = (append("no", stream=stream, by=1),)
                items.append(
                    transaction(*operations, sender=sender, nonce=nonce, cosigner=2 if nonce % 11 == 0 else None)
                )
            self.blocks.append(commit(self.chain, items))
        self.queries = Queries(open_chain(self.store))

    def places(self, about: Callable[[Transaction, CandidateBlock, int], bool]) -> list[tuple[int, int]]:
        return [
            (block.header.height, index)
            for block in self.blocks
            for index, item in enumerate(block.transactions)
            if about(item, block, index)
        ]

    def records(self, stream: str, key: str | None = None) -> list[int]:
        events = [event for block in self.blocks for event in block.events if isinstance(event, RecordAppended)]
        return [event.revision for event in events if event.stream == stream and key in (None, event.key)]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def all_pages(ask: Callable[[PageRequest], Page[Item]], limit: int, *, reverse: bool) -> list[Item]:
    items: list[Item] = []
    after: bytes | None = None
    while True:
        page = ask(PageRequest(limit, after, reverse))
        assert len(page.items) <= limit
        items += page.items
        if page.next is None:
            return items
        assert page.next != after
        after = page.next


def of_account(name: str) -> Callable[[Transaction, CandidateBlock, int], bool]:
    return lambda item, _block, _index: name == item.body.sender or name in item.body.cosigners


def of_type(name: str) -> Callable[[Transaction, CandidateBlock, int], bool]:
    return lambda item, _block, _index: any(operation.kind.type == name for operation in item.body.operations)


def of_stream(name: str) -> Callable[[Transaction, CandidateBlock, int], bool]:
    return lambda _item, block, index: any(
        getattr(event, "stream", None) == name and event.transaction_index == index for event in block.events
    )


SEARCHES: list[tuple[dict[str, str], list[Callable[[Transaction, CandidateBlock, int], bool]]]] = [
    ({}, []),
    ({"account": "org0"}, [of_account("org0")]),
    ({"account": "org1"}, [of_account("org1")]),
    ({"account": "org2"}, [of_account("org2")]),
    ({"account": "org3"}, [of_account("org3")]),
    ({"stream": "invoices"}, [of_stream("invoices")]),
    ({"type": "stream.create"}, [of_type("stream.create")]),
    ({"type": "nothing.known"}, [of_type("nothing.known")]),
    ({"account": "org2", "stream": "invoices-2"}, [of_account("org2"), of_stream("invoices-2")]),
    ({"account": "org1", "stream": "invoices"}, [of_account("org1"), of_stream("invoices")]),
    (
        {"account": "org0", "stream": "invoices", "type": "stream.create"},
        [of_account("org0"), of_stream("invoices"), of_type("stream.create")],
    ),
]


NOTHING: list[dict[str, str]] = [
    {"account": "org3"},
    {"type": "nothing.known"},
    {"account": "org1", "stream": "invoices"},  # what org1 appended was refused: it touched no stream
]


@pytest.mark.parametrize(("given_", "conditions"), SEARCHES, ids=[str(row[0]) for row in SEARCHES])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("heights", [(0, None), (3, 9), (4, 4), (9, 3), (0, 99)])
def test_a_search_finds_what_a_walk_finds(
    world: World,
    given_: dict[str, str],
    conditions: list[Callable[[Transaction, CandidateBlock, int], bool]],
    reverse: bool,
    heights: tuple[int, int | None],
) -> None:
    lowest, highest = heights
    expected = [
        place
        for place in world.places(lambda *item: all(condition(*item) for condition in conditions))
        if lowest <= place[0] <= (99 if highest is None else highest)
    ]
    for limit in (1, 7, 200):
        if limit == 1 and len(expected) > 60:
            continue

        def ask(page: PageRequest) -> Page[tuple[int, int]]:
            found = world.queries.transactions(page, **given_, from_height=lowest, to_height=highest)
            return Page(tuple((item.leaf.height, item.leaf.index) for item in found.items), found.next)

        assert all_pages(ask, limit, reverse=reverse) == (expected[::-1] if reverse else expected)


def test_the_walk_and_the_search_have_something_to_find(world: World) -> None:
    for given_, conditions in SEARCHES:
        found = world.places(lambda *item, conditions=conditions: all(condition(*item) for condition in conditions))
        assert bool(found) == (given_ not in NOTHING), given_


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_search_pauses_and_goes_on(world: World, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "QUERY_SEEKS_MAX", 2)
    conditions = of_account("org2"), of_stream("invoices-2")
    expected = world.places(lambda *item: all(condition(*item) for condition in conditions))
    pages: list[int] = []

    def ask(page: PageRequest) -> Page[tuple[int, int]]:
        found = world.queries.transactions(page, account="org2", stream="invoices-2")
        pages.append(len(found.items))
        return Page(tuple((item.leaf.height, item.leaf.index) for item in found.items), found.next)

    assert all_pages(ask, 200, reverse=reverse) == (expected[::-1] if reverse else expected)
    assert len(pages) > 1


def test_a_transaction_is_found_by_its_id_with_everything_about_it(world: World) -> None:
    for block in world.blocks:
        for index, item in enumerate(block.transactions):
            found = world.queries.transaction(item.id)
            assert found is not None
            assert (found.leaf.height, found.leaf.index) == (block.header.height, index)
            assert found.leaf.result == block.results[index]
            assert found.leaf.envelope_hash == item.envelope_hash
            assert found.envelope == item.envelope
            assert (found.header, found.block_hash) == (block.header, block.block_hash)
    assert world.queries.transaction(digest_of("unknown")) is None


class Counting(MemoryStore):
    """A store that counts the rows of outcomes and of bodies that are read from it."""

    outcomes = bodies = 0

    def get(self, key: bytes) -> bytes | None:
        self.outcomes += key.startswith(keys.OUTCOMES_PREFIX)
        self.bodies += key.startswith(keys.body(0, digest_of("any"))[:1])
        return super().get(key)


def test_what_became_of_many_is_read_block_by_block_whatever_their_order(world: World) -> None:
    expected = {
        item.id: (block.header.height, index, block.results[index])
        for block in world.blocks
        for index, item in enumerate(block.transactions)
    }
    store = Counting(world.store.image())
    asked = [*sorted(expected), digest_of("unknown")]  # by id: in no order of the chain
    found = Queries(open_chain(store)).leaves(asked)
    assert {name: (leaf.height, leaf.index, leaf.result) for name, leaf in found.items()} == expected
    chunks = sum(-(-len(block.transactions) // keys.CHUNK_TRANSACTIONS) for block in world.blocks)
    assert 0 < store.outcomes == chunks
    assert store.bodies == 0, "no envelope is needed for that"


def test_an_index_that_names_another_transaction_is_damage(world: World) -> None:
    store = MemoryStore(world.store.image())
    first, second = world.blocks[1].transactions[:2]
    place = store.get(keys.transaction(second.id))
    assert place is not None
    store.write({keys.transaction(first.id): place}, sync=True)
    queries = Queries(open_chain(store))
    with pytest.raises(DamagedError, match="is not where the index has it"):
        queries.transaction(first.id)
    with pytest.raises(DamagedError, match="is not where the index has it"):
        queries.leaves([second.id, first.id])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 200])
@pytest.mark.parametrize("stream", [*STREAMS, "stream-6", "unknown"])
def test_records_are_listed_by_revision(world: World, stream: str, limit: int, reverse: bool) -> None:
    for key in (None, "a", "b", "unknown"):
        expected = world.records(stream, key)
        if limit == 1 and len(expected) > 100:
            continue

        def ask(page: PageRequest, key: str | None = key) -> Page[int]:
            found = world.queries.records(stream, page, key=key)
            for record in found.items:
                operation = world.blocks[record.transaction.leaf.height - 1].transactions[
                    record.transaction.leaf.index
                ].body.operations[record.operation]  # fmt: skip
                assert (operation.stream, record.stream) == (stream, stream)  # type: ignore[attr-defined]
                assert key is None or operation.key == key  # type: ignore[attr-defined]
            return Page(tuple(record.revision for record in found.items), found.next)

        assert all_pages(ask, limit, reverse=reverse) == (expected[::-1] if reverse else expected)


def test_every_record_is_found_by_its_revision(world: World) -> None:
    for stream in STREAMS:
        revisions = world.records(stream)
        assert revisions == list(range(1, len(revisions) + 1))
        for revision in revisions:
            record = world.queries.record(stream, revision)
            assert record is not None
            assert record.revision == revision
        assert world.queries.record(stream, 0) is None
        assert world.queries.record(stream, len(revisions) + 1) is None
    assert world.queries.record("unknown", 1) is None


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 200])
def test_heights_and_names_are_listed(world: World, limit: int, reverse: bool) -> None:
    def in_order(items: list[Item]) -> list[Item]:
        return items[::-1] if reverse else items

    assert all_pages(world.queries.heights, limit, reverse=reverse) == in_order(list(range(13)))
    accounts = [f"org{number}" for number in range(4)]
    assert all_pages(world.queries.account_names, limit, reverse=reverse) == in_order(accounts)
    created = [1] if limit == 1 else [1, 12]
    for height in created:
        names = sorted(
            operation.name
            for block in world.blocks[:height]
            for index, item in enumerate(block.transactions)
            if block.results[index] == "applied"
            for operation in item.body.operations
            if operation.kind.type == "stream.create"
        )

        def ask(page: PageRequest, height: int = height) -> Page[str]:
            return world.queries.stream_names(page, height=height)

        assert all_pages(ask, limit, reverse=reverse) == in_order(names)
    assert all_pages(lambda page: world.queries.stream_names(page, height=0), limit, reverse=reverse) == []


@pytest.mark.parametrize("after", [b"", b"x", bytes(7), bytes(9), bytes(13), b"n" * 65])
def test_what_is_no_place_is_refused(world: World, after: bytes) -> None:
    page = PageRequest(10, after)
    with pytest.raises(MalformedError):
        world.queries.heights(page)
    with pytest.raises(MalformedError):
        world.queries.transactions(page)
    with pytest.raises(MalformedError):
        world.queries.records("invoices", page)
    if len(after) > 64:
        with pytest.raises(MalformedError):
            world.queries.stream_names(page)


@settings(max_examples=60)
@given(
    number=st.integers(0, 2**64 - 1),
    index=st.integers(0, 2**32 - 1),
    reverse=st.booleans(),
    name=st.binary(max_size=64),
)
def test_any_place_is_answered(number: int, index: int, reverse: bool, name: bytes) -> None:
    """A cursor is the client's: whatever it says, the answer is a page."""
    queries = _FUZZED.queries
    place = PageRequest(3, number.to_bytes(8, "big"), reverse)
    assert len(queries.heights(place).items) <= 3
    assert len(queries.records("invoices", place).items) <= 3
    assert len(queries.records("invoices", place, key="a").items) <= 3
    both = PageRequest(3, number.to_bytes(8, "big") + index.to_bytes(4, "big"), reverse)
    assert len(queries.transactions(both).items) <= 3
    assert len(queries.transactions(both, account="org0").items) <= 3
    assert len(queries.transactions(both, account="org0", stream="invoices").items) <= 3
    assert len(queries.stream_names(PageRequest(3, name, reverse)).items) <= 3


_FUZZED = World()


def test_a_page_costs_what_is_on_it(world: World) -> None:
    """Reads of the store for one small page, on a chain whose length does not matter."""
    store = NotingStore(world.store.image())
    queries = Queries(open_chain(store))
    for ask in (
        lambda: queries.transactions(PageRequest(5)),
        lambda: queries.transactions(PageRequest(5), account="org0"),
        lambda: queries.records("invoices", PageRequest(5)),
    ):
        store.read.clear()
        assert len(ask().items) == 5
        assert len(store.read) < 40


def test_what_was_just_appended_is_told_without_reading_it_and_is_what_a_reader_finds() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    commit(chain, [transaction(*(create_stream(name) for name in STREAMS), nonce=1)])
    appended = [(append(str(nonce), by=nonce % 2), nonce) for nonce in range(2, 80)]  # org1 may not
    block = commit(chain, [transaction(item, sender=nonce % 2, nonce=nonce) for item, nonce in appended])
    at_hand, read = Queries(chain), Queries(open_chain(MemoryStore(store.image())))
    ids = [item.id for item in block.transactions]
    assert len(set(block.results)) > 1, "one of them was refused"
    assert [at_hand.transaction(name) for name in ids] == [read.transaction(name) for name in ids]
    store.damage(keys.body_chunk(2, block.block_hash, 0), bit=100)
    assert at_hand.transaction(ids[0]) is not None
    commit(chain, [transaction(append("next"), nonce=80)])
    last = ids[keys.CHUNK_TRANSACTIONS :]
    assert [at_hand.transaction(name) for name in last] == [read.transaction(name) for name in last]
    with pytest.raises(DamagedError, match="checksum"):
        at_hand.transaction(ids[0])
