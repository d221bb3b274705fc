"""Damage on a simulated disk is put right by peers, while everything else goes wrong as ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.simulation.incidents import Incident, disks
from tests.simulation.plan import Plan
from tests.simulation.remembering import shared
from tests.simulation.run import run
from tests.simulation.stalls import LONG_MS, Stall, names

SEEDS = range(6)
DAMAGED = 2
TIMES = 3
SAFETY_MS = 4_000


def run_damaged(kind: str) -> Counter[str]:
    """Four validators of whom nobody lies; bits of one's rows are flipped while it runs, again and again. What came of
    it: no checker of the simulator sees anything wrong said, served or signed."""
    events: Counter[str] = Counter()

    def adjust(plan: Plan) -> Plan:
        step_ms = SAFETY_MS // (TIMES + 1)
        damage = tuple(Incident((number + 1) * step_ms, kind, DAMAGED, 0) for number in range(TIMES))
        plan = replace(
            plan, safety_ms=SAFETY_MS, heartbeat_ms=300, loss=min(plan.loss, 0.02)
        )  # so that there are blocks
        return replace(plan, byzantine=(), dead=(), lively=True, damage=damage, quiet=False)

    def show(line: str) -> None:
        events.update(event for event in ("block_replaced", "database_rebuilt") if f" {event} " in line)

    for seed in SEEDS:
        report = run(seed, n=4, q=3, adjust=adjust, show=show)
        events.update({name: count for name, count in report.faults.items() if name.startswith("damaged ")})
    print(dict(events))
    return events


def test_damaged_blocks_are_put_back() -> None:
    events = run_damaged("bit flipped in a block")
    assert events["block_replaced"]
    assert events["damaged machine goes on"] == len(SEEDS)


def test_a_database_that_is_damaged_anywhere_is_made_anew() -> None:
    events = run_damaged("bit flipped in a row")
    assert events["damaged database made anew"]
    assert events["database_rebuilt"]
    assert events["damaged machine goes on"]


def test_the_doctor_tells_of_a_damaged_block_until_it_is_put_back() -> None:
    stall = Stall(7, 4, 3, bad=1)
    with shared(stall.world.memory):
        stall.start()
        (machine,) = stall.faulty
        disks.flip_bit_of_block(stall.world, machine, 0)
        damaged = ("blocks_damaged", names([machine]))
        for is_told in (True, False):  # it is put back soon after it was found
            stall.world.run_until(
                stall.world.now_ms + LONG_MS, lambda is_told=is_told: (damaged in stall.faults(machine)) is is_told
            )
            assert stall.faults(machine) == ({damaged} if is_told else set())
            assert all(stall.faults(other) == set() for other in stall.others), "its disk is its own"
        assert machine.running.status().damage.replaced == 1
