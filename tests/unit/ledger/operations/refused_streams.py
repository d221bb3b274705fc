"""Operations on streams and records that are refused: what is wrong with each, and its code."""

from __future__ import annotations

from typing import Final

from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.refusals import Code
from tests.unit.ledger.members import note
from tests.unit.ledger.operations.acting import RefusedOperation

REFUSED: Final[list[RefusedOperation]] = [
    # stream.create
    ("a stream that exists", StreamCreate("acme", "invoices"), Code.STREAM_EXISTS),
    ("another's stream", StreamCreate("globex", "invoices"), Code.STREAM_EXISTS),
    ("a frozen stream's name", StreamCreate("globex", "archive"), Code.STREAM_EXISTS),
    ("a writer that is no account", StreamCreate("acme", "news", ("acme", "nobody")), Code.ACCOUNT_UNKNOWN),
    # stream.writers
    ("writers of a stream that is not there", StreamWriters("acme", "nowhere", ("acme",)), Code.STREAM_UNKNOWN),
    ("writers of another's stream", StreamWriters("globex", "invoices", ("globex",)), Code.PERMISSION_DENIED),
    ("a writer adds a writer", StreamWriters("pair", "invoices", ("globex", "pair")), Code.PERMISSION_DENIED),
    ("a child of the owner adds itself", StreamWriters("alice.acme", "invoices", ("acme",)), Code.PERMISSION_DENIED),
    ("writers of a frozen stream", StreamWriters("acme", "archive", ("acme", "globex")), Code.STREAM_FROZEN),
    ("a new writer that is no account", StreamWriters("acme", "invoices", ("acme", "nobody")), Code.ACCOUNT_UNKNOWN),
    # stream.freeze
    ("freezing a stream that is not there", StreamFreeze("acme", "nowhere"), Code.STREAM_UNKNOWN),
    ("freezing another's stream", StreamFreeze("globex", "invoices"), Code.PERMISSION_DENIED),
    ("a writer freezes", StreamFreeze("board", "invoices"), Code.PERMISSION_DENIED),
    ("freezing a frozen stream", StreamFreeze("acme", "archive"), Code.STREAM_FROZEN),
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
