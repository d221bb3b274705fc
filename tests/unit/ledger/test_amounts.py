"""Amounts: one form each, bounded, and never a number of JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Amount, parse_amount, parse_total
from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.limits import AMOUNT_MAX


@pytest.mark.parametrize("number", [1, 9, 10, 2**53, 10**38, AMOUNT_MAX - 1, AMOUNT_MAX])
def test_an_amount_is_read_exactly(number: int) -> None:
    assert parse_amount(str(number), "amount") == number
    assert parse_total(str(number), "supply") == number
    assert str(Amount(number)) == str(number)


@pytest.mark.parametrize("text", ["0", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "1 ", "1\n", "", "٣", "1_000", "x"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(MalformedError, match="amount must be a string of decimal digits"):
        parse_amount(text, "amount")


@pytest.mark.parametrize(
    "value", [1, 0, 1.0, True, None, [], {}, AMOUNT_MAX, str(AMOUNT_MAX + 1), "9" * 39, "1" * 5_000]
)
def test_a_number_or_what_is_too_large_is_no_amount(value: Json) -> None:
    with pytest.raises(MalformedError):
        parse_amount(value, "amount")


def test_only_a_total_may_be_nothing() -> None:
    assert parse_total("0", "supply") == 0
    for value in ("", "00", "-0", 0, None, False):
        with pytest.raises(MalformedError):
            parse_total(value, "supply")


@given(st.text(alphabet="0123456789-+. e", max_size=45))
def test_an_amount_has_one_form(text: str) -> None:
    try:
        amount = parse_amount(text, "amount")
    except MalformedError:
        return
    assert str(amount) == text
    assert 1 <= amount <= AMOUNT_MAX
