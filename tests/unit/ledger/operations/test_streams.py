"""What operations on streams and records do."""

from __future__ import annotations

import pytest

from ledger.events import RecordAppended, StreamTouched
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.rows.streams import LatestRecord, Stream
from tests.unit.ledger.members import note
from tests.unit.ledger.operations.acting import PLACE, apply, overlay


def test_a_stream_is_its_creators() -> None:
    on = overlay()
    assert apply(StreamCreate("globex", "news"), on) == (StreamTouched("news", 4, 2),)
    assert on.stream("news") == Stream("news", "globex", frozenset({"globex"}))


def test_a_stream_may_be_written_by_others_only() -> None:
    on = overlay()
    apply(StreamCreate("globex", "news", ("alice.acme", "closed")), on)
    assert on.stream("news") == Stream("news", "globex", frozenset({"alice.acme", "closed"}))
    refusal = note("globex", "news").apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.WRITER_NOT_ALLOWED
    apply(note("alice.acme", "news"), on)


def test_records_are_numbered_without_gaps() -> None:
    on = overlay()
    events = [apply(note(), on)[0] for _ in range(3)]
    assert events == [RecordAppended("invoices", revision, None, 4, 2) for revision in (3, 4, 5)]
    assert on.stream("invoices") == Stream("invoices", "acme", frozenset({"acme", "board", "pair"}), 5)


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


def test_writers_are_replaced_and_nothing_else() -> None:
    on = overlay()
    assert apply(StreamWriters("acme", "invoices", ("board", "globex")), on) == (StreamTouched("invoices", 4, 2),)
    assert on.stream("invoices") == Stream("invoices", "acme", frozenset({"board", "globex"}), count=2)
    apply(note("globex"), on)
    refusal = note("acme").apply(on, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.WRITER_NOT_ALLOWED, "an owner that is no writer appends nothing"
    apply(StreamWriters("acme", "invoices", ("acme",)), on)
    apply(note("acme"), on)


def test_a_frozen_stream_never_changes_again() -> None:
    on = overlay()
    assert apply(StreamFreeze("acme", "invoices"), on) == (StreamTouched("invoices", 4, 2),)
    frozen = Stream("invoices", "acme", frozenset({"acme", "board", "pair"}), count=2, frozen=True)
    assert on.stream("invoices") == frozen
    later: list[Operation] = [note(), StreamWriters("acme", "invoices", ("acme",)), StreamFreeze("acme", "invoices")]
    for operation in later:
        refusal = operation.apply(on, PLACE)
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.STREAM_FROZEN
    assert on.stream("invoices") == frozen
