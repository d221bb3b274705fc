"""Refusals of operations on streams and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.STREAM_EXISTS: Entry(
        Kind.FAILED,
        "A stream with this name exists; names are never used twice.",
        "Choose another name.",
    ),
    Code.STREAM_UNKNOWN: Entry(
        Kind.FAILED,
        "No stream has this name.",
        "Check the name, or create the stream first.",
    ),
    Code.STREAM_FROZEN: Entry(
        Kind.FAILED,
        "The stream is frozen for good: it takes no more records, and does not change.",
        "Write to another stream; its owner may create one that goes on where this one ends.",
    ),
    Code.WRITER_NOT_ALLOWED: Entry(
        Kind.FAILED,
        "The account is not among the stream's writers.",
        "Ask the stream's owner to add it to the writers.",
    ),
    Code.REVISION_CONFLICT: Entry(
        Kind.FAILED,
        "The entity key is at another revision than the one expected.",
        "Read the newest record of the key, decide again, and append with its revision.",
    ),
}
