"""What happens once, to one machine, at a drawn time: incidents, each kind a small function that makes it happen.

    network    old frames again, frames of another chain, links clogged one by one and freed in another order
    processes  a second crash while starting, restarts one after the other, a slow processor, sleep
    disks      no space, slow syncs, reads that fail; and damage

Damage is for a machine that the quorum can do without: its disk does not have what was written. It may go on, start no
more, or observe; it may never serve a wrong block or sign what contradicts what it had signed. (consensus research,
section 3 "What our simulator injects")
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.incidents import disks, network, processes

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_LENGTHS_MS = (100, 300, 800)


@dataclass(frozen=True, slots=True)
class Incident:
    """`kind` happens to the machine with this number at `at_ms`; `for_ms` is how long it lasts, where it does."""

    at_ms: int
    kind: str
    machine: int
    for_ms: int

    def __str__(self) -> str:
        return f"{self.kind} at {self.at_ms} ms on machine {self.machine} ({self.for_ms} ms)"


ORDINARY: Mapping[str, Callable[[World, Machine, int], None]] = {
    "old frames again": network.replay,
    "frames of another chain": network.another_chain,
    "links clogged and freed": network.swizzle,
    "crash while starting": processes.crash_while_starting,
    "restarts in turn": processes.restart_in_turn,
    "slow processor": processes.slow_processor,
    "sleep": processes.sleep,
    "disk full": disks.fill,
    "slow syncs": disks.slow_syncs,
    "reads fail": disks.fail_reads,
}

DAMAGE: Mapping[str, Callable[[World, Machine, int], None]] = {
    "bit flipped in a row": disks.flip_bit_of_row,
    "bit flipped in a vote": disks.flip_bit_of_promise,
    "bits flipped in the guard": disks.flip_bits_of_guard,
    "guard missing": disks.lose_guard,
    "database missing": disks.lose_database,
    "end of the log missing": disks.lose_end_of_log,
}


AT_WISH: Mapping[str, Callable[[World, Machine, int], None]] = {
    "bit flipped in a block": disks.flip_bit_of_block,
    "database of an older format": disks.older_format,
}
"""What no plan draws, for tests that are after it."""


def draw_incidents(rng: random.Random, machines: Sequence[int], safety_ms: int) -> tuple[Incident, ...]:
    """A few incidents on any of these machines, in half of all runs."""
    kinds = tuple(ORDINARY)
    return _draw(rng, [rng.choice(machines) for _ in range(rng.choice((0, 0, 1, 2, 4)))], kinds, safety_ms)


def draw_damage(rng: random.Random, machines: Sequence[int], safety_ms: int) -> tuple[Incident, ...]:
    """Damage to the disk of each of these machines."""
    return _draw(rng, machines, tuple(DAMAGE), safety_ms)


def _draw(rng: random.Random, machines: Sequence[int], kinds: Sequence[str], safety_ms: int) -> tuple[Incident, ...]:
    return tuple(
        Incident(rng.randrange(safety_ms // 10, safety_ms), rng.choice(kinds), machine, rng.choice(_LENGTHS_MS))
        for machine in machines
    )


def strike(world: World, incident: Incident) -> None:
    """Let an incident happen, on all machines with that number (twins share it)."""
    happens = {**ORDINARY, **DAMAGE, **AT_WISH}[incident.kind]
    for machine in world.numbered(incident.machine):
        if world.faulty:
            world.note(machine, "incident", incident.kind)
            world.faults[incident.kind] += 1
            happens(world, machine, incident.for_ms)
