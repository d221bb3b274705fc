"""What a replica notices as time goes on."""

from __future__ import annotations

from ledger.consensus.inputs import Now, PeerId
from ledger.limits import VALIDATORS_MAX
from node.replica.watch import STOOD_STILL_TICKS, Reading, Standstill, Watch

TICK_MS = 100


def watch(*, appended_at_ms: int = 0) -> Watch:
    return Watch(started_at_ms=0, appended_at_ms=appended_at_ms)


def test_a_step_that_is_late_by_some_ticks_shows_that_the_node_stood_still() -> None:
    seen = watch()
    seen.step_begins(90_000, TICK_MS)
    assert seen.stood_still is None, "a start may take long"
    seen.step_ends(0, 100, timer_running=False)
    seen.step_begins(100 + STOOD_STILL_TICKS * TICK_MS - 1, TICK_MS)
    assert seen.stood_still is None
    seen.step_ends(1_000, 1_100, timer_running=False)
    seen.step_begins(6_100, TICK_MS)
    assert seen.stood_still == Standstill(until_ms=6_100, for_ms=5_000, number=1)
    assert seen.since(2_000) == 6_100, "what was said meanwhile waits unread"
    assert seen.since(7_000) == 7_000
    seen.step_ends(6_100, 6_000, timer_running=False)  # it wants to be woken at once
    seen.step_begins(6_900, TICK_MS)
    assert seen.stood_still == Standstill(until_ms=6_900, for_ms=800, number=2)


def test_a_height_is_busy_from_when_its_timer_runs_until_it_is_appended() -> None:
    seen = watch()
    seen.step_ends(10, 20, timer_running=False)
    assert seen.busy_at_ms is None
    seen.step_ends(30, 40, timer_running=True)
    seen.step_ends(50, 60, timer_running=True)
    assert seen.busy_at_ms == 30
    seen.appended(70)
    assert (seen.appended_at_ms, seen.busy_at_ms) == (70, None)


def test_a_cosignature_says_how_far_a_clock_is_off_only_soon_after_its_block() -> None:
    seen = watch(appended_at_ms=10_000)
    seen.cosigned("v1", 3_600, Now(monotonic_ms=10_100, wall_ms=5_000))
    assert seen.clocks == {"v1": Reading(ahead_ms=3_595_500, at_ms=10_100)}
    seen.cosigned("v2", 3_600, Now(monotonic_ms=14_000, wall_ms=5_000))
    assert "v2" not in seen.clocks, "it may have been on its way, or waiting, for long"
    seen.step_ends(10_000, 10_100, timer_running=False)
    seen.step_begins(20_000, TICK_MS)
    seen.appended(20_000)
    seen.cosigned("v2", 3_600, Now(monotonic_ms=20_010, wall_ms=5_000))
    assert "v2" not in seen.clocks, "this node has stood still, and what it reads now may be old"


def test_what_is_kept_is_bounded_by_the_number_of_validators() -> None:
    seen = watch()
    for number in range(VALIDATORS_MAX + 5):
        seen.link_lost(PeerId(str(number)), number)
        seen.cosigned(str(number), 1, Now(monotonic_ms=0, wall_ms=0))
    assert len(seen.unlinked) == len(seen.clocks) == VALIDATORS_MAX
    seen.linked(PeerId(str(VALIDATORS_MAX)))
    assert PeerId(str(VALIDATORS_MAX)) not in seen.unlinked
