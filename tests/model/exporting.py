"""Traces as a module of TLA+, so that TLC itself follows them, by `tla/Traces.tla`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from tests.model.relation import (
    Block,
    CommittedOne,
    Decided,
    Entered,
    GaveUp,
    High,
    Line,
    PreparedOne,
    Proposed,
    Restarted,
    Trace,
)


def recorded_module(traces: Sequence[Trace]) -> str:
    """The module `Recorded`: the traces, in order."""
    texts = [_Names().trace(trace) for trace in traces]
    return "\n".join(
        ["---- MODULE Recorded ----", "EXTENDS Integers", "Log == <<", ",\n".join(texts), ">>", "====", ""]
    )


def configuration(traces: Sequence[Trace], frame: str) -> str:
    """The configuration for traces of the same validators: `frame` is that of `tla/Traces.cfg`."""
    first = traces[0]
    assert {(trace.size, trace.quorum, trace.honest) for trace in traces} == {(first.size, first.quorum, first.honest)}
    names = [_Names() for _ in traces]
    for each, trace in zip(names, traces, strict=True):
        each.trace(trace)
    contents = 1 + max(each.contents_max for each in names)
    lines = [
        "CONSTANTS",
        f"  Honest = {{{', '.join(map(str, sorted(first.honest)))}}}",
        f"  Faulty = {first.faulty}",
        f"  Quorum = {first.quorum}",
        f"  LastRound = {max(trace.last_round for trace in traces)}",
        f"  Contents = {{{', '.join(map(str, range(contents)))}}}",
    ]
    return "\n".join([frame, *lines, ""])


class _Names:
    """Small numbers for the hashes of one trace's blocks, from 0 in every round, in the order of their appearance."""

    def __init__(self) -> None:
        self._numbers: dict[Block, int] = {}
        self.contents_max = 0

    def trace(self, trace: Trace) -> str:
        return "  <<\n    " + ",\n    ".join(self._line(line) for line in trace.lines) + "\n  >>"

    def _line(self, line: Line) -> str:
        match line:
            case Entered(who, round, high):
                return f'<<"enter", {who}, {round}, {self._high(high)}>>'
            case Proposed(who, round, vote):
                return f'<<"propose", {who}, {round}, {self._block(vote.block)}, {self._high(vote.justification)}>>'
            case PreparedOne(who, round, vote):
                return f'<<"prepare", {who}, {round}, {self._block(vote.block)}, {self._high(vote.justification)}>>'
            case CommittedOne(who, round, block):
                return f'<<"commit", {who}, {round}, {self._block(block)}>>'
            case GaveUp(who, round, high):
                return f'<<"give up", {who}, {round}, {self._high(high)}>>'
            case Restarted(who, round):
                return f'<<"restart", {who}, {round}>>'
            case Decided(who, round, block):
                return f'<<"decide", {who}, {round}, {self._block(block)}>>'
            case _:
                assert_never(line)

    def _high(self, high: High) -> str:
        return "<<-1>>" if high.block is None else f"<<{high.round}, {self._block(high.block)}>>"

    def _block(self, block: Block) -> str:
        if block not in self._numbers:
            number = sum(known.fresh_round == block.fresh_round for known in self._numbers)
            self._numbers[block] = number
            self.contents_max = max(self.contents_max, number)
        return f"<<{block.fresh_round}, {self._numbers[block]}>>"
