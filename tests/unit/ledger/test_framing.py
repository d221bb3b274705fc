"""Framing: one form per sequence, and bounds before anything is copied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.framing import FRAMING_BYTES, Framed, pack, unpack

items = st.lists(st.binary(max_size=40), max_size=12)


def test_the_bytes() -> None:
    assert pack([]) == b""
    assert pack([b"", b"ab"]) == bytes.fromhex("00000000") + bytes.fromhex("00000002") + b"ab"
    assert FRAMING_BYTES == 4


@given(items)
def test_what_is_packed_is_unpacked(values: list[bytes]) -> None:
    data = pack(values)
    assert len(data) == sum(map(len, values)) + FRAMING_BYTES * len(values)
    assert unpack(data, items_max=len(values), item_bytes_max=40) == tuple(values)
    assert unpack(b"head" + data, items_max=len(values), item_bytes_max=40, start=4) == tuple(values)


@given(st.binary(max_size=60))
def test_any_bytes_are_malformed_or_the_one_form_of_their_items(data: bytes) -> None:
    try:
        values = unpack(data, items_max=20, item_bytes_max=60)
    except MalformedError:
        return
    assert pack(values) == data


@given(items.filter(bool), st.data())
def test_every_cut_within_an_item_is_malformed(values: list[bytes], data: st.DataObject) -> None:
    packed = pack(values)
    boundaries = {len(pack(values[:count])) for count in range(len(values) + 1)}
    cut = data.draw(st.sampled_from([size for size in range(len(packed)) if size not in boundaries]))
    with pytest.raises(MalformedError, match="ends within"):
        unpack(packed[:cut], items_max=20, item_bytes_max=60)


@given(items.filter(bool), st.data())
def test_items_are_found_singly_in_any_order(values: list[bytes], data: st.DataObject) -> None:
    framed = Framed(pack(values))
    for index in data.draw(st.permutations(range(len(values)))):
        assert framed[index] == values[index]
        assert framed.ends_behind(index) == (index == len(values) - 1)
    with pytest.raises(MalformedError, match="ends before"):
        framed[len(values)]


@given(items.filter(bool), st.data())
def test_an_item_is_found_only_where_the_data_does_not_end_before_its_end(
    values: list[bytes], data: st.DataObject
) -> None:
    packed = pack(values)
    size = data.draw(st.integers(0, len(packed) - 1))
    whole = sum(len(pack(values[: count + 1])) <= size for count in range(len(values)))
    framed = Framed(packed[:size])
    for index, value in enumerate(values[:whole]):
        assert framed[index] == value
    with pytest.raises(MalformedError, match="ends"):
        framed[whole]


def test_bounds() -> None:
    assert unpack(pack([b"abc"] * 2), items_max=2, item_bytes_max=3) == (b"abc", b"abc")
    with pytest.raises(MalformedError, match="more than 1 items"):
        unpack(pack([b"abc"] * 2), items_max=1, item_bytes_max=3)
    with pytest.raises(MalformedError, match="3 bytes, more than 2"):
        unpack(pack([b"abc"]), items_max=2, item_bytes_max=2)
    with pytest.raises(MalformedError, match="4294967295 bytes"):
        unpack(b"\xff\xff\xff\xff", items_max=1, item_bytes_max=1000)
    with pytest.raises(MalformedError, match="more than 0 items"):
        unpack(bytes(4), items_max=0, item_bytes_max=0)
