"""What the tests of each network share."""

from __future__ import annotations

import pytest

from tests.crash_points.counting import tell_all
from tests.crash_points.histories import HISTORIES, History
from tests.crash_points.operations import Kind, Restart, When

SLOT_CUTS = 7
"""A slot of the guard has 512 bytes."""

BATCH_BYTES_MIN = 64 * 15
"""On the average."""

every_history = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
every_restart = pytest.mark.parametrize("restart", Restart, ids=lambda restart: restart.value)


def check_all(n: int, q: int, history: History, restart: Restart, *, votes_min: int, shared: bool = False) -> None:
    """The power goes at every instant; each validator casts at least `votes_min` batches of votes, and a block.

    `shared`: the ways to come back share the futures among them.
    """
    ways = list(Restart)
    told = (
        tell_all(n, q, history, restart, first=ways.index(restart), every=len(ways))
        if shared
        else tell_all(n, q, history, restart)
    )
    print(told.line())
    counts = told.recording.instants
    batches, slots = counts[Kind.BATCH, When.AFTER], counts[Kind.SLOT, When.AFTER]
    assert batches == counts[Kind.BATCH, When.BEFORE] >= n * (votes_min + 2), "votes, the block, and what follows it"
    assert slots == counts[Kind.SLOT, When.BEFORE], "each has both"
    assert batches - 2 * n <= slots <= batches - n, "a block and a checkpoint promise nothing, all else does"
    assert counts[Kind.SLOT, When.TORN] == SLOT_CUTS * slots
    assert counts[Kind.BATCH, When.TORN] >= BATCH_BYTES_MIN // 64 * batches
    assert counts[Kind.FRAME, When.AFTER] >= (n - 1) * slots, "what is promised is sent to everybody"
    assert len(told.recording.futures) > batches + slots + counts[Kind.FRAME, When.AFTER]
