"""Incidents of processes, and of the machines that they run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.replica import Elapsed

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_POINTS = 6  # of writes and sends after a start
_SLEEP_MS = (1_000, 30_000, 600_000)
_SLOW_STEP_MS = 60


def crash_while_starting(world: World, machine: Machine, for_ms: int) -> None:
    """The power goes, and goes again while the machine is starting, at one of its first writes or sends."""
    if machine.replica is not None:
        world.cut(machine)
    machine.power.points_left = world.rng.randrange(_POINTS)


def restart_in_turn(world: World, machine: Machine, for_ms: int) -> None:
    """An operator restarts all machines, one after the other, before the one before is well."""
    for number, other in enumerate(world.machines):
        world.at(world.now_ms + for_ms * number // len(world.machines), _restart, world, other)


def _restart(world: World, machine: Machine) -> None:
    if machine.replica is not None and world.faulty:
        world.faults["restart in turn"] += 1
        world.cut(machine)


def slow_processor(world: World, machine: Machine, for_ms: int) -> None:
    """Every step of the machine takes its time."""
    machine.step_ms = _SLOW_STEP_MS
    world.at(world.now_ms + for_ms, machine.recover_speed)


def sleep(world: World, machine: Machine, for_ms: int) -> None:
    """The machine stands still, as a suspended one does, and finds its clocks far ahead when it goes on."""
    machine.paused_until_ms = world.now_ms + for_ms
    machine.clock.skip(world.rng.choice(_SLEEP_MS))
    if machine.replica is not None:
        machine.hand_in(Elapsed())
