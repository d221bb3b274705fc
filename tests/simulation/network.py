"""The network: which links carry what, and how late.

A link is directed, from one machine to another. Each loses, delays and doubles frames on its own, so frames overtake
each other. From time to time the machines are split anew: in two halves, one machine alone, some links in one
direction only, or a bridge (two halves with one machine that reaches both).
"""

from __future__ import annotations

import random

from tests.simulation.plan import Plan

_HEALED_DELAY_MS_MAX = 8
_TAIL_MS_MAX = 1_500


class Network:
    """Decides the fate of each frame. Machines are named by their index."""

    def __init__(self, rng: random.Random, plan: Plan, machines: int) -> None:
        self._rng = rng
        self._plan = plan
        self._machines = machines
        self._loss = {
            (sender, receiver): rng.random() * plan.loss for sender in range(machines) for receiver in range(machines)
        }
        self._cut: set[tuple[int, int]] = set()
        self._healed = False

    def heal(self) -> None:
        """From here on every frame arrives, and soon."""
        self._healed = True
        self._cut.clear()

    def fate(self, sender: int, receiver: int) -> list[int]:
        """After how many milliseconds copies of a frame arrive; none: it is lost."""
        rng, plan = self._rng, self._plan
        if self._healed:
            return [rng.randint(1, _HEALED_DELAY_MS_MAX)]
        if (sender, receiver) in self._cut or rng.random() < self._loss[sender, receiver]:
            return []
        copies = 2 if plan.duplicate_rate and rng.random() < plan.duplicate_rate else 1
        return [self._delay(sender, receiver) for _ in range(copies)]

    def _delay(self, sender: int, receiver: int) -> int:
        rng, plan = self._rng, self._plan
        mean = plan.delay_ms * (10 if plan.slow_machine in (sender, receiver) else 1)
        if plan.tail_rate and rng.random() < plan.tail_rate:
            return min(int(mean * rng.paretovariate(0.7)), _TAIL_MS_MAX) + 1
        return int(rng.expovariate(1 / mean)) + 1

    def split(self) -> str:
        """Draw a new partition. Returns what it is, for people."""
        rng, everyone = self._rng, range(self._machines)
        self._cut.clear()
        kind = rng.choice(("none", "none", "halves", "one-way", "alone", "bridge"))
        if kind == "none" or self._machines < 2:
            return "none"
        order = rng.sample(everyone, self._machines)
        cut = rng.randint(1, self._machines - 1)
        left, right = order[:cut], order[cut:]
        match kind:
            case "halves":
                self._cut = {pair for a in left for b in right for pair in ((a, b), (b, a))}
            case "one-way":
                self._cut = {(a, b) for a in left for b in right}
            case "alone":
                self._cut = {pair for b in order[1:] for pair in ((order[0], b), (b, order[0]))}
            case "bridge":
                self._cut = {pair for a in left[1:] for b in right for pair in ((a, b), (b, a))}
        return f"{kind} {left} | {right}"
