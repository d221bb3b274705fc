"""Headers and leaves: one canonical form, parsed strictly; every field is under the hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import merkle
from ledger.block import (
    Header,
    Leaf,
    block_hash,
    encode_header,
    encode_leaf,
    header_from_json,
    leaf_from_json,
    leaf_hash,
    parse_header,
    parse_leaf,
)
from ledger.crypto import digest, tag
from ledger.encoding import encode
from ledger.errors import MalformedError
from ledger.execution import APPLIED
from ledger.limits import BLOCK_TRANSACTIONS_MAX, EPOCH_MAX, INTEGER_MAX, ROUND_MAX
from ledger.primitives import ZERO_DIGEST, Digest
from ledger.refusals import Code

digests = st.binary(min_size=32, max_size=32).map(Digest)
integers = st.integers(0, INTEGER_MAX)
results = st.sampled_from([APPLIED, *map(str, Code)])
leaves = st.builds(
    Leaf,
    height=st.integers(1, INTEGER_MAX),
    index=st.integers(0, BLOCK_TRANSACTIONS_MAX - 1),
    transaction_id=digests,
    envelope_hash=digests,
    result=results,
)
headers = st.builds(
    Header,
    version=st.just(1),
    chain=digests,
    epoch=st.integers(0, EPOCH_MAX),
    height=st.integers(1, INTEGER_MAX),
    parent_hash=digests,
    round=st.integers(0, ROUND_MAX),
    proposer=st.sampled_from(["anna", "b-2"]),
    time_ms=integers,
    transaction_count=st.integers(0, BLOCK_TRANSACTIONS_MAX),
    log_size=integers,
    log_root=digests,
    state_root=digests,
    validators_hash=digests,
    next_validators_hash=digests,
)

HEADER = Header(
    1, ZERO_DIGEST, 0, 7, ZERO_DIGEST, 2, "anna", 1000, 3, 9, ZERO_DIGEST, ZERO_DIGEST, ZERO_DIGEST, ZERO_DIGEST
)
LEAF = Leaf(7, 2, ZERO_DIGEST, ZERO_DIGEST, APPLIED)


@given(headers)
def test_a_header_survives_its_bytes(header: Header) -> None:
    data = encode_header(header)
    assert data == encode(header.to_json())
    assert parse_header(data) == header
    assert header_from_json(header.to_json()) == header


@given(leaves)
def test_a_leaf_survives_its_bytes_which_are_canonical(leaf: Leaf) -> None:
    data = encode_leaf(leaf)
    assert data == encode(leaf.to_json())
    assert parse_leaf(data) == leaf
    assert leaf_from_json(leaf.to_json()) == leaf


def test_hashes_are_domain_separated() -> None:
    data = encode_header(HEADER)
    assert block_hash(data) == digest(tag("block"), data)
    assert leaf_hash(LEAF) == merkle.leaf_hash(encode_leaf(LEAF))


def test_every_field_of_a_header_is_under_its_hash() -> None:
    other = Digest(b"\1" * 32)
    changed = {
        "chain": other,
        "epoch": 1,
        "height": 8,
        "parent_hash": other,
        "round": 3,
        "proposer": "bob",
        "time_ms": 1001,
        "transaction_count": 4,
        "log_size": 10,
        "log_root": other,
        "state_root": other,
        "validators_hash": other,
        "next_validators_hash": other,
    }
    assert changed.keys() | {"version"} == {*Header.__struct_fields__}
    hashes = {block_hash(encode_header(replace(HEADER, **{name: value}))) for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(hashes | {block_hash(encode_header(HEADER))}) == len(changed) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 0),
        ("version", 2),
        ("version", "1"),
        ("version", True),
        ("chain", "00"),
        ("chain", "AA" * 32),
        ("epoch", EPOCH_MAX + 1),
        ("height", -1),
        ("height", 0),  # only genesis has it, and genesis has no proposer
        ("height", 2**53),
        ("parent_hash", None),
        ("round", ROUND_MAX + 1),
        ("round", -1),
        ("proposer", ""),
        ("proposer", "a" * 65),
        ("proposer", None),
        ("time_ms", 1.5),
        ("transaction_count", BLOCK_TRANSACTIONS_MAX + 1),
        ("log_size", -1),
        ("log_root", 0),
        ("state_root", "0" * 63),
        ("validators_hash", []),
        ("surplus", 0),
    ],
)
def test_a_malformed_header_is_refused(field: str, value: object) -> None:
    document = {**HEADER.to_json(), field: value}
    with pytest.raises(MalformedError):
        header_from_json(document)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", Header.__struct_fields__)
def test_a_header_lacks_no_field(name: str) -> None:
    document = HEADER.to_json()
    del document[name]
    with pytest.raises(MalformedError, match=name):
        parse_header(encode(document))


def test_only_the_canonical_bytes_are_a_header() -> None:
    data = encode_header(HEADER)
    for other in (data + b"\n", b" " + data, data.replace(b":7,", b":7.0,"), data.replace(b":7,", b": 7,"), b"[]", b""):
        with pytest.raises(MalformedError):
            parse_header(other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height", 0),
        ("index", BLOCK_TRANSACTIONS_MAX),
        ("index", -1),
        ("transaction_id", "00"),
        ("envelope_hash", None),
        ("result", ""),
        ("result", "Applied"),
        ("result", 'applied","transaction_id":"'),
        ("result", "a" * 65),
        ("result", None),
        ("surplus", 0),
    ],
)
def test_a_malformed_leaf_is_refused(field: str, value: object) -> None:
    with pytest.raises(MalformedError):
        leaf_from_json({**LEAF.to_json(), field: value})  # type: ignore[dict-item]
