"""Splits the chain, together with others of its kind: a fork on purpose, if they are more than the quorum bears.

All splitters of a run stand under one hand, and use each other's keys. When one of them leads a round that is not bound
to a block, it divides the honest validators into two sides, and offers each side a block of its own, with the prepare
and commit votes of all splitters. A side of q - b honest validators then has its quorum. With b >= 2q - n there are
enough for two such sides; with fewer there never are, and whatever the splitters say comes to nothing.
"""

from __future__ import annotations

from ledger.chain import build_block
from ledger.consensus.codec import encode_message, justification_digest
from ledger.consensus.messages import CommitVote, PrepareVote, Proposal, ProposedBlock, TimeoutVote
from ledger.consensus.statements import (
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    signed_bytes,
)
from ledger.primitives import Signature
from ledger.transaction import Transaction
from node.wire import Consensus, PeerMessage, Transactions
from tests.simulation import workload
from tests.simulation.byzantine.liar import Liar
from tests.simulation.byzantine.lies.timeouts import others_entries, timeout_statement
from tests.simulation.machine import Machine

_AGAIN_MS = 60


class Splitter(Liar):
    """One attempt in each round that it leads, said again and again; others it gives up when anybody does."""

    _place: tuple[int, int] | None = None
    _offers: tuple[tuple[tuple[Machine, ...], tuple[PeerMessage, ...]], ...] = ()
    _again_at_ms = 0

    def after_step(self) -> None:
        """The next move."""
        if not self.may_speak() or self.seat is None or self.disk.is_broken:
            return
        state, place = self.state, (self.deciding.height, self.state.round)
        if self._place != place:
            self._offers = ()
            bound = state.entry is not None and state.entry.prepare_certificate is not None
            if not bound and state.context.leader(state.round) == self.me:
                self._split(place)
            elif others_entries(self, state.round):  # a round that it leads comes sooner so
                self._place = place
                vote = timeout_statement(self, state.round, None)
                self.say(TimeoutVote(vote, self.me, self.sign(vote), None))
        if self._offers and self.world.now_ms >= self._again_at_ms:
            self._again_at_ms = self.world.now_ms + _AGAIN_MS
            for side, messages in self._offers:
                for message in messages:
                    self.world.send(self, list(side), message)

    def _split(self, place: tuple[int, int]) -> None:
        """Two blocks, of which one has a transaction, as soon as there is one."""
        chain = self.running._parts.chain
        made = (workload.transaction(self.world.genesis, number) for number in range(self.world.submitted))
        waiting = next((item for item in made if not chain.transaction_committed(item.id)), None)
        honest = [other for other in self.world.others(self, validators_only=True) if other.honest]
        if waiting is None or len(honest) < 2:
            return
        self.world.rng.shuffle(honest)
        cut = (len(honest) + 1) // 2
        self._place = place
        self._offers = (
            (tuple(honest[:cut]), self._offer([])),
            (tuple(honest[cut:]), (Transactions((waiting.envelope,)), *self._offer([waiting]))),
        )

    def _offer(self, transactions: list[Transaction]) -> tuple[PeerMessage, ...]:
        """A block, and the votes of all splitters for it."""
        deciding, round, justification = self.deciding, self.state.round, self.state.entry
        chain = self.running._parts.chain
        built = build_block(
            chain.tip,
            chain,
            round=round,
            proposer=deciding.name(self.me),
            time_ms=chain.tip.header.time_ms + 1,
            transactions=transactions,
        ).block
        bound = justification_digest(justification)
        proposal = ProposalStatement(deciding.height, round, built.block_hash, bound)
        prepare = PrepareStatement(deciding.height, round, built.block_hash, bound)
        commit = CommitStatement(deciding.height, round, built.block_hash)
        block = ProposedBlock(built.header_bytes, tuple(item.envelope_hash for item in built.transactions))
        said = [encode_message(Proposal(proposal, self.me, self.sign(proposal), justification, block))]
        for splitter in self.world.machines:
            key = splitter.identity.founder.consensus_key.public_key
            seat = deciding.validators.index_of_consensus_key(key)
            if isinstance(splitter, Splitter) and seat is not None:
                said.append(encode_message(PrepareVote(prepare, seat, _signed(splitter, prepare))))
                said.append(encode_message(CommitVote(commit, seat, _signed(splitter, commit))))
        return tuple(Consensus(deciding.height, payload) for payload in said)


def _signed(splitter: Machine, statement: Statement) -> Signature:
    context = SigningContext(splitter.world.genesis.chain, 0)
    return splitter.identity.founder.consensus_key.sign(signed_bytes(context, statement))
