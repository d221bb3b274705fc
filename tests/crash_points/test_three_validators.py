"""The power goes at every instant of a height with a round change: 3 validators, quorum 2."""

from __future__ import annotations

from tests.crash_points.cases import check_all, every_history, every_restart
from tests.crash_points.histories import History
from tests.crash_points.operations import Restart


@every_history
@every_restart
def test_no_instant_is_bad(history: History, restart: Restart) -> None:
    check_all(3, 2, history, restart, votes_min=2)
