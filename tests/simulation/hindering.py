"""Validators that hinder a round for as long as they like, though none of them is silent.

As many as the quorum cannot do without, and no more than it bears to lie (which goes together when 2n + 2 <= 3q):
nothing can be forked, and nothing need be decided. They do their part until they are told to hinder. From then on none
of them gives a round up, so that no round ends; and the first that leads a height does what its kind does, in round 0.
"""

from __future__ import annotations

from msgspec.structs import replace

from ledger.chain import CandidateBlock, build_block
from ledger.consensus.codec import encode_message, justification_digest
from ledger.consensus.messages import (
    ConsensusMessage,
    PrepareVote,
    Proposal,
    ProposedBlock,
)
from ledger.consensus.statements import (
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    signed_bytes,
)
from ledger.primitives import Signature
from node.wire import Block, Consensus, PeerMessage
from tests.simulation import workload
from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.machine import Machine

_NOBODYS = 1_000_000  # the number of a transaction that no client submits


class Hindering(Shameless):
    """Gives no round up. `hinders` begins it; `hindered` is the height that this one leads and hinders, if it does."""

    hinders = False
    hindered: int | None = None

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """What is not said, or not to all."""
        if not self.hinders or not isinstance(message, Consensus):
            return receivers
        said = self.world.memory.decode(message.payload)
        if isinstance(said, Proposal) and said.statement.round == 0 and said.validator == self._me:
            self.hindered = message.height
        return receivers if message.height != self.hindered else self.hinder(said, receivers)

    def after_step(self) -> None:
        """While it hinders, the timer of its round begins anew with every step, and so never fires."""
        super().after_step()
        if self.hinders and self.replica is not None:
            self.running._parts.deciding.engine.state.round_ends_at_ms = None

    def hinder(self, said: ConsensusMessage, receivers: list[Machine]) -> list[Machine]:
        """Those of `receivers` that are told this of the height that it leads."""
        raise AssertionError("each kind has its way")

    # ---- what it says besides what its replica does

    @property
    def _me(self) -> int | None:
        return self.running._parts.deciding.me

    def another_block(self, *numbers: int) -> CandidateBlock:
        """A valid block of this height with these transactions of the client's."""
        parts = self.running._parts
        assert parts.deciding.me is not None
        return build_block(
            parts.chain.tip,
            parts.chain,
            round=0,
            proposer=parts.deciding.name(parts.deciding.me),
            time_ms=parts.chain.tip.header.time_ms + 1,
            transactions=[workload.transaction(self.world.genesis, number) for number in numbers],
        ).block

    def propose(self, block: CandidateBlock, receivers: list[Machine], *, prepares: bool = True) -> None:
        """Propose a block to some, whole, and prepare it before them."""
        deciding, bound = self.running._parts.deciding, justification_digest(None)
        assert deciding.me is not None
        content = ProposedBlock(block.header_bytes, tuple(item.envelope_hash for item in block.transactions))
        proposal = ProposalStatement(deciding.height, 0, block.block_hash, bound)
        vote = PrepareStatement(deciding.height, 0, block.block_hash, bound)
        self.tell(Proposal(proposal, deciding.me, self._sign(proposal), None, content), receivers)
        if prepares:
            self.tell(PrepareVote(vote, deciding.me, self._sign(vote)), receivers)

    def tell(self, message: ConsensusMessage, receivers: list[Machine]) -> None:
        """Send a message of consensus to some."""
        self.world.send(self, receivers, Consensus(self.running._parts.deciding.height, encode_message(message)))

    def _sign(self, statement: Statement) -> Signature:
        context = SigningContext(self.world.genesis.chain, 0)
        return self.identity.founder.consensus_key.sign(signed_bytes(context, statement))


class Dividing(Hindering):
    """Proposes two blocks, each to one half of the honest validators, and prepares each before that half alone, unless
    its vote would make a quorum."""

    _rival: CandidateBlock | None = None
    sides: tuple[list[Machine], list[Machine]] = ([], [])
    """Who was offered what its replica proposed, and who the other block."""

    def hinder(self, said: ConsensusMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Hindering.hinder`."""
        if self._rival is None:
            honest = [machine for machine in self.world.machines if machine.honest]
            self.world.rng.shuffle(honest)
            self.sides, self._rival = (honest[::2], honest[1::2]), self.another_block()
        first, second = self.sides
        if isinstance(said, Proposal):
            self.propose(self._rival, second, prepares=self.prepares(second))
        elif not self.prepares(first):
            return []
        return [machine for machine in receivers if machine in first]

    def prepares(self, side: list[Machine]) -> bool:
        """Whether it votes for what it proposed to this side."""
        return len(side) + 1 < self.running._parts.deciding.validators.quorum


class Unproposing(Hindering):
    """Votes for its proposal, and shows it to nobody."""

    def hinder(self, said: ConsensusMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Hindering.hinder`."""
        return [] if isinstance(said, Proposal) else receivers


class KeepingContent(Hindering):
    """Proposes a block by its hash alone, and tells nobody what it consists of."""

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Hindering.receivers`; who asks gets no answer."""
        return [] if self.hinders and isinstance(message, Block) else super().receivers(message, receivers)

    def hinder(self, said: ConsensusMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Hindering.hinder`."""
        if not isinstance(said, Proposal):
            return receivers
        self.tell(replace(said, block=None), receivers)
        return []


class KeepingBody(Hindering):
    """Proposes a block with a transaction that nobody has, not even its own replica."""

    _kept: CandidateBlock | None = None

    def hinder(self, said: ConsensusMessage, receivers: list[Machine]) -> list[Machine]:
        """See `Hindering.hinder`."""
        if isinstance(said, Proposal):
            self._kept = self._kept or self.another_block(_NOBODYS)
            self.propose(self._kept, receivers)
        return []
