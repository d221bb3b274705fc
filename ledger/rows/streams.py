"""Streams, and the newest record of each entity key."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from ledger.crypto import digest, tag
from ledger.encoding import Json, decode, expect_fields, expect_integer, expect_list, expect_string
from ledger.limits import RECORD_KEY_BYTES_MAX, STATE_ROWS_REMEMBERED_MAX, WRITERS_PER_STREAM_MAX
from ledger.names import parse_account_name, parse_stream_name
from ledger.primitives import Digest, parse_digest
from ledger.rows.reading import ROW_BYTES_MAX, parse_boolean

STREAM_PREFIX: Final = b"stream/"
LATEST_PREFIX: Final = b"latest/"

_ENTITY_KEY_TAG = tag("entity-key")


class Stream(Struct, frozen=True):
    """A stream of records: who owns it, who may append, how many records it has, whether it is frozen."""

    name: str
    owner: str
    writers: frozenset[str]
    count: int = 0
    frozen: bool = False

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "name": self.name,
            "owner": self.owner,
            "writers": list[Json](sorted(self.writers)),
            "count": self.count,
            "frozen": self.frozen,
        }


class LatestRecord(Struct, frozen=True):
    """The newest record of an entity key: its revision (number in the stream), and where in the log it stands."""

    stream: str
    key: str
    revision: int
    height: int
    transaction_id: Digest
    operation_index: int

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "stream": self.stream,
            "key": self.key,
            "revision": self.revision,
            "height": self.height,
            "transaction": self.transaction_id.hex(),
            "operation": self.operation_index,
        }


# Asked several times for each record, of the same few names.
@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def stream_key(name: str) -> bytes:
    """The state key of a stream."""
    return STREAM_PREFIX + name.encode()


def latest_key(stream: str, key: str) -> bytes:
    """The state key of the newest record of entity key `key` in `stream`; hashed, so that keys have one length."""
    return b"%b%b/%b" % (LATEST_PREFIX, stream.encode(), digest(_ENTITY_KEY_TAG, key.encode()).hex().encode())


@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_stream_row(data: bytes) -> Stream:
    """A stream from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="stream row"),
        what="stream",
        required=frozenset({"name", "owner", "writers", "count", "frozen"}),
    )
    writers = expect_list(fields["writers"], what="writers", items_max=WRITERS_PER_STREAM_MAX)
    return Stream(
        name=parse_stream_name(fields["name"], "stream"),
        owner=parse_account_name(fields["owner"], "owner"),
        writers=frozenset(parse_account_name(writer, "writer") for writer in writers),
        count=expect_integer(fields["count"], what="count"),
        frozen=parse_boolean(fields["frozen"], "frozen"),
    )


def parse_latest_row(data: bytes) -> LatestRecord:
    """The newest record of an entity key from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="latest row"),
        what="latest record",
        required=frozenset({"stream", "key", "revision", "height", "transaction", "operation"}),
    )
    return LatestRecord(
        stream=parse_stream_name(fields["stream"], "stream"),
        key=expect_string(fields["key"], what="key", bytes_max=RECORD_KEY_BYTES_MAX),
        revision=expect_integer(fields["revision"], what="revision", minimum=1),
        height=expect_integer(fields["height"], what="height"),
        transaction_id=parse_digest(fields["transaction"], "transaction"),
        operation_index=expect_integer(fields["operation"], what="operation"),
    )
