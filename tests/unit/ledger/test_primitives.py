"""Many digests are read like one: the same values, and the same refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.primitives import DIGEST_BYTES, parse_digest, parse_digests

GOOD = bytes(range(DIGEST_BYTES)).hex()


@given(st.lists(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES), max_size=20))
def test_many_are_what_each_of_them_is(digests: list[bytes]) -> None:
    texts = [digest.hex() for digest in digests]
    assert parse_digests(texts, "digest") == tuple(parse_digest(text, "digest") for text in texts) == tuple(digests)


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        GOOD[:-1] + "g",
        GOOD[:-2] + "  ",
        "",
        7,
        None,
        GOOD.encode(),
        [GOOD],
        "٣" * 64,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_is_none_spoils_them_all(bad: object, place: int) -> None:
    texts: list[object] = [GOOD, GOOD]
    texts.insert(place, bad)
    with pytest.raises(MalformedError, match="lower-case hexadecimal"):
        parse_digests(texts, "digest")


def test_lengths_that_make_up_for_each_other_are_refused() -> None:
    with pytest.raises(MalformedError, match="64 lower-case"):
        parse_digests([GOOD[:-2], GOOD + "00"], "digest")
