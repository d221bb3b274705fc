"""The checksum of every value: over the value and the key that it stands under."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage.errors import DamagedError
from node.storage.rows import CHECKSUM_BYTES, describe, seal, seal_all, unseal


def test_the_form_of_a_row_is_fixed() -> None:
    assert seal(b"key", b"value").hex() == "76616c756548daf405"


@given(st.binary(), st.binary())
def test_a_sealed_value_is_read_under_its_key(key: bytes, value: bytes) -> None:
    row = seal(key, value)
    assert len(row) == len(value) + CHECKSUM_BYTES
    assert unseal(key, row) == value


@given(st.dictionaries(st.binary(), st.binary()))
def test_values_that_are_sealed_together_are_what_each_is_alone(values: dict[bytes, bytes]) -> None:
    assert seal_all(values) == [(key, seal(key, value)) for key, value in values.items()]


@given(st.binary(min_size=1), st.binary(), st.data())
def test_any_flipped_bit_is_noticed(key: bytes, value: bytes, data: st.DataObject) -> None:
    row = bytearray(seal(key, value))
    bit = data.draw(st.integers(0, 8 * len(row) - 1))
    row[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedError):
        unseal(key, bytes(row))


@pytest.mark.parametrize(
    ("key", "other"),
    [(b"a", b"b"), (b"a", b""), (b"h\0\0\0\0\0\0\0\1", b"h\0\0\0\0\0\0\0\2"), (b"abc", b"ab")],
)
def test_a_value_under_another_key_is_noticed(key: bytes, other: bytes) -> None:
    with pytest.raises(DamagedError):
        unseal(other, seal(key, b"value"))


def test_bytes_do_not_move_between_key_and_value() -> None:
    """The concatenation of key and value is the same; the row must not be."""
    checksum = seal(b"ab", b"c")[-CHECKSUM_BYTES:]
    with pytest.raises(DamagedError):
        unseal(b"a", b"bc" + checksum)


@pytest.mark.parametrize("row", [b"", b"\0", b"\0\0\0", b"value"])
def test_a_row_that_is_too_short_is_noticed(row: bytes) -> None:
    with pytest.raises(DamagedError):
        unseal(b"key", row)


def test_keys_are_described_in_one_printable_line() -> None:
    assert describe(b"h\0\n\xff") == "h\\x00\\n\\\\xff"
    assert len(describe(bytes(1000))) < 400
