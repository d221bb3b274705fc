"""Properties of execution and the mempool, each against a model that is too simple to be wrong."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.events import RecordAppended
from ledger.execution import APPLIED, execute
from ledger.mempool import Mempool
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.rows.streams import Stream, stream_key
from ledger.state import Overlay, State
from ledger.transaction import Transaction
from tests.unit.ledger.members import CHAIN, VALID_UNTIL_MS, body, note, rows, sent, signed

OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(StreamCreate, st.just("acme"), st.sampled_from(["s", "t"])),
    st.builds(
        lambda stream, key, expected: RecordAppend(
            "acme", stream, Content(0), None, key, expected if key is not None else None
        ),
        st.sampled_from(["s", "t", "invoices", "archive"]),
        st.sampled_from([None, "k", "l"]),
        st.none() | st.integers(0, 3),
    ),
    st.builds(StreamFreeze, st.sampled_from(["acme", "acme", "globex"]), st.sampled_from(["s", "t"])),
    st.builds(
        StreamWriters,
        st.sampled_from(["acme", "acme", "globex"]),
        st.sampled_from(["s", "t", "invoices", "archive"]),
        st.sampled_from([("acme",), ("acme", "globex"), ("globex",), ("nobody",)]),
    ),
)


class Model:
    """Streams as lists of entity keys, copied for each transaction and thrown away when one operation fails.

    `closed` are those of whose writers acme is not one. Only acme writes.
    """

    def __init__(self) -> None:
        self.streams: dict[str, list[str | None]] = {"invoices": []}
        self.frozen: set[str] = set()
        self.closed: set[str] = set()

    def apply(self, operations: list[Operation]) -> bool:
        streams = {name: list(records) for name, records in self.streams.items()}
        frozen, closed = set(self.frozen), set(self.closed)
        for operation in operations:
            match operation:
                case StreamCreate(name=name):
                    if name in streams:
                        return False
                    streams[name] = []
                case RecordAppend(stream=name, key=key, expected_revision=expected):
                    if name not in streams or name in frozen | closed:
                        return False
                    revisions = [number for number, found in enumerate(streams[name], 1) if found == key]
                    if expected is not None and expected != max(revisions, default=0):
                        return False
                    streams[name].append(key)
                case StreamFreeze(by=by, stream=name):
                    if by != "acme" or name not in streams or name in frozen:
                        return False
                    frozen.add(name)
                case StreamWriters(by=by, stream=name, writers=writers):
                    if by != "acme" or name not in streams or name in frozen or "nobody" in writers:
                        return False
                    closed = closed - {name} if "acme" in writers else closed | {name}
        self.streams, self.frozen, self.closed = streams, frozen, closed
        return True


@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), max_size=8))
@settings(max_examples=60)
def test_a_block_does_what_the_model_does(block: list[list[Operation]]) -> None:
    model = Model()
    expected = [model.apply(operations) for operations in block]
    view = rows()
    transactions = [sent(operations, nonce=nonce) for nonce, operations in enumerate(block)]
    execution = execute(State(view), chain=CHAIN, height=1, time_ms=1, transactions=transactions)
    assert [result == APPLIED for result in execution.results] == expected
    after = State(view.after(execution.writes))
    for name, records in model.streams.items():
        stream = after.stream(name)
        assert stream is not None
        assert stream.count == len(records)
        assert stream.frozen == (name in model.frozen)
        assert ("acme" in stream.writers) == (name not in model.closed)
        for key in {key for key in records if key is not None}:
            latest = after.latest(name, key)
            assert latest is not None
            assert latest.revision == len(records) - records[::-1].index(key)
        appended = [event for event in execution.events if isinstance(event, RecordAppended) and event.stream == name]
        assert [event.revision for event in appended] == list(range(1, len(records) + 1)), "without gaps"
        assert [event.key for event in appended] == records


@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=2), max_size=6), st.integers(0, 6))
@settings(max_examples=40)
def test_two_blocks_leave_the_same_state_as_one(block: list[list[Operation]], cut: int) -> None:
    transactions = [sent(operations, nonce=nonce) for nonce, operations in enumerate(block)]
    view = rows()
    whole = execute(State(view), chain=CHAIN, height=1, time_ms=1, transactions=transactions)
    first = execute(State(view), chain=CHAIN, height=1, time_ms=1, transactions=transactions[:cut])
    middle = view.after(first.writes)
    second = execute(State(middle), chain=CHAIN, height=1, time_ms=1, transactions=transactions[cut:])
    assert first.results + second.results == whole.results
    assert middle.after(second.writes).rows == view.after(whole.writes).rows


class OverlayMachine(RuleBasedStateMachine):
    """An overlay with savepoints against a stack of copied dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.overlay = Overlay(State(rows()))
        self.now: dict[str, Stream | None] = {}
        self.marks: list[tuple[int, dict[str, Stream | None]]] = []

    @rule(name=st.sampled_from("ab"), count=st.none() | st.integers(0, 9))
    def put(self, name: str, count: int | None) -> None:
        row = None if count is None else Stream(name, "acme", frozenset({"acme"}), count)
        self.overlay.put(stream_key(name), row)
        self.now[name] = row

    @rule()
    def mark(self) -> None:
        self.marks.append((self.overlay.savepoint(), dict(self.now)))

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        if self.marks:
            index = data.draw(st.integers(0, len(self.marks) - 1))
            savepoint, self.now = self.marks[index]
            del self.marks[index:]
            self.overlay.roll_back(savepoint)

    @invariant()
    def the_same(self) -> None:
        assert {name: self.overlay.stream(name) for name in "ab"} == {name: self.now.get(name) for name in "ab"}
        assert self.overlay.writes().keys() == {stream_key(name) for name in self.now}


TestOverlay = OverlayMachine.TestCase
TestOverlay.settings = settings(max_examples=40, stateful_step_count=30)


@cache
def pending(sender: str, nonce: int, variant: int) -> Transaction:
    """A transaction of `sender`; two variants have the same id and other signatures."""
    data = body(sender, (note(sender),), nonce=nonce, valid_until_ms=VALID_UNTIL_MS + nonce % 5)
    return signed(data, "one" if variant == 0 else "other")


PENDING = st.builds(pending, st.sampled_from(["a", "b", "c"]), st.integers(0, 11), st.integers(0, 1))
BOUNDS = {"transactions_max": 12, "sender_transactions_max": 6}


class MempoolMachine(RuleBasedStateMachine):
    """The mempool against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Mempool(**BOUNDS)
        self.model: list[Transaction] = []

    @rule(transaction=PENDING)
    def add(self, transaction: Transaction) -> None:
        known = any(item.id == transaction.id for item in self.model)
        own = sum(item.body.sender == transaction.body.sender for item in self.model)
        room = len(self.model) < BOUNDS["transactions_max"] and own < BOUNDS["sender_transactions_max"]
        if not known:
            assert (self.pool.room_for(transaction) is None) == room
        if known or room:
            self.pool.put([transaction])
        if room and not known:
            self.model.append(transaction)

    @rule(transactions=st.lists(PENDING, max_size=4))
    def remove(self, transactions: list[Transaction]) -> None:
        ids = [transaction.id for transaction in transactions]
        self.pool.remove(ids)
        self.model = [item for item in self.model if item.id not in ids]

    @rule(later_ms=st.integers(0, 4))
    def expire(self, later_ms: int) -> None:
        dropped = self.pool.drop_expired(VALID_UNTIL_MS + later_ms)
        gone = [item.id for item in self.model if item.body.valid_until_ms <= VALID_UNTIL_MS + later_ms]
        assert sorted(dropped) == sorted(gone)
        self.model = [item for item in self.model if item.id not in gone]

    @rule(count_max=st.integers(0, 15), bytes_max=st.integers(0, 6_000), quota=st.integers(1, 4))
    def take(self, count_max: int, bytes_max: int, quota: int) -> None:
        taken = self.pool.take(count_max=count_max, bytes_max=bytes_max, quota=quota)
        assert len(taken) <= count_max
        assert sum(len(item.envelope) for item in taken) <= bytes_max
        for sender in "abc":
            of_sender = [item for item in taken if item.body.sender == sender]
            assert len(of_sender) <= quota
            assert of_sender == [item for item in self.model if item.body.sender == sender][: len(of_sender)]
        everything = self.pool.take(count_max=100, bytes_max=10**6, quota=100)
        assert sorted(item.id for item in everything) == sorted(item.id for item in self.model)
        counts = [sum(item.body.sender == sender for item in everything[:3]) for sender in "abc"]
        present = {item.body.sender for item in self.model}
        assert sum(count > 0 for count in counts) == len(present), "everybody's first comes before anybody's second"

    @invariant()
    def the_same(self) -> None:
        assert len(self.pool) == len(self.model)
        assert self.pool.bytes == sum(len(item.envelope) for item in self.model)
        for item in self.model:
            assert self.pool.get(item.envelope_hash) is item
            assert self.pool.pending(item.id)


TestMempool = MempoolMachine.TestCase
TestMempool.settings = settings(max_examples=40, stateful_step_count=40)
