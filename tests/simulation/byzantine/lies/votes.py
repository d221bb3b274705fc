"""Lies of votes: for everything, for nothing that there is, and far ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.messages import CommitVote, PrepareVote
from ledger.consensus.statements import CommitStatement, PrepareStatement
from ledger.limits import ROUNDS_AHEAD_MAX
from ledger.primitives import ZERO_DIGEST, Digest

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_NOBODYS = Digest(b"\x0a" * 32)
_MANY = 8


def prepare_everything(liar: Liar) -> bool:
    """Prepare all that was proposed."""
    for proposal in liar.proposals():
        said = proposal.statement
        _prepare(liar, PrepareStatement(said.height, said.round, said.block_hash, said.justification_digest))
    return bool(liar.proposals())


def commit_everything(liar: Liar) -> bool:
    """Commit all that was proposed, certificate or not."""
    for proposal in liar.proposals():
        _commit(liar, proposal.statement.round, proposal.statement.block_hash)
    return bool(liar.proposals())


def votes_of_future_rounds(liar: Liar) -> bool:
    """Votes of many rounds that nobody is in, near and beyond what is kept."""
    rng = liar.world.rng
    for _ in range(_MANY):
        round = liar.state.round + rng.choice((1, 2, rng.randrange(1, 2 * ROUNDS_AHEAD_MAX), 1_000_000))
        if rng.random() < 0.5:
            _commit(liar, round, _NOBODYS)
        else:
            _prepare(liar, PrepareStatement(liar.deciding.height, round, _NOBODYS, ZERO_DIGEST))
    return True


def vote_for_a_block_of_nobody(liar: Liar) -> bool:
    """Votes of this round for a block that does not exist."""
    round = liar.state.round
    _prepare(liar, PrepareStatement(liar.deciding.height, round, _NOBODYS, ZERO_DIGEST))
    _commit(liar, round, _NOBODYS)
    return True


def _prepare(liar: Liar, statement: PrepareStatement) -> None:
    liar.say(PrepareVote(statement, liar.me, liar.sign(statement)))


def _commit(liar: Liar, round: int, block_hash: Digest) -> None:
    statement = CommitStatement(liar.deciding.height, round, block_hash)
    liar.say(CommitVote(statement, liar.me, liar.sign(statement)))
