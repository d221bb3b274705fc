"""What honest machines of a run do, height by height, as traces of the model.

A line stands where its engine decided to do it, and only if it counts: a vote that was cast and is not durable when
the power goes has never been. So lines wait until what they say has left the machine (it was durable then), or until
its step is over, or until the machine is back and its disk shows what had been durable and not been sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

from ledger.consensus.effects import (
    Broadcast,
    CastCommit,
    CastPrepare,
    CastProposal,
    CastTimeout,
    Commit,
    Effect,
)
from ledger.consensus.messages import PrepareCertificate, TimeoutCertificate
from ledger.consensus.statements import Statement
from ledger.primitives import Digest
from ledger.validators import ValidatorSet
from node.replica import driving
from node.replica.deciding import Deciding
from node.replica.parts import Parts
from node.replica.voice import Cast
from node.storage import keys
from tests.model.relation import (
    NOTHING,
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
    Vote,
)

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NO_FRESH_ROUND = -1  # of a block that no honest validator ever checked: nothing allows it anywhere


@dataclass(slots=True)
class _Height:
    """What is known of one height. `fresh_rounds` are those of the blocks that some honest machine checked."""

    validators: ValidatorSet
    order: tuple[int, ...]
    lines: list[Line] = field(default_factory=list)
    fresh_rounds: dict[Digest, int] = field(default_factory=dict)

    def block(self, block_hash: Digest) -> Block:
        return Block(self.fresh_rounds.get(block_hash, _NO_FRESH_ROUND), block_hash)

    def high(self, prepared: PrepareCertificate | None) -> High:
        return NOTHING if prepared is None else High(prepared.round, self.block(prepared.block_hash))

    def justification(self, certificate: TimeoutCertificate | None) -> High:
        return NOTHING if certificate is None else self.high(certificate.prepare_certificate)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A line that may yet turn out never to have been; `statement` is what it casts, if it casts anything."""

    height: int
    line: Line
    statement: Statement | None = None


class Recorder:
    """Told of everything that the engines of honest machines want done, and of what became of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._heights: dict[int, _Height] = {}
        self._rounds: dict[tuple[int, int], int] = {}
        self._waiting: dict[int, list[_Waiting]] = {}

    def wanted(self, machine: Machine, deciding: Deciding, effect: Effect) -> None:
        """An engine wants this done; it is about to be."""
        match effect:
            case Broadcast(TimeoutCertificate() as certificate):
                place = machine.identity.index, deciding.height
                if certificate.round >= self._rounds.get(place, 0) and deciding.engine.context.may_vote:
                    self._rounds[place] = certificate.round + 1
                    self._note(machine, deciding, effect)
            case CastProposal() | CastPrepare() | CastCommit() | CastTimeout() | Commit():
                self._note(machine, deciding, effect)
            case _:
                pass

    def said(self, machine: Machine, statement: Statement) -> None:
        """A signed message leaves, for the first time: it is durable, and so is all that was cast before."""
        waiting = self._waiting.get(machine.identity.index, [])
        for number, item in enumerate(waiting):
            if item.statement == statement:
                self._write(waiting[: number + 1])
                del waiting[: number + 1]
                return

    def stepped(self, machine: Machine) -> None:
        """A step is over: what was cast and not said was cast by a machine that keeps silent."""
        waiting = self._waiting.pop(machine.identity.index, [])
        self._write([item for item in waiting if item.statement is None])

    def booted(self, machine: Machine) -> None:
        """A machine is back. What had been durable when the power went counts, and has not been said."""
        waiting = self._waiting.pop(machine.identity.index, [])
        durable = [number for number, item in enumerate(waiting) if _is_durable(machine, item)]
        kept = waiting[: max(durable, default=-1) + 1]
        self._write([item for number, item in enumerate(kept) if item.statement is None or number in durable])
        deciding = machine.running._parts.deciding
        context, round = deciding.engine.context, deciding.engine.round
        self._rounds[machine.identity.index, deciding.height] = round
        if context.me is not None and context.may_vote and machine.boots > 1:
            height, state = self._height(deciding), deciding.engine.state
            who, spoke_in = height.order.index(context.me), max((place for place, _ in state.promises), default=0)
            height.lines.append(Restarted(who, spoke_in))
            if round > spoke_in:  # its own timeout is a certificate already, where one signature is a quorum
                height.lines.append(Entered(who, round, height.justification(state.entry)))

    def traces(self) -> Iterator[Trace]:
        """The trace of each height, as far as it came; whoever's disk was damaged is not held to the model."""
        keys_of_honest = [machine.identity.founder.consensus_key.public_key for machine in self._world.sound]
        for number, height in self._heights.items():
            seats = {height.validators.index_of_consensus_key(key) for key in keys_of_honest} - {None}
            honest = frozenset(height.order.index(seat) for seat in seats if seat is not None)
            yield Trace(
                name=f"height {number}",
                size=len(height.validators),
                quorum=height.validators.quorum,
                honest=honest,
                lines=tuple(line for line in height.lines if line.validator in honest),
            )

    def _height(self, deciding: Deciding) -> _Height:
        known = self._heights.get(deciding.height)
        if known is None:
            known = _Height(deciding.validators, deciding.engine.context.leader_order)
            self._heights[deciding.height] = known
        return known

    def _note(self, machine: Machine, deciding: Deciding, effect: Cast | Broadcast | Commit) -> None:
        height, engine = self._height(deciding), deciding.engine
        for block_hash, facts in engine.state.blocks.items():
            if facts is not None:
                height.fresh_rounds.setdefault(block_hash, facts.round)
        if engine.context.me is None:
            return  # a follower decides as well; it is nobody in the model
        who = height.order.index(engine.context.me)
        statement: Statement | None = None
        line: Line
        match effect:
            case Broadcast(message):
                assert isinstance(message, TimeoutCertificate)
                line = Entered(who, message.round + 1, height.justification(message))
            case CastProposal(statement, justification):
                vote = Vote(height.block(statement.block_hash), height.justification(justification))
                line = Proposed(who, statement.round, vote)
            case CastPrepare(statement, durable):
                entry = durable.timeout_certificates[0] if durable.timeout_certificates else None
                vote = Vote(height.block(statement.block_hash), height.justification(entry))
                line = PreparedOne(who, statement.round, vote)
            case CastCommit(statement):
                line = CommittedOne(who, statement.round, height.block(statement.block_hash))
            case CastTimeout(statement, prepared):
                line = GaveUp(who, statement.round, height.high(prepared))
            case Commit(block_hash, certificate):
                line = Decided(who, certificate.round, height.block(block_hash))
        self._waiting.setdefault(machine.identity.index, []).append(_Waiting(deciding.height, line, statement))

    def _write(self, items: list[_Waiting]) -> None:
        for item in items:
            self._heights[item.height].lines.append(item.line)


def _is_durable(machine: Machine, item: _Waiting) -> bool:
    if item.statement is None:
        return False
    key = keys.own_message(item.height, item.statement.round, item.statement.type)
    return machine.disk.durable(key) is not None


@contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Let `recorder` see what engines want done, for all replicas that are watched."""
    carry_out = driving._carry_out

    def watch(parts: Parts, effect: Effect, casts: list[Cast]) -> None:
        machine: Machine | None = getattr(parts.out, "machine", None)
        if machine is not None and machine.honest:
            recorder.wanted(machine, parts.deciding, effect)
        carry_out(parts, effect, casts)

    with patch.object(driving, "_carry_out", watch):
        yield
