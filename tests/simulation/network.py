"""The network: which links carry what, and how late.

A link is directed, from one machine to another. Each loses, delays, doubles and damages frames on its own, so frames
overtake each other. From time to time the machines are split anew: in two halves, one machine alone, some links in one
direction only, or a bridge (two halves with one machine that reaches both). A clogged link holds what it is given until
it is free again; the links of a machine behind a narrow line carry so many bytes in a millisecond, one frame after the
other, and drop what would have to wait too long.
"""

from __future__ import annotations

import random
from collections import Counter

from tests.simulation.plan import Plan

HEALED_DELAY_MS_MAX = 8
_TAIL_MS_MAX = 1_500
_QUEUED_MS_MAX = 1_000


class Network:
    """Decides the fate of each frame. Machines are named by their index; `faults` counts what happens to frames."""

    def __init__(self, rng: random.Random, plan: Plan, machines: int, faults: Counter[str]) -> None:
        self._rng = rng
        self._plan = plan
        self._machines = machines
        self._faults = faults
        self._loss = {
            (sender, receiver): rng.random() * plan.loss for sender in range(machines) for receiver in range(machines)
        }
        self._cut: set[tuple[int, int]] = set()
        self._clogged_until: dict[tuple[int, int], int] = {}
        self._free_at: dict[tuple[int, int], int] = {}
        self._healed = False

    def heal(self) -> None:
        """From here on every frame arrives, and soon."""
        self._healed = True
        self._cut.clear()

    def fate(self, sender: int, receiver: int, size: int, now_ms: int) -> list[int]:
        """After how many milliseconds copies of a frame of `size` bytes arrive; none: it is lost."""
        rng, plan = self._rng, self._plan
        if self._healed:
            return [rng.randint(1, HEALED_DELAY_MS_MAX)]
        link = sender, receiver
        if link in self._cut:
            self._faults["frame cut off"] += 1
            return []
        if rng.random() < self._loss[link]:
            self._faults["frame lost"] += 1
            return []
        copies = 1
        if plan.duplicate_rate and rng.random() < plan.duplicate_rate:
            self._faults["frame doubled"] += 1
            copies = 2
        wait_ms = self._wait(link, size, now_ms)
        if wait_ms is None:
            self._faults["frame dropped before a narrow line"] += 1
            return []
        return [wait_ms + self._delay(sender, receiver) for _ in range(copies)]

    def damages(self) -> bool:
        """Whether the frame that arrives now is damaged on its way."""
        rate = self._plan.damage_rate
        return bool(rate) and not self._healed and self._rng.random() < rate

    def damaged(self, frame: bytes) -> bytes:
        """The frame with a few bits flipped, or without its end."""
        rng, data = self._rng, bytearray(frame)
        if len(data) > 1 and rng.random() < 0.2:
            return bytes(data[: rng.randrange(1, len(data))])
        for _ in range(rng.choice((1, 1, 8))):
            position = rng.randrange(8 * len(data))
            data[position // 8] ^= 1 << position % 8
        return bytes(data)

    def clog(self, link: tuple[int, int], until_ms: int) -> None:
        """Let a link hold back everything until then."""
        if not self._healed:
            self._clogged_until[link] = until_ms
            self._faults["link clogged"] += 1

    def _wait(self, link: tuple[int, int], size: int, now_ms: int) -> int | None:
        """For how long a frame has to wait before it is on its way, or None when there is no room for it."""
        wait_ms = max(0, self._clogged_until.get(link, 0) - now_ms)
        if self._plan.narrow_machine not in link:
            return wait_ms
        free_at_ms = max(now_ms + wait_ms, self._free_at.get(link, 0))
        if free_at_ms - now_ms > _QUEUED_MS_MAX:
            return None
        self._free_at[link] = free_at_ms + size // self._plan.narrow_bytes_per_ms
        return self._free_at[link] - now_ms

    def _delay(self, sender: int, receiver: int) -> int:
        rng, plan = self._rng, self._plan
        mean = plan.delay_ms * (10 if plan.slow_machine in (sender, receiver) else 1)
        if plan.tail_rate and rng.random() < plan.tail_rate:
            self._faults["frame very late"] += 1
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
        self._faults[f"partition: {kind}"] += 1
        return f"{kind} {left} | {right}"
