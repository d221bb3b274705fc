"""Engines with a wrong rule are seen in their traces, by the model alone: no other checker is asked.

Here a line of a trace is refused because no rule of the model allows it. That a wrong rule breaks something is shown of
the model itself, by TLC (`test_model`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from unittest.mock import patch

import pytest

from ledger.consensus import engine, pacemaker, proposing, verification, voting
from ledger.consensus.effects import BuildBlock
from ledger.consensus.height import Restored
from ledger.consensus.messages import PrepareCertificate
from ledger.consensus.state import HeightState
from ledger.consensus.statements import Statement
from ledger.consensus.votes import VoteBook
from tests.model.relation import NotAllowedError, follow
from tests.model.test_traces import traces_of
from tests.simulation.plan import Plan

_SEEDS = 60


def _promise(state: HeightState, statement: Statement) -> None:
    """`HeightState.promise`, without its own last assertions."""
    state.promises[statement.round, statement.type] = statement


@contextmanager
def vote_after_giving_up() -> Iterator[None]:
    with patch.object(voting, "_gave_up", lambda state: False):
        yield


@contextmanager
def _named(choose: Callable[[dict[int, PrepareCertificate]], dict[int, PrepareCertificate]]) -> Iterator[None]:
    """Timeouts name what they choose of the certificates that are held."""
    give_up = pacemaker.give_up

    def wrong(state: HeightState) -> None:
        held, state.prepare_certificates = state.prepare_certificates, choose(state.prepare_certificates)
        give_up(state)
        state.prepare_certificates = held

    with patch.object(pacemaker, "give_up", wrong):
        yield


def _oldest(held: dict[int, PrepareCertificate]) -> dict[int, PrepareCertificate]:
    return {min(held): held[min(held)]} if held else {}


@contextmanager
def commit_what_is_only_proposed() -> Iterator[None]:
    commit = voting.commit

    def wrong(state: HeightState) -> None:
        for proposal in state.proposals.get(state.round, []):
            said = proposal.statement
            invented = PrepareCertificate(said.height, said.round, said.block_hash, said.justification_digest, ())
            state.prepare_certificates.setdefault(state.round, invented)
        commit(state)

    with patch.object(voting, "commit", wrong):
        yield


@contextmanager
def restart_without_votes() -> Iterator[None]:
    def wrong(state: HeightState, restored: Restored) -> None:
        """Nothing is remembered."""

    with patch.object(engine, "_restore", wrong):
        yield


@contextmanager
def one_vote_less_is_a_quorum() -> Iterator[None]:
    made = VoteBook.__init__

    def wrong(book: VoteBook, quorum: int) -> None:
        made(book, quorum - 1)

    with (
        patch.object(VoteBook, "__init__", wrong),
        patch.object(verification, "_check_quorum", lambda signers, keys: None),
    ):
        yield


@contextmanager
def leaders_and_voters_choose_freely() -> Iterator[None]:
    def wrong(state: HeightState) -> None:
        """Whatever was prepared: a fresh block."""
        may_build = state.work_pending or proposing._empty_may_be_proposed(state)
        if proposing._may_propose(state) and state.built_round != state.round and may_build:
            state.built_round = state.round
            state.effects.append(BuildBlock(state.round))

    with patch.object(proposing, "propose", wrong), patch.object(voting, "_justified", lambda *_: True):
        yield


@dataclass(frozen=True, slots=True)
class WrongEngine:
    """What is wrong with it, and in which runs it shows."""

    wrong: Callable[[], object]
    quorum: tuple[int, int] = (4, 3)
    adjust: Callable[[Plan], Plan] | None = None


def _long(plan: Plan) -> Plan:
    return replace(plan, byzantine=((2, "liar"),), dead=(), lively=True, lie_rate=0.3, safety_ms=5_000, loss=0.1)


ENGINES = {
    "vote after giving up": WrongEngine(vote_after_giving_up),
    "the high round is forgotten": WrongEngine(partial(_named, lambda held: {})),
    "A5: an older certificate is named than the newest": WrongEngine(partial(_named, _oldest), adjust=_long),
    "commit what is only proposed": WrongEngine(commit_what_is_only_proposed),
    "restart without votes": WrongEngine(restart_without_votes),
    "one vote less is a quorum": WrongEngine(one_vote_less_is_a_quorum),
    "leaders and voters choose freely": WrongEngine(leaders_and_voters_choose_freely),
}


def _first_refused(kind: WrongEngine) -> str | None:
    for seed in range(_SEEDS):
        for trace in traces_of(seed, *kind.quorum, adjust=kind.adjust):
            try:
                follow(trace)
            except NotAllowedError as error:
                return str(error)
    return None


@pytest.mark.parametrize("name", ENGINES)
def test_a_wrong_engine_is_no_behaviour_of_the_model(name: str) -> None:
    kind = ENGINES[name]
    with ExitStack() as stack:
        stack.enter_context(patch.object(HeightState, "promise", _promise))
        stack.enter_context(kind.wrong())  # type: ignore[arg-type]
        refused = _first_refused(kind)
    assert refused is not None, f"{_SEEDS} seeds show nothing"
    print(refused)
