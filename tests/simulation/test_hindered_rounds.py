"""What a round lacks, when nobody is silent: a proposal, a block, agreement, room. Each is made to last, and everybody
names it, and whose doing it is.

As in `test_stalls`, every honest machine must find exactly what is so.
"""

from __future__ import annotations

from functools import partial

import pytest

from ledger.consensus.messages import TimeoutVote
from ledger.mempool import Mempool
from node.replica import door
from tests.simulation.checkers.explanations import findings_of
from tests.simulation.hindering import Dividing
from tests.simulation.machine import Machine
from tests.simulation.stalls import LONG_MS, Stall, names
from tests.simulation.test_stalls import started

SIZES = ((2, 2), (3, 3), (5, 4), (7, 6))
"""n - q + 1 of these can stop the chain, and are not enough to fork it."""


def faults_that_are(stall: Stall, code: str, validators: frozenset[str]) -> set[tuple[str, frozenset[str]]]:
    """That, and a stall by those who neither vote for what they should nor give the round up."""
    faulty = names(stall.faulty)
    return {(code, validators), ("stalled", faulty), ("validators_not_voting", faulty)}


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_a_leader_that_votes_and_shows_nobody_its_proposal(n: int, q: int) -> None:
    with started(n + 200, n, q, byzantine="unproposing") as stall:
        leader = stall.hinder()
        stall.stall()
        for machine in stall.others:
            assert stall.faults(machine) == faults_that_are(stall, "leader_silent", names([leader]))
        stall.relent()
        assert stall.reaches(stall.height + 3)
        assert all(stall.faults(machine) == set() for machine in stall.others)


@pytest.mark.parametrize("kind", ["keeping content", "keeping a body"])
@pytest.mark.parametrize(("n", "q"), SIZES[:3])
def test_a_leader_whose_block_nobody_has(n: int, q: int, kind: str) -> None:
    """Neither its content nor one of its transactions can be had; what is wanted is named, and who waits for whom."""
    with started(n + 210, n, q, byzantine=kind) as stall:
        stall.hinder()
        stall.stall()
        for machine in stall.others:
            (wanted,) = machine.running.status().wanted_blocks
            assert stall.faults(machine) == faults_that_are(stall, "block_unavailable", frozenset())
            assert f"block {wanted.hex()[:8]}" in sentence(machine, "block_unavailable")
        stall.relent()
        assert stall.reaches(stall.height + 3)
        assert all({code for code, _ in stall.faults(machine)} <= {"evidence_found"} for machine in stall.others)


@pytest.mark.parametrize(("n", "q"), SIZES[1:])
def test_a_leader_that_divides_the_votes(n: int, q: int) -> None:
    """Everybody says who voted for which block; and once both proposals are seen, who made two."""
    with started(n + 220, n, q, byzantine="dividing") as stall:
        leader = stall.hinder()
        stall.stall()
        assert isinstance(leader, Dividing)
        for machine in stall.others:
            assert stall.faults(machine) == faults_that_are(stall, "votes_differ", frozenset())
            said = sentence(machine, "votes_differ").partition(" differ: ")[2].split("; ")
            votes = {
                block: frozenset(voters.split(", ")) for voters, _, block in (item.partition(" for ") for item in said)
            }
            shown = [names([*side, leader] if machine in side else side) for side in leader.sides]
            assert sorted(votes.values(), key=sorted) == sorted(shown, key=sorted)
            assert f"given up by {q - 1} of {n} validators" in machine.running.status().explanation
        stall.relent()
        assert stall.reaches(stall.height + 3)
        accused = ("evidence_found", names([leader]))
        assert [stall.faults(machine) for machine in stall.others] == [{accused}] * len(stall.others)


def test_votes_that_are_divided_while_the_network_loses_timeouts() -> None:
    """One liar alone, whom the quorum can do without: it takes a network that keeps honest validators from giving up.
    Each says of whom no timeout vote comes, and nothing that it cannot know."""
    with started(225, 4, 3, bad=1, byzantine="dividing") as stall:
        stall.links.lost = (TimeoutVote,)
        leader = stall.hinder()
        assert isinstance(leader, Dividing)
        stall.stall()
        for machine in stall.others:
            unheard = names([leader, *(other for other in stall.others if other is not machine)])
            assert stall.faults(machine) == {
                ("votes_differ", frozenset()),
                ("stalled", unheard),
                ("validators_not_voting", unheard),
            }
            (side,) = (side for side in leader.sides if machine in side)
            voted = sentence(machine, "validators_not_voting").count("it voted, and no timeout vote comes")
            assert voted == (len(unheard) if leader.prepares(side) else len(unheard) - 1)
        stall.links.lost = ()
        height = stall.height
        assert stall.reaches(height + 1), "though the liar goes on"
        accused = {("evidence_found", names([leader]))}
        assert all(stall.faults(machine) <= accused for machine in stall.others)


@pytest.mark.parametrize(("n", "q"), [(4, 3), (5, 4)])
def test_proposals_that_are_too_large_for_the_network(n: int, q: int) -> None:
    """Everything else arrives: nobody is at fault, and it is said of each leader that its proposal does not come."""
    with started(n + 230, n, q, bad=0) as stall:
        stall.links.frame_bytes_max = 2_000
        stall.flood(60)
        stall.run(2 * LONG_MS)
        height = stall.height
        stall.run(LONG_MS)
        assert stall.height == height
        for machine in stall.world.machines:
            leader, me = machine.running.status().leader, names([machine])
            silent = {("leader_silent", frozenset([leader]))} if leader not in me else set()
            assert stall.faults(machine) == {("stalled", frozenset()), ("rounds_fail", frozenset()), *silent}
        stall.links.frame_bytes_max = None
        assert stall.reaches(stall.height + 3)
        assert all(stall.faults(machine) == set() for machine in stall.world.machines)


@pytest.mark.parametrize(("n", "q"), [(3, 2), (4, 3)])
def test_a_mempool_that_is_flooded(n: int, q: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no block comes, those who run have no room any more, and say so of themselves; blocks make room."""
    monkeypatch.setattr(door, "Mempool", partial(Mempool, transactions_max=40))
    with started(n + 240, n, q) as stall:
        stall.power_off(stall.faulty)
        stall.stall()
        assert not any("mempool_full" in dict(stall.faults(machine)) for machine in stall.others)
        stall.flood(60)
        stall.run(1_000)
        away = names(stall.faulty)
        for machine in stall.others:
            expected = {("quorum_unreachable", away), ("stalled", away), ("mempool_full", names([machine]))}
            if len(stall.others) == 1:
                expected.add(("isolated", names([machine])))
            assert stall.faults(machine) == expected
            assert sentence(machine, "mempool_full").startswith("40 transactions of ")
        stall.power_on(stall.faulty)
        assert stall.reaches(stall.height + 3)
        assert all(stall.faults(machine) == set() for machine in stall.world.machines)


def sentence(machine: Machine, code: str) -> str:
    """What a machine says of what it finds."""
    (found,) = (item for item in findings_of(machine.running, machine) if item.code == code)
    return found.sentence
