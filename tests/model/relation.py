"""`tla/Consensus.tla` once more, in Python: the same variables, choices and effects, under the same names.

A trace is what honest validators did at one height, in order (`recording` makes it of a run). `follow` goes through it:
each line must be one of the choices that the rules leave in the state that the lines before it led to. What the module
says about what is left out, and why that is sound, holds here, too. `tests.model.test_traces` has TLC confirm with the
module itself what is accepted and refused here.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, assert_never


class Block(NamedTuple):
    """A block: the round for which it was made, and whatever tells it from others (its hash)."""

    fresh_round: int
    content: bytes

    def __repr__(self) -> str:
        return f"{self.fresh_round}:{self.content.hex()[:8]}"


class High(NamedTuple):
    """The newest prepare certificate that somebody names: its round, and its block."""

    round: int
    block: Block | None


NOTHING = High(-1, None)


class Vote(NamedTuple):
    """What is proposed and prepared: a block, and the justification that both bind."""

    block: Block
    justification: High


@dataclass(frozen=True, slots=True)
class Entered:
    """`validator` entered `round` with a timeout certificate of the round before that proves `high`."""

    validator: int
    round: int
    high: High


@dataclass(frozen=True, slots=True)
class Proposed:
    """It proposed, as leader."""

    validator: int
    round: int
    vote: Vote


@dataclass(frozen=True, slots=True)
class PreparedOne:
    """It cast a prepare vote."""

    validator: int
    round: int
    vote: Vote


@dataclass(frozen=True, slots=True)
class CommittedOne:
    """It cast a commit vote."""

    validator: int
    round: int
    block: Block


@dataclass(frozen=True, slots=True)
class GaveUp:
    """It cast a timeout vote that names `high`."""

    validator: int
    round: int
    high: High


@dataclass(frozen=True, slots=True)
class Restarted:
    """It lost power, and came back in `round`."""

    validator: int
    round: int


@dataclass(frozen=True, slots=True)
class Decided:
    """It found the block final, by a commit certificate of `round`."""

    validator: int
    round: int
    block: Block


Line: TypeAlias = Entered | Proposed | PreparedOne | CommittedOne | GaveUp | Restarted | Decided


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened at one height. Validators are numbered in the order in which they lead: round r is led by r mod n.

    `honest` are those whose lines are here; all others, of `size`, are Byzantine. `name` says where it is from.
    """

    name: str
    size: int
    quorum: int
    honest: frozenset[int]
    lines: tuple[Line, ...]

    @property
    def faulty(self) -> int:
        """How many validators may sign anything."""
        return self.size - len(self.honest)

    @property
    def last_round(self) -> int:
        """The highest round of any line."""
        return max((line.round for line in self.lines), default=0)


class NotAllowedError(Exception):
    """A line of a trace is no step of the model."""

    def __init__(self, trace: Trace, number: int, why: str) -> None:
        super().__init__(f"{trace.name}, line {number} is no step of the model: {trace.lines[number]}: {why}")
        self.number = number


def follow(trace: Trace) -> State:
    """Go through `trace`; the state it leads to. Raises `NotAllowedError` at the first line that is no step."""
    state = State(trace.size, trace.quorum, trace.honest)
    for number, line in enumerate(trace.lines):
        why = state.why_not(line)
        if why is not None:
            raise NotAllowedError(trace, number, why)
        state.take(line)
    return state


_Place: TypeAlias = tuple[int, int]
"""A validator and a round."""


@dataclass(slots=True)
class State:
    """The variables of the model. A place that has no entry has the empty set, or no certificate, there."""

    size: int
    quorum: int
    honest: frozenset[int]
    round: dict[int, int] = field(default_factory=dict)
    entry: dict[_Place, High] = field(default_factory=dict)
    proposals: dict[int, Vote] = field(default_factory=dict)
    prepares: dict[_Place, Vote] = field(default_factory=dict)
    commits: dict[_Place, Block] = field(default_factory=dict)
    timeouts: dict[_Place, High] = field(default_factory=dict)

    # ---- certificates: what can be assembled from what was cast

    def is_quorum(self, signers: int) -> bool:
        """Whether so many honest validators, and all others, are a quorum."""
        return signers + self.size - len(self.honest) >= self.quorum

    def leader(self, round: int) -> int:
        """Who leads."""
        return round % self.size

    def prepared_in(self, round: int) -> set[Block]:
        """The blocks with a prepare certificate of `round`."""
        votes = [vote for (_, place), vote in self.prepares.items() if place == round]
        return {vote.block for vote in set(votes) if self.is_quorum(votes.count(vote))}

    def committed_in(self, round: int) -> set[Block]:
        """The blocks with a commit certificate of `round`."""
        blocks = [block for (_, place), block in self.commits.items() if place == round]
        return {block for block in set(blocks) if self.is_quorum(blocks.count(block))}

    def may_be_named(self, round: int, high: High) -> bool:
        """Whether a timeout of `round` may name this: no later round, and nothing that is not prepared (A3)."""
        return high == NOTHING or (0 <= high.round <= round and high.block in self.prepared_in(high.round))

    def gives_certificate(self, round: int, high: High) -> bool:
        """Whether timeouts of `round` make a certificate that proves this."""
        named = [other for (_, place), other in self.timeouts.items() if place == round]
        is_named = high == NOTHING or len(self.honest) < self.size or high in named
        agreeing = sum(other.round < high.round or other == high for other in named)
        return is_named and self.is_quorum(agreeing) and self.may_be_named(round, high)

    def justifies(self, round: int, vote: Vote) -> bool:
        """Whether `round` may propose the block of `vote`, by the justification in it."""
        high = vote.justification
        if round == 0:
            return high == NOTHING and allows(high, round, vote.block)
        return self.gives_certificate(round - 1, high) and allows(high, round, vote.block)

    def was_proposed(self, round: int, vote: Vote) -> bool:
        """Whether voters can have been shown this proposal."""
        if self.leader(round) in self.honest:
            return self.proposals.get(round) == vote
        return self.justifies(round, vote)

    def on_record(self, round: int, block: Block) -> bool:
        """Whether justifications lead from a commit in `round` down to the fresh proposal of the block (A8)."""
        if round == 0:
            return block.fresh_round == 0
        if block.fresh_round == round and self.gives_certificate(round - 1, NOTHING):
            return True
        return any(
            self.gives_certificate(round - 1, High(lower, block)) and self.on_record(lower, block)
            for lower in range(round)
        )

    # ---- what a validator knows, and has promised

    def spoke_in(self, validator: int) -> set[int]:
        """The rounds in which it cast anything."""
        rounds = {
            round
            for places in (self.prepares, self.commits, self.timeouts)
            for who, round in places
            if who == validator
        }
        return rounds | {round for round in self.proposals if self.leader(round) == validator}

    def held(self, validator: int, round: int) -> int:
        """The newest round up to `round` whose prepare certificate it holds for sure, or -1 (A5)."""
        rounds = {place for who, place in self.commits if who == validator and place <= round}
        for places in (self.timeouts, self.entry):
            rounds |= {high.round for (who, place), high in places.items() if who == validator and place <= round}
        return max(rounds, default=-1)

    # ---- what may be done

    def why_not(self, line: Line) -> str | None:
        """Which rule forbids this line; None where it is allowed."""
        who, round = line.validator, line.round
        current = self.round.get(who, 0)
        if who not in self.honest:
            return "its validator is not honest"
        match line:
            case Entered(high=high):
                return _first(
                    (round > current, f"it is in round {current}"),
                    (self.gives_certificate(round - 1, high), "there is no such timeout certificate"),
                )
            case Restarted():
                return _first((round == max(self.spoke_in(who), default=0), "it spoke last in another round"))
            case Decided(block=block):
                return _first(
                    (block in self.committed_in(round), "there is no such commit certificate"),
                    (self.on_record(round, block), "its record is not complete"),
                )
            case _:
                pass
        if round != current:
            return f"it is in round {current}"
        match line:
            case Proposed(vote=vote):
                entry = NOTHING if round == 0 else self.entry.get((who, round))
                return _first(
                    (self.leader(round) == who, "it does not lead the round"),
                    (round not in self.proposals, "it has proposed"),
                    ((who, round) not in self.timeouts, "it gave the round up"),
                    (vote.justification == entry, "it entered with another certificate"),
                    (allows(vote.justification, round, vote.block), "its justification is for another block"),
                )
            case PreparedOne(vote=vote):
                return _first(
                    ((who, round) not in self.prepares, "it has prepared"),
                    ((who, round) not in self.timeouts, "it gave the round up"),
                    (self.commits.get((who, round), vote.block) == vote.block, "it committed another block (A1)"),
                    (self.was_proposed(round, vote), "that was not proposed"),
                )
            case CommittedOne(block=block):
                prepared = self.prepares.get((who, round))
                return _first(
                    ((who, round) not in self.commits, "it has committed"),
                    (not self._gave_up(who, round), "it gave the round up, or a later one"),
                    (prepared is None or prepared.block == block, "it prepared another block"),
                    (block in self.prepared_in(round), "there is no such prepare certificate"),
                )
            case GaveUp(high=high):
                return _first(
                    ((who, round) not in self.timeouts, "it gave the round up before"),
                    (self.may_be_named(round, high), "it names what is not prepared, or a later round"),
                    (self.held(who, round) <= high.round, "it holds a newer prepare certificate (A5)"),
                )
            case _:
                assert_never(line)

    def _gave_up(self, validator: int, round: int) -> bool:
        return any(who == validator and place >= round for who, place in self.timeouts)

    # ---- what doing it changes

    def take(self, line: Line) -> None:
        """Do what is allowed."""
        place = line.validator, line.round
        match line:
            case Entered(validator, round, high):
                self.round[validator] = round
                self.entry[place] = high
            case Proposed(_, round, vote):
                self.proposals[round] = vote
            case PreparedOne(_, round, vote):
                self.prepares[place] = vote
                if round > 0:
                    self.entry[place] = vote.justification
            case CommittedOne(_, _, block):
                self.commits[place] = block
            case GaveUp(_, _, high):
                self.timeouts[place] = high
            case Restarted(validator, round):
                self.round[validator] = round
                self._forget(validator, self.spoke_in(validator))
            case Decided():
                pass
            case _:
                assert_never(line)

    def _forget(self, validator: int, spoken: Set[int]) -> None:
        for place in [place for place in self.entry if place[0] == validator and place[1] not in spoken]:
            del self.entry[place]


def allows(high: High, round: int, block: Block) -> bool:
    """Whether a justification lets `round` propose `block`: a fresh one, or that of the highest certificate."""
    return block.fresh_round == round if high == NOTHING else block == high.block


def _first(*demands: tuple[bool, str]) -> str | None:
    """What is said of the first demand that is not met."""
    return next((why for met, why in demands if not met), None)
