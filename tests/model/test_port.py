"""`relation` and the module in TLA+ are the same protocol: from the same beginning they reach all the same states.

TLC counts the states of `Consensus`; here every line that the port allows is followed, from every state, and the states
are counted, too. One rule less or one guard more on either side, and the numbers differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import product

import pytest

from tests.model import tlc
from tests.model.relation import (
    NOTHING,
    Block,
    CommittedOne,
    Entered,
    GaveUp,
    High,
    Line,
    PreparedOne,
    Proposed,
    Restarted,
    State,
    Vote,
)

SIZE, QUORUM, ROUNDS = 3, 3, range(2)


def lines(state: State, contents: int) -> Iterator[Line]:
    """Every line that might be next, allowed or not; but for decisions, which change nothing."""
    blocks = [Block(fresh, bytes([content])) for fresh, content in product(ROUNDS, range(contents))]
    highs = [NOTHING, *(High(round, block) for round, block in product(ROUNDS, blocks))]
    votes = [Vote(block, high) for block, high in product(blocks, highs)]
    for who, round in product(state.honest, ROUNDS):
        yield Restarted(who, round)
        yield from (Entered(who, round, high) for high in highs if round > 0)
        yield from (GaveUp(who, round, high) for high in highs)
        yield from (CommittedOne(who, round, block) for block in blocks)
        for vote in votes:
            yield Proposed(who, round, vote)
            yield PreparedOne(who, round, vote)


def key(state: State) -> tuple[object, ...]:
    """What tells states apart. To have no round yet is to be in round 0."""
    rounds = {who: round for who, round in state.round.items() if round > 0}
    places = (state.entry, state.proposals, state.prepares, state.commits, state.timeouts)
    return (frozenset(rounds.items()), *(frozenset(place.items()) for place in places))


def reachable(honest: frozenset[int], contents: int) -> int:
    """How many states there are."""
    first = State(SIZE, QUORUM, honest)
    seen, frontier = {key(first)}, [first]
    while frontier:
        state = frontier.pop()
        for line in lines(state, contents):
            if state.why_not(line) is None:
                after = deepcopy(state)
                after.take(line)
                name = key(after)
                if name not in seen:
                    seen.add(name)
                    frontier.append(after)
    return len(seen)


@pytest.mark.parametrize(
    ("honest", "contents"),
    [
        (frozenset({0, 1}), 1),  # both rounds have an honest leader
        (frozenset({1, 2}), 1),  # a Byzantine leader, and then an honest one
        (frozenset({0, 2}), 1),  # an honest leader, and then a Byzantine one
        (frozenset({0}), 2),  # nearly everybody is Byzantine, still too few to be a quorum
    ],
    ids=str,
)
def test_the_port_reaches_exactly_the_states_of_the_module(honest: frozenset[int], contents: int) -> None:
    configuration = "\n".join(
        [
            "SPECIFICATION Spec",
            "CONSTANTS",
            f"  Honest = {{{', '.join(map(str, sorted(honest)))}}}",
            f"  Faulty = {SIZE - len(honest)}",
            f"  Quorum = {QUORUM}",
            f"  LastRound = {ROUNDS[-1]}",
            f"  Contents = {{{', '.join(map(str, range(contents)))}}}",
            "  Leaders <- ByTurns",
            "INVARIANT TypeOK",
            "",
        ]
    )
    answer = tlc.check("Exhaustive", configuration)
    assert answer.good, answer.output
    assert reachable(honest, contents) == answer.distinct > 100
