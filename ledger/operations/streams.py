"""Operations on streams and records.

A stream is a numbered sequence of records. A record carries its content, or only a digest of it; it may name the
entity that it is about (its key), and then demand that the newest record of that key is the one its author saw:
`expected_revision` is that record's number in the stream, 0 if there must be none yet.

A stream is its owner's, who says who writes to it, and may freeze it: for good, so that whoever relies on its last
record knows that it stays the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from msgspec import Struct
from msgspec.structs import replace

from ledger.events import Event, RecordAppended, StreamTouched
from ledger.operations import fields
from ledger.operations.fields import Content, Field
from ledger.operations.kinds import OperationKind, Place
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.rows.streams import LatestRecord, Stream, latest_key, stream_key
from ledger.state import Overlay


class StreamCreate(Struct, frozen=True, gc=False):
    """Create the stream `name`, owned by `by`."""

    kind: ClassVar[OperationKind]

    by: str
    name: str
    writers: tuple[str, ...] | None = None

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        if state.stream(self.name) is not None:
            return Refusal(Code.STREAM_EXISTS, f"stream {self.name} exists")
        writers = (self.by,) if self.writers is None else self.writers
        if refusal := _check_writers(state, writers):
            return refusal
        state.put(stream_key(self.name), Stream(self.name, self.by, frozenset(writers)))
        return (StreamTouched(self.name, place.transaction_index, place.operation_index),)


class StreamWriters(Struct, frozen=True, gc=False):
    """Replace the writers of `stream`."""

    kind: ClassVar[OperationKind]

    by: str
    stream: str
    writers: tuple[str, ...]

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        stream = _own_stream(state, self.stream, self.by)
        if isinstance(stream, Refusal):
            return stream
        if refusal := _check_writers(state, self.writers):
            return refusal
        state.put(stream_key(stream.name), replace(stream, writers=frozenset(self.writers)))
        return (StreamTouched(stream.name, place.transaction_index, place.operation_index),)


class StreamFreeze(Struct, frozen=True, gc=False):
    """Close `stream` for good."""

    kind: ClassVar[OperationKind]

    by: str
    stream: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        stream = _own_stream(state, self.stream, self.by)
        if isinstance(stream, Refusal):
            return stream
        state.put(stream_key(stream.name), replace(stream, frozen=True))
        return (StreamTouched(stream.name, place.transaction_index, place.operation_index),)


class RecordAppend(Struct, frozen=True, gc=False):
    """Append one record to `stream`. Exactly one of `content` and `content_digest` is not None."""

    kind: ClassVar[OperationKind]

    by: str
    stream: str
    content: Content | None = None
    content_digest: Digest | None = None
    key: str | None = None
    expected_revision: int | None = None

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        name, key = self.stream, self.key
        stream = state.stream(name)
        if stream is None:
            return Refusal(Code.STREAM_UNKNOWN, f"no stream {name}")
        if self.by not in stream.writers:
            return Refusal(Code.WRITER_NOT_ALLOWED, f"{self.by} is not among the writers of {name}")
        if stream.frozen:
            return Refusal(Code.STREAM_FROZEN, f"stream {name} is frozen")
        revision = stream.count + 1
        if key is not None:
            if self.expected_revision is not None:
                latest = state.latest(name, key)
                found = 0 if latest is None else latest.revision
                if found != self.expected_revision:
                    return Refusal(
                        Code.REVISION_CONFLICT, f"the key is at revision {found}, not {self.expected_revision}"
                    )
            state.put(
                latest_key(name, key),
                LatestRecord(name, key, revision, place.height, place.transaction_id, place.operation_index),
            )
        state.put(stream_key(name), Stream(stream.name, stream.owner, stream.writers, revision, stream.frozen))
        return (RecordAppended(name, revision, key, place.transaction_index, place.operation_index),)


def _own_stream(state: Overlay, name: str, by: str) -> Stream | Refusal:
    """The stream `name`, if it is one that `by` owns and that can still change."""
    stream = state.stream(name)
    if stream is None:
        return Refusal(Code.STREAM_UNKNOWN, f"no stream {name}")
    if stream.owner != by:
        return Refusal(Code.PERMISSION_DENIED, f"only {stream.owner}, its owner, changes the stream {name}")
    if stream.frozen:
        return Refusal(Code.STREAM_FROZEN, f"stream {name} is frozen")
    return stream


def _check_writers(state: Overlay, writers: tuple[str, ...]) -> Refusal | None:
    for writer in writers:
        if not state.has_account(writer):
            return Refusal(Code.ACCOUNT_UNKNOWN, f"writer {writer} is no account")
    return None


def _check_record(values: Mapping[str, object]) -> str | None:
    if ("content" in values) == ("content_digest" in values):
        return "a record has either content or content_digest"
    if "expected_revision" in values and "key" not in values:
        return "expected_revision is about a key: name it"
    return None


StreamCreate.kind = OperationKind(
    type="stream.create",
    operation=StreamCreate,
    summary="Creates a stream, owned by the account that the operation is by.",
    fields=(
        Field("name", fields.STREAM_NAME, "The new stream's name; never used twice."),
        Field(
            "writers",
            fields.WRITER_NAMES,
            "The accounts that may append, in ascending order; the owner alone if absent.",
            required=False,
        ),
    ),
    permission="Any account.",
    codes=frozenset({Code.STREAM_EXISTS, Code.ACCOUNT_UNKNOWN}),
    example={"type": "stream.create", "by": "acme", "name": "invoices", "writers": ["acme", "alice.acme"]},
)

StreamWriters.kind = OperationKind(
    type="stream.writers",
    operation=StreamWriters,
    summary="Replaces the writers of a stream; they may append from the next operation on.",
    fields=(
        Field("stream", fields.STREAM_NAME, "The stream."),
        Field("writers", fields.WRITER_NAMES, "All accounts that may append from now on, in ascending order."),
    ),
    permission="The stream's owner.",
    codes=frozenset({Code.STREAM_UNKNOWN, Code.PERMISSION_DENIED, Code.STREAM_FROZEN, Code.ACCOUNT_UNKNOWN}),
    example={"type": "stream.writers", "by": "acme", "stream": "invoices", "writers": ["acme", "bob.acme"]},
)

StreamFreeze.kind = OperationKind(
    type="stream.freeze",
    operation=StreamFreeze,
    summary="Freezes a stream for good: it takes no more records, and its writers stay what they are.",
    fields=(Field("stream", fields.STREAM_NAME, "The stream to freeze; nothing undoes it."),),
    permission="The stream's owner.",
    codes=frozenset({Code.STREAM_UNKNOWN, Code.PERMISSION_DENIED, Code.STREAM_FROZEN}),
    example={"type": "stream.freeze", "by": "acme", "stream": "invoices"},
)

RecordAppend.kind = OperationKind(
    type="record.append",
    operation=RecordAppend,
    summary="Appends one record to a stream; its number in the stream is its revision.",
    fields=(
        Field("stream", fields.STREAM_NAME, "The stream to append to."),
        Field("content", fields.CONTENT, "The record: any JSON value of the profile.", required=False),
        Field(
            "content_digest",
            fields.DIGEST,
            "Instead of the content: its SHA-256 (hex), when the content shall stay elsewhere.",
            required=False,
        ),
        Field("key", fields.ENTITY_KEY, "What the record is about: an entity key of any text.", required=False),
        Field(
            "expected_revision",
            fields.REVISION,
            "The revision that the key's newest record must have; 0: the key must have none yet.",
            required=False,
        ),
    ),
    permission="The stream's writers.",
    codes=frozenset({Code.STREAM_UNKNOWN, Code.WRITER_NOT_ALLOWED, Code.STREAM_FROZEN, Code.REVISION_CONFLICT}),
    example={
        "type": "record.append",
        "by": "acme",
        "stream": "invoices",
        "key": "INV-1001",
        "expected_revision": 0,
        "content": {"amount": "120.50", "currency": "EUR", "paid": False},
    },
    check=_check_record,
)

KINDS: Final = (StreamCreate.kind, StreamWriters.kind, StreamFreeze.kind, RecordAppend.kind)
