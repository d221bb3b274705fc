"""Seeds that failed once, each with what was wrong; the numbers are those of campaigns and of runs by hand."""

from __future__ import annotations

import pytest

from tests.simulation.run import run

SEEDS = (
    (89, (7, 5), False, "a forgetful machine read its disk while it did not work"),
    (
        51,
        (5, 3),
        False,
        "a commit vote was noted in the guard, then a prepare vote of its round, and left after that one",
    ),
    (25, (5, 3), False, "a commit vote and the prepare vote of its round were cast at once"),
    (1_005_360, None, True, "the height of a machine that had lost its database was asked for"),
    (
        109,
        (3, 3),
        False,
        "a damaged status told a follower of a height that nobody has, and it said that it was behind",
    ),
    (1_005_440, None, True, "a frame that was damaged before the network healed was judged after, and cost a link"),
    (1_018_345, None, False, "a machine stood still from within a slow step on, and the step counted from its end"),
    (1_023_120, None, True, "ledger time was ahead of all clocks, and no block was cosigned while blocks came fast"),
    (501_127, None, True, "what a follower knew from a validator that left was submitted to it, and got no further"),
    (1_023_600, None, True, "heights that somebody had already were counted as heights that a transaction had"),
    (1_024_784, None, True, "a machine was busy within a slow step, of which its status knew nothing"),
    (1_030_336, None, True, "a machine that had lost the end of its log showed an older cosignature again"),
    (1_036_234, None, False, "a machine that had lost the end of its log showed an older cosignature again"),
    (1_077_362, None, False, "a validator alone restarted behind its own timeout, which was a certificate by itself"),
    (1_083_697, None, False, "a validator alone restarted behind its own timeout, which was a certificate by itself"),
    (1_054_920, None, False, "a machine that had lost its newest cosignature made another in the same second"),
    (1_096_476, None, False, "whether a cosignature could be lost was judged by a guard that the start itself renews"),
    (1_059_825, None, False, "a validator alone restarted behind its own timeout, which was a certificate by itself"),
    (1_001_552, None, True, "a liar led every height while all others were demoted, and left out what was owed"),
    (1_001_744, None, True, "a liar was removed from the set, and looked for itself at its place in a smaller one"),
)


@pytest.mark.parametrize(("seed", "quorum", "changes", "why"), SEEDS)
def test_what_failed_once_does_not_fail_again(
    seed: int, quorum: tuple[int, int] | None, changes: bool, why: str
) -> None:
    n, q = quorum or (None, None)
    run(seed, n=n, q=q, changes=changes)
