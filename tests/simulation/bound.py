"""How long a height may take once the network is well: so many bad leaders, and ten delays, and not a moment more.

    bound = timeouts of (b + c + 1) rounds + timeouts of the rounds that are too short + a pause + 10 delays
            + one step for each block that somebody has to fetch

* A **bad leader** costs the timeout of its round, T(r) = min(base * 1.5^r, max) (`ledger.consensus.pacemaker`), by the
  slowest clock: a round ends when a quorum gave it up. b validators lie, and c are dead or have lost their vote state.
  Which leaders come next is the same on all nodes, each once in n rounds, so that at most b + c bad ones follow each
  other. The one more is the round that the network was healed in: a good leader may have been given up in it already.
  Back-off makes that at most TIMEOUT_MS_MAX each; demotion (A6) is of later heights and does not count here.
* A round is **too short** when its timer, by the fastest clock, does not leave time for four messages: a good leader
  can be given up in it. With clocks that are right there is none.
* The **pause** is that of A10: where nothing waits, no empty block is proposed in round 0 before the base timeout, and
  the timer of the round starts after it.
* A **delay** is the longest that it takes for something said to be heard by all: what was said when the network was
  not well is said again at the tick, half a base timeout by the slowest clock; then the way, and the step that is under
  way at the receiver, and its own. Ten of them are the entry certificate, a request for a block and its answer from
  the second who is asked, a request for what is in it and its answer, the proposal, two votes, and for whoever missed
  them a status and the certified block.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.consensus.height import Timing
from tests.simulation.network import HEALED_DELAY_MS_MAX
from tests.simulation.plan import BASE_TIMEOUT_MS, RATE_PERMILLE_MAX, RATE_PERMILLE_MIN, TIMEOUT_MS_MAX, Plan

_DELAYS = 10
_MESSAGES = 4
_TIMING = Timing(BASE_TIMEOUT_MS, TIMEOUT_MS_MAX, heartbeat_ms=0, tick_ms=BASE_TIMEOUT_MS // 2)


@dataclass(frozen=True, slots=True)
class Pace:
    """What a height, and its bound, took; in simulated milliseconds."""

    took_ms: int
    bound_ms: int

    @property
    def permille(self) -> int:
        """The share of the bound."""
        return self.took_ms * 1000 // self.bound_ms


class Bound:
    """The terms, for the networks of a plan."""

    def __init__(self, plan: Plan) -> None:
        right = plan.clocks == "right"
        self._bad = plan.bad
        self._slowest = 1000 if right else RATE_PERMILLE_MIN
        self._fastest = 1000 if right else RATE_PERMILLE_MAX
        self._step_ms = plan.step_ms
        self._hop_ms = HEALED_DELAY_MS_MAX + 2 * plan.step_ms

    @property
    def delay_ms(self) -> int:
        """The longest that it takes for something said to be heard by all."""
        return self._by_slowest(_TIMING.tick_ms) + self._hop_ms

    def height_ms(self, *, first_round: int, blocks_behind: int) -> int:
        """For a height that is in `first_round` now, where the last live machine lacks so many blocks."""
        rounds = self._bad + 1 + self._short_rounds(first_round)
        timeouts_ms = sum(
            self._by_slowest(_TIMING.round_timeout_ms(round)) for round in range(first_round, first_round + rounds)
        )
        pause_ms = self._by_slowest(BASE_TIMEOUT_MS)
        return timeouts_ms + pause_ms + _DELAYS * self.delay_ms + blocks_behind * (self._step_ms + 1)

    def _by_slowest(self, milliseconds: int) -> int:
        return milliseconds * 1000 // self._slowest

    def _short_rounds(self, first_round: int) -> int:
        """How many rounds from `first_round` on may be too short for a good leader."""
        round = first_round
        while _TIMING.round_timeout_ms(round) * 1000 // self._fastest <= _MESSAGES * self._hop_ms:
            round += 1
        return round - first_round
