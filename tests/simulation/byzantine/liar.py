"""A scripted liar: it follows the chain as a stranger would, and signs whatever may hurt.

Its replica has no key and only keeps it informed. After a step it may tell one lie (`lies`), to some. What proves
itself a lie makes others close the link, so such lies are told less often. (consensus research, sections 2 and 3)
"""

from __future__ import annotations

from ledger.chain import build_block
from ledger.consensus.codec import encode_message
from ledger.consensus.inputs import MessageReceived
from ledger.consensus.messages import ConsensusMessage, Proposal, ProposedBlock, TimeoutCertificate
from ledger.consensus.state import HeightState
from ledger.consensus.statements import SigningContext, Statement, signed_bytes
from ledger.crypto import SigningKey
from ledger.primitives import Digest, Signature
from node.replica import Replica
from node.replica.deciding import Deciding
from node.wire import Consensus, PeerMessage, Transactions
from tests.simulation import workload
from tests.simulation.byzantine.lies import BLATANT, SUBTLE
from tests.simulation.machine import Machine

_ROUNDS_NEAR = 2
_BLATANT_SHARE = 0.15


class Liar(Machine):
    """Signs anything."""

    honest = False
    _last_seat: int | None = None

    @property
    def consensus_key(self) -> SigningKey | None:
        """None: the replica follows, and never knows what is said in its name."""
        return None

    def dress(self, replica: Replica) -> None:
        """Nobody watches."""

    def after_step(self) -> None:
        """Perhaps a lie."""
        rng = self.world.rng
        if not self.may_speak() or rng.random() >= self.world.plan.lie_rate:
            return
        lie = rng.choice(BLATANT if rng.random() < _BLATANT_SHARE else SUBTLE)
        if not self.disk.is_broken and lie(self):
            self.world.faults[f"lie: {lie.__name__.replace('_', ' ')}"] += 1

    # ---- what it knows

    def may_speak(self) -> bool:
        """Whether it runs, and has or had a seat: after its removal it goes on lying as if nothing had happened."""
        if self.replica is None:
            return False
        self._last_seat = self._last_seat if self.seat is None else self.seat
        return self._last_seat is not None

    @property
    def deciding(self) -> Deciding:
        """The height that its replica follows."""
        return self.running._parts.deciding

    @property
    def state(self) -> HeightState:
        """What it knows of that height."""
        return self.deciding.engine.state

    @property
    def quorum(self) -> int:
        """How many must sign."""
        return self.deciding.validators.quorum

    @property
    def seat(self) -> int | None:
        """Its index in the set of that height."""
        return self.deciding.validators.index_of_consensus_key(self.identity.founder.consensus_key.public_key)

    @property
    def me(self) -> int:
        """Its seat, or the last that it had."""
        assert self._last_seat is not None
        return self._last_seat

    def proposals(self) -> list[Proposal]:
        """What was proposed in rounds near the current one."""
        state = self.state
        return [
            proposal
            for round, proposals in state.proposals.items()
            if abs(round - state.round) <= _ROUNDS_NEAR
            for proposal in proposals
        ]

    # ---- how it speaks

    def sign(self, statement: Statement) -> Signature:
        """Its signature under anything."""
        context = SigningContext(self.world.genesis.chain, 0)
        return self.identity.founder.consensus_key.sign(signed_bytes(context, statement))

    def some(self) -> list[Machine]:
        """Some of the others, or all."""
        rng = self.world.rng
        share = rng.choice((0.3, 0.6, 1.0))
        return [other for other in self.world.others(self, validators_only=False) if rng.random() < share]

    def tell_some(self, message: PeerMessage) -> None:
        """Send something to some."""
        self.world.send(self, self.some(), message)

    def hear_itself(self, message: ConsensusMessage) -> None:
        """Its own replica counts what it said like anybody's: it has to know which certificates there are."""
        if self.seat is not None:
            self.deciding.inputs.append(MessageReceived(message, self.identity.peer))

    def say(self, message: ConsensusMessage) -> None:
        """Tell some what a correct replica may believe, and believe it as well."""
        if not isinstance(message, TimeoutCertificate):
            self.hear_itself(message)
        self.claim(message)

    def claim(self, message: ConsensusMessage) -> None:
        """Tell some what no correct replica believes."""
        self.tell_some(Consensus(self.deciding.height, encode_message(message)))

    def fresh(self, round: int) -> tuple[Digest, ProposedBlock]:
        """A block with any time that the rules allow, or none of them, and any transactions."""
        rng, chain = self.world.rng, self.running._parts.chain
        numbers = rng.sample(range(max(self.world.submitted, 1)), rng.randint(0, min(2, self.world.submitted)))
        transactions = [workload.transaction(self.world.genesis, number) for number in numbers]
        parent_ms = chain.tip.header.time_ms
        time_ms = (
            parent_ms + 1 if round else max(parent_ms + 1, self.now.wall_ms + rng.choice((0, 0, 1, 5_000, 20_000)))
        )
        built = build_block(
            chain.tip,
            chain,
            round=round,
            proposer=self.identity.founder.card.validator.name,
            time_ms=time_ms,
            transactions=transactions,
        ).block
        if transactions:
            self.tell_some(Transactions(tuple(item.envelope for item in transactions)))
        return built.block_hash, ProposedBlock(built.header_bytes, tuple(t.envelope_hash for t in built.transactions))
