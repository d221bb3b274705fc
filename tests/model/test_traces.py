"""The real engine does what the model says: traces of simulated runs, at every height, are behaviours of the model.

Every run of the simulator, in whichever test, asks this of all its heights (`tests.simulation.checkers.model`). Here it
is asked of enough runs to be counted; some of their traces are followed by TLC itself, through the TLA+ of the model;
and engines with a wrong rule, and traces with a line changed, are seen to be none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache

import pytest

from tests.model import tlc
from tests.model.exporting import configuration, recorded_module
from tests.model.relation import (
    NOTHING,
    CommittedOne,
    Entered,
    GaveUp,
    Line,
    NotAllowedError,
    PreparedOne,
    Proposed,
    Restarted,
    Trace,
    follow,
)
from tests.simulation.plan import Plan
from tests.simulation.run import run
from tests.simulation.violation import Violation
from tests.simulation.world import World

TRACES = 1_000
CHECKED_BY_TLC = 20
_SEEDS_MAX = 400
_QUORUMS = ((4, 3), (3, 2), (4, 3), (3, 2), (4, 3), (5, 4), (4, 3), (3, 2), (5, 3), (4, 3))

pytestmark = pytest.mark.timeout(900)


def traces_of(seed: int, n: int, q: int, adjust: Callable[[Plan], Plan] | None = None) -> list[Trace]:
    """The traces of one run, as far as it came before it was stopped by whatever checker."""
    worlds: list[World] = []
    with suppress(Violation):
        run(seed, n=n, q=q, adjust=adjust, watch=worlds.append)
    traces = worlds[0].checkers.recorder.traces()
    return [replace(trace, name=f"seed {seed} of n={n}, q={q}, {trace.name}") for trace in traces]


@cache
def recorded() -> tuple[Trace, ...]:
    """Enough traces, of which every run was good."""

    def traces() -> Iterator[Trace]:
        for seed in range(_SEEDS_MAX):
            n, q = _QUORUMS[seed % len(_QUORUMS)]
            yield from traces_of(seed, n, q)

    found: list[Trace] = []
    for trace in traces():
        found.append(trace)
        if len(found) >= TRACES:
            break
    return tuple(found)


def test_a_thousand_heights_of_real_engines_are_behaviours_of_the_model() -> None:
    traces = recorded()
    assert len(traces) >= TRACES
    for trace in traces:
        follow(trace)
    lines = Counter(type(line).__name__ for trace in traces for line in trace.lines)
    rounds = Counter(min(trace.last_round, 3) for trace in traces)
    print(
        f"{len(traces)} traces, {lines.total()} lines: {dict(lines)}; by highest round: {dict(sorted(rounds.items()))}"
    )
    assert set(lines) == {"Entered", "Proposed", "PreparedOne", "CommittedOne", "GaveUp", "Restarted", "Decided"}
    assert min(lines.values()) >= 100
    assert all(rounds[highest] >= 5 for highest in range(4)), "there is too little trouble in these runs"
    assert sum(trace.faulty > 0 for trace in traces) >= 100
    assert any(isinstance(line, GaveUp) and line.high != NOTHING for trace in traces for line in trace.lines)


# ---- TLC says the same


def sample() -> tuple[tuple[Trace, ...], ...]:
    """Traces of four validators in which most happens: of four honest ones, and of three and always the same other."""
    groups: dict[frozenset[int], list[Trace]] = {}
    for trace in recorded():
        if trace.size == 4:
            groups.setdefault(trace.honest, []).append(trace)
    all_honest = groups.pop(frozenset(range(4)))
    one_bad = max((traces for honest, traces in groups.items() if len(honest) == 3), key=len)
    return _richest(all_honest, CHECKED_BY_TLC // 2), _richest(one_bad, CHECKED_BY_TLC // 2)


def _richest(traces: list[Trace], count: int) -> tuple[Trace, ...]:
    def events(trace: Trace) -> tuple[int, int]:
        return len({type(line) for line in trace.lines}), trace.last_round

    return tuple(sorted(traces, key=events, reverse=True)[:count])


def ask_tlc(traces: tuple[Trace, ...]) -> tlc.Answer:
    """What TLC says of these traces, by the model itself."""
    frame = (tlc.MODULES / "Traces.cfg").read_text()
    further = {"Recorded": recorded_module(traces)}
    return tlc.check("Traces", configuration(traces, frame), further=further, ends=False)


def test_tlc_itself_follows_a_sample() -> None:
    groups = sample()
    assert sum(map(len, groups)) == CHECKED_BY_TLC
    for traces in groups:
        answer = ask_tlc(traces)
        assert answer.good, answer.output
        assert answer.distinct == sum(len(trace.lines) + 1 for trace in traces)  # every line of every trace


# ---- what is no behaviour is refused, by both


def _without(trace: Trace, number: int) -> Trace:
    return replace(trace, lines=trace.lines[:number] + trace.lines[number + 1 :])


def _with(trace: Trace, number: int, line: Line) -> Trace:
    return replace(trace, lines=(*trace.lines[:number], line, *trace.lines[number + 1 :]))


def _repeated(trace: Trace, number: int) -> Trace:
    return replace(trace, lines=(*trace.lines[: number + 1], trace.lines[number], *trace.lines[number + 1 :]))


def _first(kind: type[Line], demand: Callable[[Line], bool] = lambda line: True) -> tuple[Trace, int]:
    """The first line of this kind in a sampled trace."""
    return next(
        (trace, number)
        for trace in sample()[0]
        for number, line in enumerate(trace.lines)
        if isinstance(line, kind) and demand(line)
    )


def changed() -> dict[str, Trace]:
    """Traces with one line changed, by what is wrong with them."""
    found: dict[str, Trace] = {}
    for kind in (Proposed, PreparedOne, CommittedOne, GaveUp):
        trace, number = _first(kind)
        found[f"{kind.__name__} twice"] = _repeated(trace, number)
    trace, number = _first(CommittedOne)
    line = trace.lines[number]
    assert isinstance(line, CommittedOne)
    found["another block committed"] = _with(trace, number, replace(line, block=line.block._replace(content=b"other")))
    trace, number = _first(Entered)
    line = trace.lines[number]
    found["a round entered without enough timeouts"] = _without(
        trace, next(place for place, other in enumerate(trace.lines[:number]) if isinstance(other, GaveUp))
    )
    found["a round left out"] = _without(trace, number)
    trace, number = _first(GaveUp, lambda line: isinstance(line, GaveUp) and line.high != NOTHING)
    line = trace.lines[number]
    assert isinstance(line, GaveUp)
    found["a timeout that names a later round"] = _with(
        trace, number, replace(line, high=line.high._replace(round=line.round + 1))
    )
    trace, number = _first(Restarted)
    line = trace.lines[number]
    found["a restart in another round"] = _with(trace, number, Restarted(line.validator, line.round + 1))
    return found


def test_a_changed_trace_is_refused() -> None:
    accepted = []
    for what, trace in changed().items():
        try:
            follow(trace)
        except NotAllowedError:
            continue
        accepted.append(what)
    assert accepted == []


@pytest.mark.parametrize("what", ["PreparedOne twice", "another block committed", "a restart in another round"])
def test_tlc_refuses_a_changed_trace_at_the_same_line(what: str) -> None:
    trace = changed()[what]
    with pytest.raises(NotAllowedError) as refused:
        follow(trace)
    answer = ask_tlc((trace,))
    assert answer.stuck, answer.output
    assert f"line = {refused.value.number + 1}\n" in answer.output.rpartition("State ")[2]  # TLA+ counts from 1
