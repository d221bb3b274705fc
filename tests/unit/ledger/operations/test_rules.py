"""Every operation: who may, what it does, and each of its refusals with the operation that triggers it."""

from __future__ import annotations

import pytest

from ledger.events import AccountTouched, Event, RecordAppended, StreamTouched
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation, Place
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.operations.table import OPERATIONS
from ledger.primitives import Digest, PublicKey
from ledger.refusals import TABLE, Code, Kind, Refusal
from ledger.rows.accounts import Account
from ledger.rows.streams import LatestRecord, Stream
from ledger.state import Overlay
from tests.unit.ledger.members import key_of, note, state

PLACE = Place(
    height=9, time_ms=1_800_000_000_000, transaction_id=Digest(bytes(32)), transaction_index=4, operation_index=2
)
A, B, C = (key_of(label).public_key for label in "abc")
SMALL_ORDER = PublicKey((1).to_bytes(32, "little"))
NOT_ON_CURVE = PublicKey((2).to_bytes(32, "little"))
NOT_CANONICAL = PublicKey((2**255 - 18).to_bytes(32, "little"))

REFUSED: list[tuple[str, Operation, Code]] = [
    # account.add: who may
    ("a member adds at the top level", AccountAdd("globex", "bob", (A,), 1), Code.PERMISSION_DENIED),
    ("a member adds under another", AccountAdd("globex", "bob.acme", (A,), 1), Code.PERMISSION_DENIED),
    ("a child adds beside itself", AccountAdd("alice.acme", "bob.acme", (A,), 1), Code.PERMISSION_DENIED),
    ("an ancestor that is not the parent", AccountAdd("globex", "x.y.globex", (A,), 1), Code.PERMISSION_DENIED),
    ("a parent gives a role", AccountAdd("globex", "x.globex", (A,), 1, ("operator",)), Code.PERMISSION_DENIED),
    ("an operator is no administrator", AccountAdd("org", "bob", (A,), 1), Code.PERMISSION_DENIED),
    # account.add: names
    ("a name that is used", AccountAdd("acme", "globex", (A,), 1), Code.ACCOUNT_EXISTS),
    ("a suspended account's name", AccountAdd("acme", "closed", (A,), 1), Code.ACCOUNT_EXISTS),
    ("one's own name", AccountAdd("acme", "acme", (A,), 1), Code.ACCOUNT_EXISTS),
    ("under nobody", AccountAdd("acme", "bob.nobody", (A,), 1), Code.ACCOUNT_UNKNOWN),
    # account.add: keys
    ("a key of small order", AccountAdd("acme", "bob", (A, SMALL_ORDER), 1), Code.KEY_UNACCEPTABLE),
    ("a key off the curve", AccountAdd("acme", "bob", (NOT_ON_CURVE,), 1), Code.KEY_UNACCEPTABLE),
    ("a key that is not canonical", AccountAdd("acme", "bob", (NOT_CANONICAL,), 1), Code.KEY_UNACCEPTABLE),
    ("a key twice", AccountAdd("acme", "bob", (A, B, A), 1), Code.KEY_IN_USE),
    ("a threshold of none", AccountAdd("acme", "bob", (A, B), 0), Code.THRESHOLD_IMPOSSIBLE),
    ("a threshold above the keys", AccountAdd("acme", "bob", (A, B), 3), Code.THRESHOLD_IMPOSSIBLE),
    # account.keys
    ("changing to a key of small order", AccountKeys("globex", (SMALL_ORDER,), 1), Code.KEY_UNACCEPTABLE),
    ("changing to a key twice", AccountKeys("globex", (A, A), 1), Code.KEY_IN_USE),
    ("changing to a threshold of none", AccountKeys("globex", (A,), 0), Code.THRESHOLD_IMPOSSIBLE),
    ("changing to a threshold above the keys", AccountKeys("globex", (A,), 2), Code.THRESHOLD_IMPOSSIBLE),
    # stream.create
    ("a stream that exists", StreamCreate("acme", "invoices"), Code.STREAM_EXISTS),
    ("another's stream", StreamCreate("globex", "invoices"), Code.STREAM_EXISTS),
    ("a frozen stream's name", StreamCreate("globex", "archive"), Code.STREAM_EXISTS),
    ("a writer that is no account", StreamCreate("acme", "news", ("acme", "nobody")), Code.ACCOUNT_UNKNOWN),
    # record.append
    ("a stream that is not there", note(stream="nowhere"), Code.STREAM_UNKNOWN),
    ("not a writer", note("globex"), Code.WRITER_NOT_ALLOWED),
    ("a child of a writer", note("alice.acme"), Code.WRITER_NOT_ALLOWED),
    ("a frozen stream", note(stream="archive"), Code.STREAM_FROZEN),
    (
        "a first record that is expected to be the second",
        RecordAppend("acme", "invoices", Content(1), key="new", expected_revision=1),
        Code.REVISION_CONFLICT,
    ),
    (
        "a record expected to be the first, that is not",
        RecordAppend("acme", "invoices", Content(1), key="known", expected_revision=0),
        Code.REVISION_CONFLICT,
    ),
    (
        "somebody was faster",
        RecordAppend("acme", "invoices", Content(1), key="known", expected_revision=1),
        Code.REVISION_CONFLICT,
    ),
]


def overlay() -> Overlay:
    """The small ledger; the entity `known` of invoices has its newest record at revision 2."""
    prepared = Overlay(state())
    for text in ("first", "second"):
        outcome = RecordAppend("acme", "invoices", Content(text), key="known").apply(prepared, PLACE)
        assert not isinstance(outcome, Refusal)
    return prepared


def apply(operation: Operation, on: Overlay | None = None) -> tuple[Event, ...]:
    outcome = operation.apply(on or overlay(), PLACE)
    assert not isinstance(outcome, Refusal), outcome
    return outcome


@pytest.mark.parametrize(("operation", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_refusal(operation: Operation, code: Code) -> None:
    before = overlay()
    rows = before.writes()
    refusal = operation.apply(before, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert refusal.detail
    assert TABLE[code].kind is Kind.FAILED
    assert before.writes() == rows


@pytest.mark.parametrize("type_name", OPERATIONS)
def test_the_declared_codes_are_those_that_occur(type_name: str) -> None:
    kind = OPERATIONS[type_name]
    assert {code for _, operation, code in REFUSED if operation.kind is kind} == kind.codes


def test_every_code_of_failure_belongs_to_an_operation() -> None:
    failures = {code for code, entry in TABLE.items() if entry.kind is Kind.FAILED}
    assert set().union(*(kind.codes for kind in OPERATIONS.values())) == failures


@pytest.mark.parametrize(
    ("by", "name", "roles"),
    [
        ("acme", "bob", None),
        ("acme", "bob", ("administrator", "operator")),
        ("acme", "bob.acme", None),
        ("acme", "bob.globex", ("operator",)),
        ("acme", "x.alice.acme", None),
        ("globex", "bob.globex", None),
        ("alice.acme", "x.alice.acme", None),
    ],
)
def test_an_account_is_added(by: str, name: str, roles: tuple[str, ...] | None) -> None:
    on = overlay()
    assert apply(AccountAdd(by, name, (C, A, B), 2, roles), on) == (AccountTouched(name, 4, 2),)
    assert on.account(name) == Account(name, tuple(sorted((A, B, C))), 2, roles or (), suspended=False)


def test_a_name_added_in_this_block_is_used() -> None:
    on = overlay()
    apply(AccountAdd("acme", "bob", (A,), 1), on)
    refusal = AccountAdd("acme", "bob", (B,), 1).apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.ACCOUNT_EXISTS


def test_keys_change_and_nothing_else() -> None:
    on = overlay()
    assert apply(AccountKeys("acme", (C, A), 2), on) == (AccountTouched("acme", 4, 2),)
    assert on.account("acme") == Account("acme", tuple(sorted((A, C))), 2, ("administrator",))


def test_a_stream_is_its_creators() -> None:
    on = overlay()
    assert apply(StreamCreate("globex", "news"), on) == (StreamTouched("news", 4, 2),)
    assert on.stream("news") == Stream("news", "globex", ("globex",))


def test_a_stream_may_be_written_by_others_only() -> None:
    on = overlay()
    apply(StreamCreate("globex", "news", ("alice.acme", "closed")), on)
    assert on.stream("news") == Stream("news", "globex", ("alice.acme", "closed"))
    refusal = note("globex", "news").apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.WRITER_NOT_ALLOWED
    apply(note("alice.acme", "news"), on)


def test_records_are_numbered_without_gaps() -> None:
    on = overlay()
    events = [apply(note(), on)[0] for _ in range(3)]
    assert events == [RecordAppended("invoices", revision, None, 4, 2) for revision in (3, 4, 5)]
    assert on.stream("invoices") == Stream("invoices", "acme", ("acme", "board", "pair"), 5)


@pytest.mark.parametrize(("key", "expected_revision"), [("new", 0), ("new", None), ("known", 2), ("known", None)])
def test_a_record_of_a_key(key: str, expected_revision: int | None) -> None:
    on = overlay()
    operation = RecordAppend(
        "acme", "invoices", content_digest=Digest(bytes(32)), key=key, expected_revision=expected_revision
    )
    assert apply(operation, on) == (RecordAppended("invoices", 3, key, 4, 2),)
    assert on.latest("invoices", key) == LatestRecord("invoices", key, 3, 9, Digest(bytes(32)), 2)


def test_keys_of_different_streams_are_different() -> None:
    on = overlay()
    apply(StreamCreate("acme", "news"), on)
    apply(RecordAppend("acme", "news", Content(1), key="known", expected_revision=0), on)
    assert on.latest("news", "known") == LatestRecord("news", "known", 1, 9, Digest(bytes(32)), 2)
