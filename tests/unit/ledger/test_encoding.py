"""Canonical JSON against the `rfc8785` package as the oracle, and against everything orjson would let through."""

from __future__ import annotations

import json
import tracemalloc

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.encoding import (
    Json,
    decode,
    decode_object,
    encode,
    encode_kept,
    encode_trusted,
    expect_fields,
    expect_integer,
    expect_list,
    expect_string,
)
from ledger.errors import MalformedError
from ledger.limits import INTEGER_MAX, JSON_DEPTH_MAX

scalars = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(max_size=12)
ascii_keys = st.text(st.characters(max_codepoint=127), max_size=6)
documents = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(ascii_keys, children, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_the_bytes_are_those_of_rfc_8785(document: Json) -> None:
    data = encode(document)
    assert data == rfc8785.dumps(document)
    assert data == encode_trusted(document)
    assert decode(data, bytes_max=len(data)) == document


@given(documents, st.sampled_from([None, 1, 2]), st.booleans())
def test_any_other_form_of_a_document_is_refused_or_canonical(
    document: Json, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    if data == encode(document):
        assert decode(data, bytes_max=len(data)) == document
    else:
        with pytest.raises(MalformedError, match="canonical"):
            decode(data, bytes_max=len(data))


@given(st.binary(max_size=40))
def test_what_is_decoded_is_the_one_form_of_its_value(data: bytes) -> None:
    try:
        value = decode(data, bytes_max=40)
    except MalformedError:
        return
    assert rfc8785.dumps(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1 ",
        b"1\n",
        b"-0",
        b"01",
        b"1.0",
        b"1e2",
        b"9007199254740992",
        b"-9007199254740992",
        b"18446744073709551616",
        b"[9007199254740992]",
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b"NaN",
        b"Infinity",
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,}',
        b"[1,]",
        b'"\\u0061"',
        b'"\\/"',
        b'"\\u00e9"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\x01"',
        '{"é":1}'.encode(),
        b"\xef\xbb\xbf1",
        b"1 2",
        b"tru",
        b"'a'",
        b"{1:2}",
    ],
    ids=repr,
)
def test_bytes_outside_the_profile_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data, bytes_max=1000)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"0", 0),
        (b"-1", -1),
        (b"9007199254740991", INTEGER_MAX),
        (b"-9007199254740991", -INTEGER_MAX),
        ('"é€😀"'.encode(), "é€😀"),
        (b'"\\u0000\\b\\t\\n\\f\\r\\"\\\\\x7f"', '\0\b\t\n\f\r"\\\x7f'),
        (b'{"A":1,"_":2,"a":3}', {"A": 1, "_": 2, "a": 3}),
        (b"{}", {}),
        (b"[]", []),
        (b"null", None),
    ],
    ids=repr,
)
def test_bytes_of_the_profile(data: bytes, value: Json) -> None:
    assert decode(data, bytes_max=1000) == value
    assert encode(value) == data


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), INTEGER_MAX + 1, -INTEGER_MAX - 1, {"é": 1}, {1: 2}, (1, 2), b"x", {"a": {1}}, "\ud800", [1.5]],
    ids=repr,
)
def test_values_outside_the_profile_are_not_encoded(value: object) -> None:
    with pytest.raises(MalformedError):
        encode(value)  # type: ignore[arg-type]


def test_depth_is_bounded_on_both_ways() -> None:
    for depth, good in ((JSON_DEPTH_MAX, True), (JSON_DEPTH_MAX + 1, False), (100_000, False)):
        data = b"[" * depth + b"]" * depth
        if good:
            assert encode(decode(data, bytes_max=len(data))) == data
        else:
            with pytest.raises(MalformedError):
                decode(data, bytes_max=len(data))
    nested: Json = 1
    for _ in range(JSON_DEPTH_MAX + 1):
        nested = {"a": nested}
    with pytest.raises(MalformedError, match="nested deeper than 32"):
        encode(nested)


def test_size_is_bounded_and_the_thing_is_named() -> None:
    assert decode(b'"ab"', bytes_max=4) == "ab"
    with pytest.raises(MalformedError, match="receipt has 4 bytes, more than 3"):
        decode(b'"ab"', bytes_max=3, what="receipt")
    with pytest.raises(MalformedError, match="receipt must be a JSON object"):
        decode_object(b"[]", bytes_max=3, what="receipt")
    assert decode_object(b"{}", bytes_max=3) == {}


def test_expected_shapes() -> None:
    required, optional = frozenset({"a"}), frozenset({"b"})
    assert expect_fields({"a": 1}, what="x", required=required, optional=optional) == {"a": 1}
    assert expect_fields({"a": 1, "b": 2}, what="x", required=required, optional=optional) == {"a": 1, "b": 2}
    with pytest.raises(MalformedError, match="x lacks the field 'a'"):
        expect_fields({"b": 1}, what="x", required=required, optional=optional)
    with pytest.raises(MalformedError, match="x has an unknown field 'c'"):
        expect_fields({"a": 1, "c": 1}, what="x", required=required, optional=optional)
    with pytest.raises(MalformedError, match="x must be a JSON object"):
        expect_fields([], what="x", required=required)

    assert expect_integer(3, what="x", minimum=3, maximum=3) == 3
    for wrong in (2, 4, True, "3", None):
        with pytest.raises(MalformedError, match="x must be an integer from 3 to 3"):
            expect_integer(wrong, what="x", minimum=3, maximum=3)

    assert expect_string("éé", what="x", bytes_max=4) == "éé"
    for wrong in ("ééa", 1, None):
        with pytest.raises(MalformedError, match="x must be a string of at most 4 bytes"):
            expect_string(wrong, what="x", bytes_max=4)

    assert expect_list([1, 2], what="x", items_max=2, items_min=1) == [1, 2]
    for wrong_list in ([], [1, 2, 3], {}, "ab"):
        with pytest.raises(MalformedError, match="x must be a list of 1 to 2 items"):
            expect_list(wrong_list, what="x", items_max=2, items_min=1)  # type: ignore[arg-type]


def test_bytes_that_are_kept_take_no_more_memory_than_they_need() -> None:
    values: list[Json] = [{"number": number, "text": "x" * 50} for number in range(1_000)]
    tracemalloc.start()
    try:
        kept = [encode_kept(value) for value in values]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept == [encode_trusted(value) for value in values]
    assert taken < 1_000 * 250
