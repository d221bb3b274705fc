"""Row 2 of the known failures, at every step: exactly a quorum is alive; one of it dies around a vote and comes back.

The driver holds every sender to the bytes it sent first, checks that what was promised is on the disk, and that nobody
is framed; here it is asked that the height is still decided.
"""

from __future__ import annotations

import pytest

from tests.scenarios.driver.script import Script

STORY = """
validators 3 quorum 2
dead 0
work 1,2 a
run 100
work 1,2 b
run 100
expect 1,2 deciding 3     # the dead validator leads round 0 of height 3
crash {victim} {when} {kind}{sends}
work 1,2 c
run {before}
{again}
network commits within 12000
"""


@pytest.mark.parametrize("victim", [1, 2])
@pytest.mark.parametrize("kind", ["proposal", "prepare", "commit", "timeout"])
@pytest.mark.parametrize(("when", "sends"), [("before", ""), ("after", ""), ("after", " sends 2")])
@pytest.mark.parametrize("others_moved_on", [False, True])
def test_a_needed_validator_dies_around_a_vote(
    victim: int, kind: str, when: str, sends: str, others_moved_on: bool
) -> None:
    # A proposal, prepare or commit of height 3 comes after the failed round 0, at 1,000 ms.
    before = 4_000 if others_moved_on else 1_000
    again = f"restart {victim}"
    Script(STORY.format(victim=victim, kind=kind, when=when, sends=sends, before=before, again=again)).run()


@pytest.mark.parametrize("kind", ["proposal", "prepare", "commit"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_only_validator_dies_around_a_vote(kind: str, when: str) -> None:
    world = Script(
        f"""
        validators 1 quorum 1
        crash 0 {when} {kind}
        work 0 a
        expect 0 down
        restart 0
        run 1000
        network commits within 3000
        """
    ).run()
    assert max(world.committed) >= 1
