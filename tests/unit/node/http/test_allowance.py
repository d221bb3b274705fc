"""Shares of bounded resources, by client address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.http.allowance import Allowance, client_address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (None, "local"),
        ("", "local"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_client_is_what_it_cannot_multiply(remote: str | None, address: str) -> None:
    assert client_address(remote) == address


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=60))
def test_neither_bound_is_ever_passed_and_all_comes_back(steps: list[tuple[str, int, bool]]) -> None:
    allowance = Allowance(total_max=9, per_address_max=5)
    taken: list[tuple[str, int]] = []
    for address, amount, give_back in steps:
        if give_back and taken:
            allowance.give_back(*taken.pop())
        else:
            mine = sum(held for who, held in taken if who == address)
            fits = mine + amount <= 5 and allowance.total + amount <= 9
            assert allowance.take(address, amount) is fits
            if fits:
                taken.append((address, amount))
        assert allowance.total == sum(held for _, held in taken) <= 9
    while taken:
        allowance.give_back(*taken.pop())
    assert allowance.total == 0
    assert allowance.take("a", 5)
