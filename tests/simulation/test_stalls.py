"""Every stall is explained: by those that are at fault, by the cause, and by nothing that is not so.

Each test makes one kind of stall, on networks and with faulty machines drawn from seeds, and demands of every machine
that runs exactly the findings that are true of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.governance.activation import UnknownRules
from tests.simulation.checkers.explanations import findings_of
from tests.simulation.machine import Machine
from tests.simulation.remembering import shared
from tests.simulation.stalls import LONG_MS, TICK_MS, Divergent, Outdated, Stall, names

SIZES = ((2, 2), (3, 2), (4, 3), (5, 3), (7, 5))


@contextmanager
def started(
    seed: int, n: int, q: int, *, bad: int | None = None, byzantine: str | None = None, joining: int | None = None
) -> Iterator[Stall]:
    """A network with some blocks."""
    stall = Stall(seed, n, q, bad=bad, byzantine=byzantine, joining=joining)
    with shared(stall.world.memory):
        stall.start()
        yield stall


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_validators_that_are_switched_off(n: int, q: int) -> None:
    with started(n, n, q) as stall:
        stall.power_off(stall.faulty)
        stall.stall()
        for machine in stall.others:
            expected = {("quorum_unreachable", names(stall.faulty)), ("stalled", names(stall.faulty))}
            if len(stall.others) == 1:
                expected.add(("isolated", names([machine])))
            assert stall.faults(machine) == expected


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_processes_that_are_stopped_without_their_links(n: int, q: int) -> None:
    """As SIGSTOP does. They say afterwards that they stood still, and nobody is missed any more."""
    with started(n + 10, n, q) as stall:
        stall.freeze(stall.faulty, LONG_MS + 2_000)
        stall.stall()
        frozen = names(stall.faulty)
        for machine in stall.others:
            expected = {("quorum_unreachable", frozen), ("validators_silent", frozen), ("stalled", frozen)}
            if len(stall.others) == 1:
                expected.add(("isolated", names([machine])))
            assert stall.faults(machine) == expected
        assert stall.reaches(stall.height + 3)
        for machine in stall.faulty:
            assert stall.faults(machine) == {("stood_still", names([machine]))}
        assert all(stall.faults(machine) == set() for machine in stall.others)


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_a_network_that_is_parted_in_two(n: int, q: int) -> None:
    """Each side names the other, and nobody of its own."""
    with started(n + 20, n, q, bad=n // 2) as stall:
        sides = (stall.faulty, stall.others) if n - q < n // 2 else ()
        if not sides:  # the larger half is a quorum: it takes more parts than two
            sides = tuple([machine] for machine in stall.world.machines)
        for side in sides:
            stall.close(side, [machine for machine in stall.world.machines if machine not in side])
        stall.stall()
        for side in sides:
            away = names([machine for machine in stall.world.machines if machine not in side])
            for machine in side:
                expected = {("quorum_unreachable", away), ("validators_silent", away), ("stalled", away)}
                if len(side) == 1:
                    expected.add(("isolated", names([machine])))
                assert stall.faults(machine) == expected
        stall.links.closed.clear()
        assert stall.reaches(stall.height + 3)
        assert all(stall.faults(machine) == set() for machine in stall.world.machines)


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_validators_that_cannot_be_heard(n: int, q: int) -> None:
    """Nothing that they send arrives, and everything reaches them: they see that others do not hear them."""
    with started(n + 30, n, q) as stall:
        stall.close(stall.faulty, stall.world.machines)
        stall.stall()
        mute = names(stall.faulty)
        for machine in stall.others:
            expected = {("quorum_unreachable", mute), ("validators_silent", mute), ("stalled", mute)}
            if len(stall.others) == 1:
                expected.add(("isolated", names([machine])))
            assert stall.faults(machine) == expected


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_validators_that_hear_nothing(n: int, q: int) -> None:
    """What others send does not arrive at them: they are isolated, and others see that they do not come along."""
    with started(n + 40, n, q) as stall:
        stall.close(stall.world.machines, stall.faulty)
        stall.stall()
        deaf = names(stall.faulty)
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.pop("stalled") == deaf
            assert found in ({"validators_lagging": deaf}, {"validators_not_voting": deaf}, {"validators_behind": deaf})
        for machine in stall.faulty:
            rest = names([other for other in stall.world.machines if other is not machine])
            codes = {"isolated", "quorum_unreachable", "validators_silent", "stalled"}
            assert {code for code, _ in stall.faults(machine)} == codes
            assert ("validators_silent", rest) in stall.faults(machine)


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_validators_that_lost_their_vote_state(n: int, q: int) -> None:
    """They follow and do not vote, and say so; others name them."""
    with started(n + 50, n, q, byzantine="damaged") as stall:
        stall.lose_vote_state(stall.faulty)
        stall.stall()
        observing = names(stall.faulty)
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.pop("stalled") == observing
            assert found == {"validators_not_voting": observing}
        for machine in stall.faulty:
            found = dict(stall.faults(machine))
            assert found["not_voting"] == names([machine])
            codes = {"validators_unreachable", "quorum_without_spare", "quorum_unreachable", "stalled"}
            assert found.keys() - {"not_voting"} <= codes, "it cannot count on its own vote"


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_validators_that_say_nothing_of_their_own_will(n: int, q: int) -> None:
    with started(n + 60, n, q, byzantine="silent") as stall:
        stall.stall()
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.keys() >= {"quorum_unreachable", "validators_silent", "stalled"}
            assert set(found.values()) <= {names(stall.faulty), names([machine])}


@pytest.mark.parametrize("n", [2, 4, 7])
def test_messages_take_longer_than_rounds_last(n: int) -> None:
    with started(n + 70, n, n - (n - 1) // 3) as stall:
        stall.links.delay_ms = 1_000
        stall.stall()
        stall.run(LONG_MS)
        for machine in stall.world.machines:
            assert stall.faults(machine) == {("rounds_fail", frozenset()), ("stalled", frozenset())}
        stall.links.delay_ms = 3
        assert stall.reaches(stall.height + 3)


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_a_disk_that_fails_halts_its_node_and_others_miss_it(n: int, q: int) -> None:
    with started(n + 80, n, q) as stall:
        replicas = [machine.running for machine in stall.faulty]
        for machine in stall.faulty:
            machine.power.failure_rate = 1.0
        stall.stall()
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.pop("isolated", names([machine])) == names([machine])
            assert found == {"quorum_unreachable": names(stall.faulty), "stalled": names(stall.faulty)}
        for machine, replica in zip(stall.faulty, replicas, strict=True):
            (halted,) = (item for item in findings_of(replica, stall.others[0]) if item.code == "halted")
            assert halted.validators == tuple(names([machine]))
            assert "injected" in halted.sentence


@pytest.mark.parametrize(("n", "q", "bad"), [(3, 2, 1), (4, 3, 1), (5, 3, 2), (7, 5, 3)])
def test_clocks_that_are_wrong_are_named_and_stall_nothing(n: int, q: int, bad: int) -> None:
    with started(n + 90, n, q, bad=bad) as stall:
        for machine in stall.faulty:
            machine.clock.offset_ms = stall.rng.choice((-3_600_000, 60_000, 3_600_000))
        height = stall.height
        stall.run(2 * LONG_MS)
        assert stall.height > height + 3
        for machine in stall.world.machines:
            if machine not in stall.faulty or machine.clock.offset_ms > 0:
                assert ("clock_wrong", names(stall.faulty)) in stall.faults(machine)
            assert {code for code, _ in stall.faults(machine)} <= {"clock_wrong"}


@pytest.mark.parametrize(("n", "q"), [(3, 2), (4, 3)])
def test_software_that_finds_fault_with_what_the_quorum_certifies(n: int, q: int) -> None:
    """As many as the quorum can do without: they stay behind, and each says that it is its own software or state."""
    with started(n + 100, n, q, bad=n - q, byzantine="divergent") as stall:
        for machine in stall.faulty:
            assert isinstance(machine, Divergent)
            machine.diverges = True
        stall.run(LONG_MS)
        height = stall.height
        for machine in stall.faulty:
            assert isinstance(machine, Divergent)
            machine.requests = 0
        stall.run(1_000)
        assert stall.height > height, "a quorum goes on"
        for machine in stall.others:
            assert stall.faults(machine) == {("validators_behind", names(stall.faulty))}
        for machine in stall.faulty:
            found = stall.faults(machine)
            assert {("certified_block_refused", names([machine])), ("behind", names([machine]))} <= found
            assert {code for code, _ in found} <= {"certified_block_refused", "behind", "validators_behind"}
            assert isinstance(machine, Divergent)
            assert machine.requests <= (n - 1) * (1_000 // TICK_MS + 1), (
                "it asks its peers again at every tick, and no faster"
            )


@pytest.mark.parametrize(("n", "q"), [(2, 2), (4, 3)])
def test_software_that_refuses_what_is_proposed(n: int, q: int) -> None:
    """More than the quorum can do without: rounds fail, and those that refuse say what they refuse."""
    with started(n + 110, n, q, byzantine="divergent") as stall:
        for machine in stall.faulty:
            assert isinstance(machine, Divergent)
            machine.diverges = True
        stall.stall()
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.keys() >= {"stalled", "rounds_fail"}
            assert set(found.values()) <= {frozenset(), *(names([other]) for other in stall.faulty)}
        refused = [machine for machine in stall.faulty if "block_refused" in dict(stall.faults(machine))]
        gave_up = [machine for machine in stall.others if _says(machine, "stalled", "given up, with a proposal")]
        assert refused or gave_up or any("leader_silent" in dict(stall.faults(other)) for other in stall.others)


@pytest.mark.parametrize(("n", "q"), [(2, 2), (4, 3), (7, 5)])
def test_software_that_is_too_old(n: int, q: int) -> None:
    """It says so itself; others see that nothing comes from it."""
    with started(n + 120, n, q, byzantine="outdated") as stall:
        for machine in stall.faulty:
            assert isinstance(machine, Outdated)
            machine.rules = UnknownRules(2, stall.height + 3)
        stall.stall()
        for machine in stall.others:
            found = dict(stall.faults(machine))
            assert found.pop("isolated", names([machine])) == names([machine])
            assert found.keys() == {"quorum_unreachable", "validators_silent", "stalled"}
            assert set(found.values()) == {names(stall.faulty)}
        for machine in stall.faulty:
            assert isinstance(machine, Outdated)
            with machine.as_it_knows():
                assert ("protocol_version_unknown", names([machine])) in stall.faults(machine)


def _says(machine: Machine, code: str, words: str) -> bool:
    """Whether a machine finds this, in these words."""
    return any(item.code == code and words in item.sentence for item in findings_of(machine.running, machine))


@pytest.mark.parametrize(("n", "q"), [(2, 2), (3, 2), (4, 3)])
def test_disks_that_are_slow(n: int, q: int) -> None:
    """Their nodes say that they stood still; whatever others find, they find of them."""
    with started(n + 130, n, q) as stall:
        for machine in stall.faulty:
            machine.sync_ms = 1_000
        stall.run(2 * LONG_MS)
        for machine in stall.faulty:
            assert ("stood_still", names([machine])) in stall.faults(machine)
        for machine in stall.others:
            found = stall.faults(machine)
            assert "stood_still" not in dict(found)
            blamed = frozenset[str]().union(*(about for code, about in found if code != "isolated"))
            assert blamed <= names(stall.faulty)


@pytest.mark.parametrize(("n", "q", "joining"), [(2, 2, 3), (3, 2, 4)])
def test_a_validator_that_is_away_when_it_comes_into_the_set(n: int, q: int, joining: int) -> None:
    """It is said before that the quorum of the set that comes cannot be reached, for want of whom; and when it has
    come, who keeps the chain from going on."""
    with started(n + 140, n, q, joining=joining) as stall:
        height = stall.height
        stall.power_off(stall.faulty)
        stall.run(100)
        assert stall.height > height
        away = names(stall.faulty)
        assert all(stall.faults(machine) == {("set_change_unreachable", away)} for machine in stall.others)
        stall.stall()
        for machine in stall.others:
            assert stall.faults(machine) == {("quorum_unreachable", away), ("stalled", away)}
        stall.power_on(stall.faulty)
        assert stall.reaches(stall.height + 3)
        assert all(stall.faults(machine) == set() for machine in stall.world.machines)
