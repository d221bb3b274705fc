"""What others wrote never reaches a terminal as anything but printable characters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.output import ascii_json, escape

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain, Grüße, 日本", "plain, Grüße, 日本"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\x9b31m", "\\u009b31m"),
        ("a\rb\nc\td", "a\\u000db\\u000ac\\u0009d"),
        ("\x7f\x00", "\\u007f\\u0000"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
    ],
)
def test_escapes(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@given(TEXT)
def test_escaped_text_is_printable_and_escaping_again_changes_nothing(text: str) -> None:
    assert escape(text).isprintable()
    assert escape(escape(text)) == escape(text)


@given(JSON)
def test_json_for_programs_is_printable_ascii_and_says_the_same(value: object) -> None:
    text = ascii_json(value)  # type: ignore[arg-type]  # hypothesis does not type recursion
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == value
