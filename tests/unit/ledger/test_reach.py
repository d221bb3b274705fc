"""What it means that validators cannot be reached, in words."""

from __future__ import annotations

import pytest

from ledger.governance.reach import reach
from ledger.validators import Tolerance

NAMES = ("v1", "v2", "v3", "v4", "v5")


@pytest.mark.parametrize(
    ("n", "q", "reachable", "spare", "sentence"),
    [
        (
            5,
            3,
            NAMES,
            2,
            "all 5 validators can be reached, and the quorum is 3: after one more failure blocks are still",
        ),
        (
            5,
            4,
            NAMES[:4],
            0,
            "4 of 5 validators can be reached, all but v5, and the quorum is 4: one more failure stops",
        ),
        (
            5,
            4,
            ("v2", "v9"),
            -3,
            "1 of 5 validators can be reached, all but v1, v3, v4, v5: 3 too few for the quorum of 4",
        ),
        (3, 2, (), -2, "0 of 3 validators can be reached, all but v1, v2, v3: 2 too few"),
        (1, 1, ("v1",), 0, "the only validator can be reached, and the quorum is 1: one more failure stops the chain"),
    ],
)
def test_who_is_missing_and_what_follows(n: int, q: int, reachable: tuple[str, ...], spare: int, sentence: str) -> None:
    found = reach(Tolerance(n, q), NAMES[:n], reachable)
    assert found.spare == spare
    assert found.sentence().startswith(sentence)
