"""Tries to make an honest validator contradict itself (amendment A1).

As leader it proposes a block to all but one, and helps it to be prepared. As soon as it is, and the one that was left
out may have committed it through the certificate alone, that one is offered another block. The framer commits nothing,
so that the height stays open for as long as possible.
"""

from __future__ import annotations

from ledger.consensus.codec import encode_message, justification_digest
from ledger.consensus.messages import ConsensusMessage, PrepareVote, Proposal
from ledger.consensus.statements import PrepareStatement, ProposalStatement
from node.wire import Consensus
from tests.simulation.byzantine.liar import Liar
from tests.simulation.machine import Machine


class Framer(Liar):
    """Leads somebody into temptation, once per round that it leads."""

    _place: tuple[int, int] | None = None
    _victim: Machine | None = None

    def after_step(self) -> None:
        """The next move of the plot."""
        if not self.may_speak() or self.seat is None or self.disk.is_broken:
            return
        state, height = self.state, self.deciding.height
        if state.context.leader(state.round) != self.me:
            return
        others = self.world.others(self, validators_only=True)
        if self._place != (height, state.round) and others and (state.round > 0 or self.world.submitted):
            self._place = (height, state.round)
            self._victim = self.world.rng.choice(others)
            self._offer([other for other in others if other is not self._victim], others)
        elif self._victim is not None and state.round in state.prepare_certificates:
            self._offer([self._victim], [])
            self._victim = None

    def _offer(self, proposed_to: list[Machine], prepared_before: list[Machine]) -> None:
        """A proposal of the current round to some, and the vote for it to some."""
        deciding, round = self.deciding, self.state.round
        justification = self.state.entry
        bound = justification_digest(justification)
        name, block = self.fresh(round)
        statement = ProposalStatement(deciding.height, round, name, bound)
        proposal = Proposal(statement, self.me, self.sign(statement), justification, block)
        self._say_to(proposed_to, proposal)
        vote = PrepareStatement(deciding.height, round, name, bound)
        self._say_to(prepared_before, PrepareVote(vote, self.me, self.sign(vote)))

    def _say_to(self, receivers: list[Machine], message: ConsensusMessage) -> None:
        self.hear_itself(message)
        self.world.send(self, receivers, Consensus(self.deciding.height, encode_message(message)))
