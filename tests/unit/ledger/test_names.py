"""One grammar for names; what stands under what."""

from __future__ import annotations

import re

import pytest

from ledger.errors import MalformedError
from ledger.limits import NAME_BYTES_MAX
from ledger.names import NAME_PATTERN, parent_account, parse_account_name, parse_stream_name

GOOD = ("a", "acme", "alice.acme", "x.alice.acme", "a1-b2-c3", "a" * NAME_BYTES_MAX, "north-2.acme")
BAD: tuple[object, ...] = (
    "",
    "Acme",
    "1st",
    "-a",
    "a-",
    "a--b",
    ".acme",
    "acme.",
    "a..b",
    "a.-b",
    "a.1",
    "a b",
    "a/b",
    "a_b",
    "validator:v1",
    "acme\n",
    "ünal",
    "\u0430cme",  # a Cyrillic letter that looks like a Latin one
    "a" * (NAME_BYTES_MAX + 1),
    None,
    1,
    True,
    ["acme"],
    {},
)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_is_itself(name: str) -> None:
    assert parse_account_name(name, "account") == name
    assert parse_stream_name(name, "stream") == name


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_anything_else_is_no_name(name: object) -> None:
    for parse in (parse_account_name, parse_stream_name):
        with pytest.raises(MalformedError, match="the thing must be a name"):
            parse(name, "the thing")


@pytest.mark.parametrize(("name", "parent"), [("acme", None), ("alice.acme", "acme"), ("x.alice.acme", "alice.acme")])
def test_what_an_account_stands_under(name: str, parent: str | None) -> None:
    assert parent_account(name) == parent


def test_the_published_pattern_is_the_grammar() -> None:
    for name in (*GOOD, *BAD):
        if isinstance(name, str) and len(name) <= NAME_BYTES_MAX:
            assert (re.fullmatch(NAME_PATTERN, name) is not None) == (name in GOOD)
