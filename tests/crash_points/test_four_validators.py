"""The power goes at every instant of a height with a round change: 4 validators, quorum 3.

Every instant is enumerated, and its files are torn. Of its futures each is run with one of the ways to come back, in
turn; `python -m tests.crash_points` and the campaign `crash-points` run each with both.
"""

from __future__ import annotations

from tests.crash_points.cases import check_all, every_history, every_restart
from tests.crash_points.histories import History
from tests.crash_points.operations import Restart


@every_history
@every_restart
def test_no_instant_is_bad(history: History, restart: Restart) -> None:
    check_all(4, 3, history, restart, votes_min=2, shared=True)
