"""Block headers and the leaves of the log: what a quorum signs, and what one transaction became.

A **header** is canonical JSON of a fixed set of fields; the block hash is `digest(tag("block"), header bytes)`. A
header is never rewritten when its block is proposed again: `round` and `proposer` are those of the round in which
the block was fresh. It commits to everything: to each transaction with its signatures and its result through
`log_root` (RFC 6962 over all leaves since genesis), to the state after the block through `state_root`, and to who
may sign it and its successor through `validators_hash` and `next_validators_hash`. (design section 5)

A **leaf** is canonical JSON of (height, index in the block, transaction id, envelope hash, result); its hash is the
RFC 6962 leaf hash, so that general transparency-log tools can check paths to it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from ledger import merkle
from ledger.crypto import digest, tag
from ledger.encoding import (
    Json,
    decode_form,
    decode_object,
    encode_trusted,
    expect_fields,
    expect_integer,
    expect_string,
)
from ledger.errors import MalformedError
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    EPOCH_MAX,
    HEADER_BYTES_MAX,
    HEADERS_PARSED_MAX,
    LEAF_BYTES_MAX,
    NAME_BYTES_MAX,
    RESULT_BYTES_MAX,
    ROUND_MAX,
)
from ledger.primitives import Digest, parse_digest

_BLOCK_TAG = tag("block")
_RESULT = re.compile(r"[a-z_]+")

HEADER_VERSION = 1
"""The version of the header's format."""


class Header(Struct, frozen=True):
    """The header of one block; field names are those of its JSON form. Height 0 is genesis (`proposer` is "")."""

    version: int
    chain: Digest
    epoch: int
    height: int
    parent_hash: Digest
    round: int
    proposer: str
    time_ms: int
    transaction_count: int
    log_size: int
    log_root: Digest
    state_root: Digest
    validators_hash: Digest
    next_validators_hash: Digest

    def to_json(self) -> dict[str, Json]:
        """The header as it stands in receipts and API answers; its canonical bytes are what is hashed."""
        return {
            "version": self.version,
            "chain": self.chain.hex(),
            "epoch": self.epoch,
            "height": self.height,
            "parent_hash": self.parent_hash.hex(),
            "round": self.round,
            "proposer": self.proposer,
            "time_ms": self.time_ms,
            "transaction_count": self.transaction_count,
            "log_size": self.log_size,
            "log_root": self.log_root.hex(),
            "state_root": self.state_root.hex(),
            "validators_hash": self.validators_hash.hex(),
            "next_validators_hash": self.next_validators_hash.hex(),
        }


_HEADER_FIELDS = frozenset(Header.__struct_fields__)


def encode_header(header: Header) -> bytes:
    """The canonical bytes of `header`: what is hashed, stored and served."""
    return encode_trusted(header.to_json())


# Whoever checks a block and then its record, or builds one and checks it, asks for the same header again.
@lru_cache(maxsize=HEADERS_PARSED_MAX)
def parse_header(data: bytes) -> Header:
    """The header that canonical `data` stands for. Raises `MalformedError`."""
    return header_from_json(decode_form(data, bytes_max=HEADER_BYTES_MAX, what="header"))


def header_from_json(value: Json) -> Header:
    """A header from its JSON form (receipts contain it). Raises `MalformedError`."""
    fields = expect_fields(value, what="header", required=_HEADER_FIELDS)
    height = expect_integer(fields["height"], what="height")
    proposer = expect_string(fields["proposer"], what="proposer", bytes_max=NAME_BYTES_MAX)
    if (proposer == "") != (height == 0):
        raise MalformedError("a header names its proposer, except that of genesis")
    return Header(
        version=expect_integer(fields["version"], what="version", minimum=HEADER_VERSION, maximum=HEADER_VERSION),
        chain=parse_digest(fields["chain"], "chain"),
        epoch=expect_integer(fields["epoch"], what="epoch", maximum=EPOCH_MAX),
        height=height,
        parent_hash=parse_digest(fields["parent_hash"], "parent_hash"),
        round=expect_integer(fields["round"], what="round", maximum=ROUND_MAX),
        proposer=proposer,
        time_ms=expect_integer(fields["time_ms"], what="time_ms"),
        transaction_count=expect_integer(
            fields["transaction_count"], what="transaction_count", maximum=BLOCK_TRANSACTIONS_MAX
        ),
        log_size=expect_integer(fields["log_size"], what="log_size"),
        log_root=parse_digest(fields["log_root"], "log_root"),
        state_root=parse_digest(fields["state_root"], "state_root"),
        validators_hash=parse_digest(fields["validators_hash"], "validators_hash"),
        next_validators_hash=parse_digest(fields["next_validators_hash"], "next_validators_hash"),
    )


def block_hash(header_bytes: bytes) -> Digest:
    """The hash of the block whose header has these canonical bytes: what votes and children name."""
    return digest(_BLOCK_TAG, header_bytes)


class Leaf(Struct, frozen=True):
    """What one transaction became: where it stands, what exactly was signed, and its result.

    `result` is "applied", or the code of the refusal that failed it.
    """

    height: int
    index: int
    transaction_id: Digest
    envelope_hash: Digest
    result: str

    def to_json(self) -> dict[str, Json]:
        """The leaf as it stands in receipts; its canonical bytes are what is hashed."""
        return {
            "height": self.height,
            "index": self.index,
            "transaction_id": self.transaction_id.hex(),
            "envelope_hash": self.envelope_hash.hex(),
            "result": self.result,
        }


_LEAF_FIELDS = frozenset(Leaf.__struct_fields__)


def encode_leaf(leaf: Leaf) -> bytes:
    """The canonical bytes of `leaf`: the log entry."""
    return leaf_bytes(leaf.height, leaf.index, leaf.transaction_id.hex(), leaf.envelope_hash.hex(), leaf.result)


def leaf_bytes(height: int, index: int, transaction_id: str, envelope_hash: str, result: str) -> bytes:
    """The canonical bytes of the leaf with these fields, the digests in lower-case hexadecimal: made once per
    transaction of every block."""
    # Hexadecimal, integers and a code: nothing needs escaping.
    return (
        f'{{"envelope_hash":"{envelope_hash}","height":{height},"index":{index},'
        f'"result":"{result}","transaction_id":"{transaction_id}"}}'
    ).encode("ascii")


def parse_leaf(data: bytes) -> Leaf:
    """The leaf that canonical `data` stands for. Raises `MalformedError`."""
    return leaf_from_json(decode_object(data, bytes_max=LEAF_BYTES_MAX, what="leaf"))


def leaf_from_json(value: Json) -> Leaf:
    """A leaf from its JSON form (receipts contain it). Raises `MalformedError`."""
    fields = expect_fields(value, what="leaf", required=_LEAF_FIELDS)
    result = expect_string(fields["result"], what="result", bytes_max=RESULT_BYTES_MAX)
    if not _RESULT.fullmatch(result):
        raise MalformedError("a result is lower-case letters and underscores")
    return Leaf(
        height=expect_integer(fields["height"], what="height", minimum=1),
        index=expect_integer(fields["index"], what="index", maximum=BLOCK_TRANSACTIONS_MAX - 1),
        transaction_id=parse_digest(fields["transaction_id"], "transaction_id"),
        envelope_hash=parse_digest(fields["envelope_hash"], "envelope_hash"),
        result=result,
    )


def leaf_hash(leaf: Leaf) -> Digest:
    """The hash of `leaf` in the log (RFC 6962 section 2.1)."""
    return merkle.leaf_hash(encode_leaf(leaf))
