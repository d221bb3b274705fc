"""The bytes of consensus: what is signed, round trips of what travels, and refusal of everything else.

The bytes themselves are pinned in `tests/vectors/consensus_*.json`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.consensus import codec
from ledger.consensus.messages import CommitRecord, ConsensusMessage, ProposedBlock, TimeoutCertificate
from ledger.consensus.statements import (
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    TimeoutStatement,
    signed_bytes,
)
from ledger.encoding import Json, encode
from ledger.errors import MalformedError
from ledger.limits import BLOCK_TRANSACTIONS_MAX, HEADER_BYTES_MAX, VALIDATORS_MAX
from ledger.primitives import ZERO_DIGEST, Digest
from tests.unit.ledger.consensus.signed import (
    CONTEXT,
    X,
    Y,
    commit,
    committed,
    prepare,
    prepared,
    proposal,
    timed_out,
    timeout,
)

BLOCK = ProposedBlock(encode({"height": 5, "round": 0}), (Digest(b"t" * 32), Digest(b"u" * 32)))
MESSAGES: dict[str, ConsensusMessage] = {
    "proposal, fresh": proposal(1, 0, block=BLOCK),
    "proposal, again": proposal(1, 3, X, timed_out(2, prepared(1, X, Y))),
    "prepare": prepare(2),
    "commit": commit(3, 7, Y),
    "timeout, nothing prepared": timeout(0, 4),
    "timeout": timeout(0, 4, prepared(2, X, Y)),
    "timeout certificate": timed_out(2, prepared(1, X, Y)),
}
STATEMENTS: dict[str, Statement] = {
    "proposal": ProposalStatement(5, 1, X, Y),
    "prepare": PrepareStatement(5, 1, X, Y),
    "commit": CommitStatement(5, 1, X),
    "timeout, nothing prepared": TimeoutStatement(5, 1, -1, ZERO_DIGEST),
    "timeout": TimeoutStatement(5, 1, 1, X),
}


def test_the_layout_of_signed_bytes() -> None:
    content = signed_bytes(CONTEXT, TimeoutStatement(0x0102, 3, -1, ZERO_DIGEST))
    head = b"quorum-ledger/v1/consensus\0"
    assert content.startswith(head + CONTEXT.chain)
    rest = content[len(head) + 32 :]
    assert rest == bytes.fromhex("0000000004000000000000010200000003ffffffff") + bytes(32)


def test_no_two_statements_share_their_bytes() -> None:
    other_chain, other_epoch = SigningContext(Digest(b"o" * 32), 0), SigningContext(CONTEXT.chain, 1)
    contents = [signed_bytes(c, s) for c in (CONTEXT, other_chain, other_epoch) for s in STATEMENTS.values()]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_survive_the_wire(name: str) -> None:
    message = MESSAGES[name]
    data = codec.encode_message(message)
    assert codec.decode_message(data) == message
    assert codec.encode_message(codec.decode_message(data)) == data


def test_records_certificates_and_statements_survive() -> None:
    record = CommitRecord(BLOCK.header, committed(3), (timed_out(2, prepared(1, X, Y)), timed_out(0)))
    assert codec.decode_commit_record(codec.encode_commit_record(record)) == record
    assert codec.decode_prepare_certificate(codec.encode_prepare_certificate(prepared())) == prepared()
    assert codec.decode_timeout_certificate(codec.encode_timeout_certificate(timed_out())) == timed_out()
    for statement in STATEMENTS.values():
        assert codec.parse_statement(codec.statement_to_json(statement)) == statement


def test_the_digest_of_no_justification_is_zero() -> None:
    assert codec.justification_digest(None) == ZERO_DIGEST
    assert codec.justification_digest(timed_out(0)) != codec.justification_digest(timed_out(1))


Change = Callable[[dict[str, Json]], object]
MALFORMED: list[tuple[str, str, Change]] = [
    ("prepare", "unknown field 'extra'", lambda m: m.update(extra=1)),
    ("prepare", "lacks the field 'signature'", lambda m: m.pop("signature")),
    ("prepare", "lacks the field 'block_hash'", lambda m: m.pop("block_hash")),
    ("prepare", "one of proposal, prepare", lambda m: m.update(type="vote")),
    ("prepare", "one of proposal, prepare", lambda m: m.update(type=7)),
    ("prepare", "height", lambda m: m.update(height=0)),
    ("prepare", "round", lambda m: m.update(round=-1)),
    ("prepare", "round", lambda m: m.update(round=2**31)),
    ("prepare", "round", lambda m: m.update(round=True)),
    ("prepare", "validator", lambda m: m.update(validator=VALIDATORS_MAX)),
    ("prepare", "signature", lambda m: m.update(signature="AB" * 64)),
    ("prepare", "signature", lambda m: m.update(signature="ab" * 63)),
    ("prepare", "block hash", lambda m: m.update(block_hash=None)),
    ("timeout", "high round", lambda m: m.update(high_round=-2)),
    ("timeout", "prepare certificate must be", lambda m: m.update(prepare_certificate=[])),
    ("timeout certificate", "1 to 100", lambda m: m.update(entries=[])),
    ("timeout certificate", "1 to 100", lambda m: m.update(entries=m["entries"] * 40)),  # type: ignore[operator]
    ("proposal, fresh", "block header", lambda m: m.update(block={"header": "x", "envelope_hashes": []})),
    (
        "proposal, fresh",
        "block header has",
        lambda m: m.update(block={"header": {"a": "x" * HEADER_BYTES_MAX}, "envelope_hashes": []}),
    ),
    (
        "proposal, fresh",
        "envelope hashes",
        lambda m: m.update(block={"header": {}, "envelope_hashes": ["00" * 32] * (BLOCK_TRANSACTIONS_MAX + 1)}),
    ),
]


@pytest.mark.parametrize(("name", "complaint", "change"), MALFORMED)
def test_malformed_messages_are_refused_by_name(name: str, complaint: str, change: Change) -> None:
    fields = codec.message_to_json(MESSAGES[name])
    change(fields)
    with pytest.raises(MalformedError, match=complaint):
        codec.decode_message(encode(fields))


@pytest.mark.parametrize(
    "value", [1.5, 2**53, {"\u00e9": 1}, [[[[1.5]]]], functools.reduce(lambda v, _: [v], range(40))]
)
def test_a_header_outside_the_profile_is_refused_in_a_message_and_in_a_record(value: object) -> None:
    header = {**orjson.loads(BLOCK.header), "extra": value}
    message = codec.message_to_json(MESSAGES["proposal, fresh"])
    message["block"] = {"header": header, "envelope_hashes": []}
    with pytest.raises(MalformedError):
        codec.decode_message(orjson.dumps(message, option=orjson.OPT_SORT_KEYS))
    record = codec.commit_record_to_json(CommitRecord(BLOCK.header, committed(), ())) | {"header": header}
    with pytest.raises(MalformedError):
        codec.decode_commit_record(orjson.dumps(record, option=orjson.OPT_SORT_KEYS))


def test_a_record_is_the_canonical_json_of_its_object() -> None:
    record = CommitRecord(BLOCK.header, committed(3), (timed_out(2, prepared(1, X, Y)), timed_out(0)))
    assert codec.encode_commit_record(record) == encode(codec.commit_record_to_json(record))


def test_a_message_that_is_no_object_is_refused() -> None:
    with pytest.raises(MalformedError, match="must be a JSON object"):
        codec.decode_message(b"[]")


def test_a_message_that_is_too_large_is_refused_before_it_is_read() -> None:
    data = codec.encode_message(MESSAGES["prepare"])
    with pytest.raises(MalformedError, match="more than"):
        codec.decode_message(data, bytes_max=len(data) - 1)


def places(value: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of everything inside a document."""
    children: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path] + [place for key, child in children for place in places(child, (*path, key))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_is_put_in_a_message_is_decoded_or_refused(data: st.DataObject) -> None:
    fields: Json = copy.deepcopy(codec.message_to_json(MESSAGES[data.draw(st.sampled_from(sorted(MESSAGES)))]))
    path = data.draw(st.sampled_from(places(fields)[1:]))
    target = fields
    for step in path[:-1]:
        target = target[step]  # type: ignore[index, call-overload]
    target[path[-1]] = data.draw(JSON)  # type: ignore[index, call-overload]
    content = encode(fields)
    try:
        message = codec.decode_message(content)
    except MalformedError:
        return
    assert codec.encode_message(message) == content


def test_a_justification_inside_a_message_keeps_its_digest() -> None:
    message = codec.decode_message(codec.encode_message(MESSAGES["proposal, again"]))
    assert not isinstance(message, TimeoutCertificate)
    assert codec.justification_digest(message.justification) == message.statement.justification_digest  # type: ignore[union-attr]
