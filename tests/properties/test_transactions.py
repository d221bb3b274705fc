"""Properties of transactions: round trips, one form only, and agreement with independent tools."""

from __future__ import annotations

import hashlib
import json

import orjson
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Amount
from ledger.encoding import Json, decode, encode
from ledger.limits import AMOUNT_MAX, INTEGER_MAX, NAME_BYTES_MAX
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.operations.table import operation_to_json, parse_operation
from ledger.primitives import Digest, PublicKey, Signature
from ledger.refusals import Refusal
from ledger.transaction import (
    KeySignature,
    Transaction,
    assemble,
    build_body,
    claimed_sender,
    parse_body,
    parse_transaction,
    transaction_id,
)

LABELS = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INTEGERS = st.integers(-INTEGER_MAX, INTEGER_MAX)
CONTENTS: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=8), inner)
    ),
    max_leaves=12,
)
KEYS = st.binary(min_size=32, max_size=32).map(PublicKey)
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
AMOUNTS = st.integers(1, AMOUNT_MAX).map(Amount)
ENTITY_KEYS = TEXT.filter(bool)


def ascending(names: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(names, min_size=1, max_size=4, unique=True).map(lambda items: tuple(sorted(items)))


def operations(by: st.SearchStrategy[str]) -> st.SearchStrategy[Operation]:
    keys = st.lists(KEYS, min_size=1, max_size=4).map(tuple)
    thresholds = st.integers(0, 32)
    roles = st.none() | ascending(st.sampled_from(["administrator", "operator"]))
    of_key = st.tuples(ENTITY_KEYS, st.none() | st.integers(0, INTEGER_MAX)) | st.just((None, None))
    return st.one_of(
        st.builds(AccountAdd, by, NAMES, keys, thresholds, roles),
        st.builds(AccountKeys, by, keys, thresholds),
        st.builds(StreamCreate, by, NAMES, st.none() | ascending(NAMES)),
        st.builds(lambda b, s, c, k: RecordAppend(b, s, Content(c), None, *k), by, NAMES, CONTENTS, of_key),
        st.builds(lambda b, s, d, k: RecordAppend(b, s, None, d, *k), by, NAMES, DIGESTS, of_key),
        st.builds(StreamWriters, by, NAMES, ascending(NAMES)),
        st.builds(StreamFreeze, by, NAMES),
        st.builds(AssetDefine, by, NAMES, st.integers(0, 18), st.none() | AMOUNTS, st.none() | ascending(NAMES)),
        st.builds(AssetIssue, by, NAMES, NAMES, AMOUNTS),
        st.builds(AssetTransfer, by, NAMES, NAMES, AMOUNTS),
        st.builds(AssetBurn, by, NAMES, AMOUNTS),
        st.builds(AssetFreezeHolder, by, NAMES, NAMES),
        st.builds(AssetUnfreezeHolder, by, NAMES, NAMES),
    )


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    sender = draw(NAMES)
    cosigners = draw(st.just(()) | ascending(NAMES.filter(lambda name: name != sender)))
    body = build_body(
        chain=draw(DIGESTS),
        sender=sender,
        nonce=draw(st.binary(min_size=16, max_size=16)),
        valid_until_ms=draw(st.integers(0, INTEGER_MAX)),
        operations=draw(st.lists(operations(st.sampled_from((sender, *cosigners))), min_size=1, max_size=4)),
        cosigners=cosigners,
        memo=draw(st.none() | ENTITY_KEYS),
    )
    signatures = st.builds(KeySignature, KEYS, st.binary(min_size=64, max_size=64).map(Signature))
    return assemble(body, draw(st.lists(signatures, min_size=1, max_size=4)))


def parsed(envelope: bytes) -> Transaction:
    transaction = parse_transaction(envelope)
    assert isinstance(transaction, Transaction), transaction
    return transaction


@given(operations(NAMES))
def test_an_operation_is_read_as_it_was_written(operation: Operation) -> None:
    assert parse_operation(operation_to_json(operation)) == operation


@given(envelopes())
def test_a_transaction_built_again_from_what_was_read_is_the_same(envelope: bytes) -> None:
    transaction = parsed(envelope)
    content = transaction.body
    body = build_body(
        chain=content.chain,
        sender=content.sender,
        nonce=content.nonce,
        valid_until_ms=content.valid_until_ms,
        operations=content.operations,
        cosigners=content.cosigners,
        memo=content.memo,
    )
    assert assemble(body, transaction.signatures) == envelope
    assert parse_body(body) == content
    assert transaction_id(body) == transaction.id


@given(envelopes())
def test_an_independent_tool_finds_the_same_bytes_and_names(envelope: bytes) -> None:
    transaction = parsed(envelope)
    document = json.loads(envelope)
    assert rfc8785.dumps(document) == envelope
    signed = b"quorum-ledger/v1/transaction\0" + rfc8785.dumps(document["body"])
    assert transaction.signed_bytes == signed
    assert transaction.id == hashlib.sha256(signed).digest()
    assert transaction.envelope_hash == hashlib.sha256(b"quorum-ledger/v1/envelope\0" + envelope).digest()


@given(envelopes())
def test_the_sender_of_an_envelope_is_known_without_reading_it_all(envelope: bytes) -> None:
    assert claimed_sender(envelope) == parsed(envelope).body.sender


@given(st.binary(max_size=200) | envelopes().flatmap(lambda whole: st.integers(0, len(whole)).map(lambda n: whole[:n])))
def test_any_bytes_claim_a_short_sender(data: bytes) -> None:
    assert len(claimed_sender(data)) <= NAME_BYTES_MAX


@given(envelopes(), st.data())
def test_one_changed_byte_gives_another_transaction_or_none(envelope: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(envelope) - 1))
    changed = envelope[:position] + data.draw(st.binary(max_size=2)) + envelope[position + 1 :]
    outcome = parse_transaction(changed)
    if changed != envelope and isinstance(outcome, Transaction):
        assert outcome.envelope_hash != parsed(envelope).envelope_hash
        assert rfc8785.dumps(json.loads(changed)) == changed, "still the one form"


@given(envelopes())
def test_the_same_meaning_in_another_form_is_refused(envelope: bytes) -> None:
    document = orjson.loads(envelope)
    for other in (
        json.dumps(document, sort_keys=True).encode(),
        orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2),
        orjson.dumps(dict(reversed(document.items()))),
    ):
        assert isinstance(parse_transaction(other), Refusal)


@given(st.binary(max_size=200) | CONTENTS.map(encode))
def test_bytes_of_any_kind_are_answered(data: bytes) -> None:
    assert isinstance(parse_transaction(data), Refusal)
    assert isinstance(parse_body(data), Refusal)


def deep(levels: int) -> Json:
    """Lists in lists."""
    value: Json = "bottom"
    for _ in range(levels):
        value = [value]
    return value


# What canonical bytes alone don't show to be outside the profile.
WILD = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(INTEGER_MAX + 1, 2**64 - 1),
    st.integers(-(2**63), -INTEGER_MAX - 1),
    st.just({"clé": 1}),
    st.just({"a": {"ключ": []}}),
    st.integers(20, 40).map(deep),
    st.booleans(),
    CONTENTS,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values in a document."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


@given(st.data(), WILD)
def test_what_is_accepted_is_of_the_profile_wherever_something_wild_is_put(data: st.DataObject, wild: Json) -> None:
    """Parsing does not check the profile as such (it is the hot path): every reader of a field must hold its part."""
    record = RecordAppend(by="acme", stream="notes", content=Content({"a": [1]}), key="k", expected_revision=3)
    added = AccountAdd(by="acme", name="alice.acme", keys=(PublicKey(bytes(32)),), threshold=1, roles=("operator",))  # type: ignore[arg-type]
    body = build_body(
        chain=Digest(bytes(32)),
        sender="acme",
        nonce=bytes(16),
        valid_until_ms=1,
        operations=(record, added),
        cosigners=("bolt",),
        memo="a memo",
    )
    document = orjson.loads(assemble(body, [KeySignature(PublicKey(bytes(32)), Signature(bytes(64)))]))
    *parents, last = data.draw(st.sampled_from([path for path in places(document) if path]))
    target = document
    for step in parents:
        target = target[step]
    target[last] = wild
    envelope = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    if isinstance(parse_transaction(envelope), Transaction):
        assert orjson.loads(envelope) == decode(envelope, bytes_max=len(envelope))
