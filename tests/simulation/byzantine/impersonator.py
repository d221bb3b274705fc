"""Votes under the names of all others, with its own signature, which was seen and verified a moment before."""

from __future__ import annotations

from ledger.consensus.messages import CommitVote, PrepareVote
from ledger.consensus.statements import CommitStatement, PrepareStatement
from tests.simulation.byzantine.liar import Liar


class Impersonator(Liar):
    """Prepares and commits whatever is proposed, alone, as many as are needed. No plan draws it: links to it are closed
    as soon as it speaks, so it is for runs that are after it."""

    def after_step(self) -> None:
        """Now and then, its vote, and the same again from everybody."""
        if not self.may_speak() or self.disk.is_broken or self.world.rng.random() >= self.world.plan.lie_rate:
            return
        for proposal in self.proposals():
            said = proposal.statement
            prepare = PrepareStatement(said.height, said.round, said.block_hash, said.justification_digest)
            commit = CommitStatement(said.height, said.round, said.block_hash)
            self.say(PrepareVote(prepare, self.me, self.sign(prepare)))
            self.say(CommitVote(commit, self.me, self.sign(commit)))
            for other in range(len(self.deciding.validators)):
                if other != self.me:
                    self.claim(PrepareVote(prepare, other, self.sign(prepare)))
                    self.claim(CommitVote(commit, other, self.sign(commit)))
