"""The indexes by which people search, written with each block: one row per subject and block, not per transaction.

A busy account or stream costs a block one row, whatever the number of its transactions. Rows are found by prefix in
order of height (subjects) or revision (records), so a page of any list is one short range.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias, assert_never

from ledger.chain import CandidateBlock
from ledger.events import (
    AccountTouched,
    AssetTouched,
    BalanceTouched,
    EvidenceRecorded,
    ProposalTouched,
    RecordAppended,
    StreamTouched,
    ValidatorTouched,
)
from ledger.operations.kinds import Operation
from ledger.senders import is_validator_sender, sending_validator
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.keys import Subject

_PLACE = struct.Struct(">IH")  # transaction index, operation index
_INDEX_BYTES = 4
_REVISION_BYTES = 8
_HEIGHT_BYTES = 8

RecordPlace: TypeAlias = tuple[int, int, int]
"""(height, transaction index, operation index) of a record."""

About: TypeAlias = dict[Subject, dict[str, set[int]]]
"""By subject and name, the indices of a block's transactions about it."""


def write_indexes(batch: Batch, block: CandidateBlock) -> None:
    """Add to `batch` all index rows of `block`."""
    height = keys.pack_height(block.header.height)
    about: About = {kind: defaultdict(set) for kind in Subject}
    accounts = about[Subject.ACCOUNT]
    operations: dict[type[Operation], set[int]] = defaultdict(set)
    for index, transaction in enumerate(block.transactions):
        body = transaction.body
        accounts[body.sender].add(index)
        for cosigner in body.cosigners:
            accounts[cosigner].add(index)
        for operation in body.operations:
            operations[type(operation)].add(index)
    about[Subject.OPERATION] = {operation.kind.type: indices for operation, indices in operations.items()}
    for sender in [name for name in accounts if is_validator_sender(name)]:
        about[Subject.VALIDATOR][sending_validator(sender)] |= accounts[sender]
    _write_events(batch, block, height, about)
    for kind, names in about.items():
        for name, indices in names.items():
            batch.puts[keys.subject(kind, name) + height] = struct.pack(f">{len(indices)}I", *sorted(indices))


def _write_events(batch: Batch, block: CandidateBlock, height: bytes, about: About) -> None:
    """Add the rows of records, holders and evidence, and to `about` what the events of `block` touched."""
    accounts, streams, assets = about[Subject.ACCOUNT], about[Subject.STREAM], about[Subject.ASSET]
    validators, proposals = about[Subject.VALIDATOR], about[Subject.PROPOSAL]
    places: dict[str, list[bytes]] = defaultdict(list)
    first_revisions: dict[str, int] = {}
    revisions: dict[tuple[str, str], list[int]] = defaultdict(list)
    place = _PLACE.pack
    for event in block.events:
        match event:
            case RecordAppended():  # most are, and taking one apart by pattern costs as much as all the rest
                stream, revision, transaction_index = event.stream, event.revision, event.transaction_index
                stream_places = places[stream]
                if not stream_places:
                    first_revisions[stream] = revision
                assert revision == first_revisions[stream] + len(stream_places), "revisions are gap-free"
                stream_places.append(place(transaction_index, event.operation_index))
                streams[stream].add(transaction_index)
                if event.key is not None:
                    revisions[stream, event.key].append(revision)
            case AccountTouched(account, transaction_index):
                accounts[account].add(transaction_index)
            case StreamTouched(stream, transaction_index):
                streams[stream].add(transaction_index)
            case AssetTouched(asset, transaction_index):
                assets[asset].add(transaction_index)
            case BalanceTouched(account, asset, transaction_index):
                accounts[account].add(transaction_index)
                assets[asset].add(transaction_index)
                batch.puts[keys.holders(asset) + account.encode()] = b""
            case EvidenceRecorded(validator=validator, digest=digest, transaction_index=transaction_index):
                validators[validator].add(transaction_index)
                batch.puts[keys.evidence(digest)] = block.transactions[transaction_index].id
            case ValidatorTouched(validator, transaction_index):
                validators[validator].add(transaction_index)
            case ProposalTouched(proposal, transaction_index):
                proposals[str(proposal)].add(transaction_index)
            case _:
                assert_never(event)
    for stream, stream_places in places.items():
        row_key = keys.records(stream) + keys.pack_height(first_revisions[stream])
        batch.puts[row_key] = height + b"".join(stream_places)
    for (stream, key), key_revisions in revisions.items():
        row_key = keys.entity(stream, key) + keys.pack_height(key_revisions[0])
        batch.puts[row_key] = struct.pack(f">{len(key_revisions)}Q", *key_revisions)


def subject_rows(
    reader: Reader, subject: Subject, name: str, from_height: int, to_height: int, *, reverse: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(height, ascending indices) of the blocks from from_height to to_height with transactions about a subject."""
    prefix = keys.subject(subject, name)
    start, stop = prefix + keys.pack_height(from_height), prefix + keys.pack_height(to_height) + b"\0"
    for key, row in reader.range(start, stop, reverse=reverse):
        if not row or len(row) % _INDEX_BYTES:
            raise DamagedError(f"the index of {name} is malformed")
        yield keys.unpack_height(key, len(prefix)), struct.unpack(f">{len(row) // _INDEX_BYTES}I", row)


def find_record(reader: Reader, stream: str, revision: int) -> RecordPlace | None:
    """Where record number `revision` of `stream` stands, or None."""
    prefix = keys.records(stream)
    for key, row in reader.range(prefix, prefix + keys.pack_height(revision) + b"\0", reverse=True):
        first = keys.unpack_height(key, len(prefix))
        start = _HEIGHT_BYTES + (revision - first) * _PLACE.size
        if start + _PLACE.size <= len(row):
            transaction_index, operation_index = _PLACE.unpack_from(row, start)
            return keys.unpack_height(row), transaction_index, operation_index
        return None
    return None


def stream_records(
    reader: Reader, stream: str, from_revision: int, to_revision: int, *, reverse: bool
) -> Iterator[tuple[int, RecordPlace]]:
    """(revision, place) of the records of `stream` from from_revision to to_revision (both included)."""
    prefix = keys.records(stream)
    start = prefix + keys.pack_height(from_revision)
    for key, _ in reader.range(prefix, start + b"\0", reverse=True):  # the row that from_revision is in
        start = key
        break
    for key, row in reader.range(start, prefix + keys.pack_height(to_revision) + b"\0", reverse=reverse):
        first, height = keys.unpack_height(key, len(prefix)), keys.unpack_height(row)
        last = first + (len(row) - _HEIGHT_BYTES) // _PLACE.size - 1
        wanted = range(max(first, from_revision), min(last, to_revision) + 1)
        for revision in reversed(wanted) if reverse else wanted:
            yield revision, (height, *_PLACE.unpack_from(row, _HEIGHT_BYTES + (revision - first) * _PLACE.size))


def entity_revisions(
    reader: Reader, stream: str, key: str, from_revision: int, to_revision: int, *, reverse: bool
) -> Iterator[int]:
    """The revisions of the records of `stream` with entity key `key`, from from_revision to to_revision."""
    prefix = keys.entity(stream, key)
    start = prefix + keys.pack_height(from_revision)
    for row_key, _ in reader.range(prefix, start + b"\0", reverse=True):
        start = row_key
        break
    for _, row in reader.range(start, prefix + keys.pack_height(to_revision) + b"\0", reverse=reverse):
        if not row or len(row) % _REVISION_BYTES:
            raise DamagedError(f"the index of an entity key of {stream} is malformed")
        revisions: Iterable[int] = struct.unpack(f">{len(row) // _REVISION_BYTES}Q", row)
        for revision in reversed(tuple(revisions)) if reverse else revisions:
            if from_revision <= revision <= to_revision:
                yield revision
