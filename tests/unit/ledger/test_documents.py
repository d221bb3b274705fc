"""A document says what it is; what says something else, or another version in whatever form, is not read."""

from __future__ import annotations

import pytest

from ledger.documents import expect_kind
from ledger.encoding import Json
from ledger.errors import MalformedError

KIND = "quorum-ledger/thing"


def test_a_document_of_the_kind_and_version_is_given_back() -> None:
    document: Json = {"kind": KIND, "version": 1, "more": [1]}
    assert expect_kind(document, KIND, 1) is document


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "not a quorum-ledger/thing document"),
        ("quorum-ledger/thing", "not a quorum-ledger/thing document"),
        ({}, "not a quorum-ledger/thing document"),
        ({"version": 1}, "not a quorum-ledger/thing document"),
        ({"kind": "quorum-ledger/other", "version": 1}, "not a quorum-ledger/thing document"),
        ({"kind": KIND}, "of version None; this software reads version 1"),
        ({"kind": KIND, "version": 2}, "of version 2; this software reads version 1"),
        ({"kind": KIND, "version": True}, "of version True; this software reads version 1"),
        ({"kind": KIND, "version": "1"}, "of version '1'; this software reads version 1"),
    ],
)
def test_anything_else_is_refused_in_words(value: Json, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        expect_kind(value, KIND, 1)
