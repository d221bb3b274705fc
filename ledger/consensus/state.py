"""What one validator knows, has promised and wants at one height: the only mutable value of the engine.

The rules (`pacemaker`, `proposing`, `voting`, `committing`) are functions over a `HeightState`. It is made with its
height and thrown away with it, so no flag can survive a height (besu, tendermint #3003), and two states of the same
history are equal, which tests use.

Three kinds of facts, and who may write them:

* *learned* from verified messages: certificates, justifications, proposals, votes (`learning` writes them);
* *promised*: statements this validator has signed, or has told the replica to sign. `promise` is the only way in, and
  the last gate: it asserts that nothing contradicts what was promised before;
* *wanted*: blocks and justifications that the replica was asked for and has not delivered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.consensus.effects import CheckBlock, Durable, Effect, WantJustification
from ledger.consensus.evidence import contradiction
from ledger.consensus.height import HeightContext
from ledger.consensus.inputs import BlockFacts, Now, PeerId
from ledger.consensus.messages import (
    CommitCertificate,
    PrepareCertificate,
    Proposal,
    ProposedBlock,
    SignedMessage,
    TimeoutCertificate,
)
from ledger.consensus.statements import Statement, StatementType
from ledger.consensus.votes import VoteBook
from ledger.limits import BLOCKS_WANTED_MAX
from ledger.primitives import Digest

Place = tuple[int, StatementType]
"""Where at most one statement of a validator may stand: a round, and a type."""


@dataclass(slots=True)
class HeightState:
    """The state of one height (see the module's docstring)."""

    context: HeightContext
    now: Now
    book: VoteBook

    # learned
    round: int = 0
    entry: TimeoutCertificate | None = None
    """The timeout certificate that let us into `round`, or that we prepared a proposal with; None in round 0."""
    proposals: dict[int, list[Proposal]] = field(default_factory=dict)
    """By round, by its leader; two if the leader equivocates, never more."""
    prepare_certificates: dict[int, PrepareCertificate] = field(default_factory=dict)
    """One per round, the first that was learned; none replaces one of a lower round (amendment A5)."""
    commit_certificates: list[CommitCertificate] = field(default_factory=list)
    justifications: dict[Digest, TimeoutCertificate] = field(default_factory=dict)
    blocks: dict[Digest, BlockFacts | None] = field(default_factory=dict)
    """Blocks that are here and checked; None for one that is not valid."""

    # promised
    promises: dict[Place, Statement] = field(default_factory=dict)
    spoken: dict[Place, SignedMessage] = field(default_factory=dict)
    """Own messages of the current round, durable: what a resend repeats."""
    contradicted: bool = False
    """Somebody showed a statement of ours that we do not know: nothing may be promised any more."""
    decided: bool = False

    # wanted
    wanted_blocks: dict[Digest, ProposedBlock | None] = field(default_factory=dict)
    wanted_justifications: dict[Digest, None] = field(default_factory=dict)
    built_round: int | None = None
    """The round for which a fresh block was asked for since the last tick."""

    # time
    work_pending: bool = False
    heard: bool = False
    """A message of this height was received, or is durable here: somebody is waiting for the height (A4c)."""
    round_ends_at_ms: int | None = None
    """When the timer of the round fires; None while it does not run."""
    links_lost: dict[int, int] = field(default_factory=dict)
    """Since when the links to validators are lost that were up before."""
    tick_at_ms: int | None = None
    wake_at_ms: int | None = None
    answered: set[PeerId] = field(default_factory=set)
    """Peers that were sent our entry certificate since the last tick."""

    effects: list[Effect] = field(default_factory=list)

    @property
    def votes(self) -> bool:
        """Whether this node may sign at this height."""
        return self.context.me is not None and self.context.may_vote and not self.contradicted

    @property
    def leads(self) -> bool:
        """Whether this node leads the current round."""
        return self.context.me is not None and self.context.leader(self.round) == self.context.me

    def promised(self, kind: StatementType, round: int | None = None) -> Statement | None:
        """The own statement of this type in `round` (the current one by default), or None."""
        return self.promises.get((self.round if round is None else round, kind))

    def promise(self, statement: Statement) -> None:
        """Note what the replica is about to be told to sign. Nothing honest ever trips over these assertions."""
        place = (statement.round, statement.type)
        assert self.votes, "an observer signs nothing"
        assert place not in self.promises, f"{place} is promised already"
        for earlier in self.promises.values():
            assert contradiction(earlier, statement) is None, f"{statement} contradicts {earlier}"
        self.promises[place] = statement

    def durable(
        self,
        *,
        prepared: PrepareCertificate | None = None,
        block_hash: Digest | None = None,
    ) -> Durable:
        """What a statement of the current round promises: always also the entry certificate (amendment A2)."""
        certificates = [self.entry] if self.entry is not None else []
        return Durable(tuple(certificates), () if prepared is None else (prepared,), block_hash)

    def want_block(self, block_hash: Digest) -> None:
        """Ask for a block to be fetched and checked, unless that was done."""
        if block_hash in self.blocks or block_hash in self.wanted_blocks:
            return
        if len(self.wanted_blocks) >= BLOCKS_WANTED_MAX:
            del self.wanted_blocks[next(iter(self.wanted_blocks))]
        self._ask_for_block(block_hash)

    def offer_content(self, block_hash: Digest) -> None:
        """A proposal brought the content of a block: ask again with it, if the block is wanted and came without."""
        if block_hash in self.wanted_blocks and self.wanted_blocks[block_hash] is None:
            self._ask_for_block(block_hash)

    def _ask_for_block(self, block_hash: Digest) -> None:
        content = self._content(block_hash)
        self.wanted_blocks[block_hash] = content
        self.effects.append(CheckBlock(block_hash, content))

    def want_justification(self, digest: Digest) -> None:
        """Ask for a justification, unless that was done."""
        if digest not in self.wanted_justifications and digest not in self.justifications:
            self.wanted_justifications[digest] = None
            self.effects.append(WantJustification(digest))

    def _content(self, block_hash: Digest) -> ProposedBlock | None:
        """The content of a block, if a proposal brought it."""
        for proposals in self.proposals.values():
            for proposal in proposals:
                if proposal.statement.block_hash == block_hash and proposal.block is not None:
                    return proposal.block
        return None
