"""What a watch remembers between two looks: the newest block that it saw, and how far each node was.

It is one canonical JSON document, replaced whole:

    kind, version    "quorum-ledger/watch", 1
    checkpoint       the newest block, as a checkpoint to pin (`ledger.pinned_checkpoint`)
    record           its commit record, which is half of the proof should another block of that height turn up
    nodes            {URL: {"height": n}}: the highest that each node has shown

Its holder trusts it like any checkpoint: nobody else writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger.block import block_hash
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.encoding import Json, decode, decode_form, encode_trusted, expect_fields, expect_integer
from ledger.errors import MalformedError
from ledger.limits import WATCH_NODES_MAX, WATCH_STATE_BYTES_MAX
from ledger.pinned_checkpoint import PinnedCheckpoint, parse_pinned_checkpoint
from wallet.exit_codes import usage_error
from wallet.files import PRIVATE, read_bounded, replace_file

WATCH_KIND: Final = "quorum-ledger/watch"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """The newest block, with its commit record; None before there is one. `heights` are by URL."""

    checkpoint: PinnedCheckpoint | None = None
    record: CommitRecord | None = None
    heights: Mapping[str, int] = field(default_factory=dict)


def load_memory(path: Path) -> Memory:
    """What is remembered at `path`: nothing, when there is no file. Raises `WalletError` (2)."""
    if not path.exists():
        return Memory()
    try:
        return _parse(read_bounded(str(path), WATCH_STATE_BYTES_MAX))
    except MalformedError as error:
        raise usage_error(
            f"{path} is not what a watch remembers: {error}.",
            code="watch_state",
            remedy="Name another file with --state. Without its own, a watch takes the newest block for the first.",
        ) from None


def save_memory(path: Path, memory: Memory) -> None:
    """Remember it at `path`: the old or the new, never a part."""
    checkpoint = None if memory.checkpoint is None else memory.checkpoint.document
    nodes: dict[str, Json] = {url: {"height": height} for url, height in memory.heights.items()}
    value: dict[str, Json] = {
        "kind": WATCH_KIND,
        "version": VERSION,
        "checkpoint": None if checkpoint is None else decode_form(checkpoint, bytes_max=len(checkpoint), what="it"),
        "record": None if memory.record is None else commit_record_to_json(memory.record),
        "nodes": nodes,
    }
    replace_file(path, encode_trusted(value), mode=PRIVATE)


def _parse(data: bytes) -> Memory:
    value = decode(data, bytes_max=WATCH_STATE_BYTES_MAX, what="the file")
    fields = expect_fields(
        value, what="the file", required=frozenset({"kind", "version", "checkpoint", "record", "nodes"})
    )
    if (fields["kind"], fields["version"]) != (WATCH_KIND, VERSION):
        raise MalformedError(f"its kind is {fields['kind']!r}, its version {fields['version']!r}")
    nodes = fields["nodes"]
    if not isinstance(nodes, dict) or len(nodes) > WATCH_NODES_MAX:
        raise MalformedError(f"nodes must be an object of at most {WATCH_NODES_MAX}")
    heights = {}
    for url, node in nodes.items():
        height = expect_fields(node, what=f"node {url}", required=frozenset({"height"}))["height"]
        heights[url] = expect_integer(height, what=f"height of {url}")
    if fields["checkpoint"] is None:
        return Memory(heights=heights)
    checkpoint = parse_pinned_checkpoint(encode_trusted(fields["checkpoint"]))
    record = None if fields["record"] is None else parse_commit_record(fields["record"])
    if record is not None and block_hash(record.header) != checkpoint.block_hash:
        raise MalformedError("its commit record is of another block than its checkpoint")
    return Memory(checkpoint, record, heights)
