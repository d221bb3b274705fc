"""Proposals on the chain of the fake node: org0 administers, org0 .. org3 operate v0 .. v3, three of them decide."""

from __future__ import annotations

from dataclasses import replace

from ledger.governance.changes import Change, RevokeRole, SuspendAccount
from ledger.governance.proposals import proposal_digest
from ledger.governance.readiness import sign_ready
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.validators import ValidatorReady
from ledger.validators import Validator
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import FOUNDERS, genesis, transaction

EXPIRES_MS = genesis().time_ms + 1_000_000


def entry(name: str = "v5", operator: str = "org1", keys: int = 5) -> Validator:
    """An entry with the keys of the founder number `keys`, which is not in genesis."""
    return replace(FOUNDERS[keys].card.validator, name=name, operator=operator)


def ready(made: Validator, keys: int = 5, height: int = 0) -> ValidatorReady:
    """The operation by which its operator says that it is ready."""
    founder = FOUNDERS[keys]
    proofs = sign_ready(
        genesis().chain,
        made,
        height,
        consensus_key=founder.consensus_key,
        node_key=founder.node_key,
        cosigning_key=founder.cosigning_key,
    )
    return ValidatorReady(made.operator, made, height, proofs)


def create(*changes: Change, delay: int = 1, expires_ms: int = EXPIRES_MS, memo: str | None = None) -> ProposalCreate:
    """A proposal of org0."""
    return ProposalCreate("org0", changes, expires_ms, delay, memo=memo)


def vote(by: int, proposed: ProposalCreate, number: int, *, approve: bool = True) -> ProposalVote:
    """The vote of org<by> on `proposed`, which is proposal `number`."""
    digest = proposal_digest(
        chain=genesis().chain,
        proposer=proposed.by,
        changes=proposed.changes,
        expires_ms=proposed.expires,
        delay=proposed.delay,
        evidence=(),
        memo=proposed.memo,
    )
    return ProposalVote(f"org{by}", number, digest, approve)


class Proposing:
    """What members do on the node's chain, a block each."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self._nonce = 7_000

    def get_ready(self, made: Validator, keys: int = 5) -> Validator:
        """Record that an entry is ready."""
        height = self.node.chain.tip.header.height
        self._send(int(made.operator[-1]), ready(made, keys, height))
        return made

    def propose(self, *changes: Change, **how: int | str) -> ProposalCreate:
        """Create a proposal."""
        proposed = create(*changes, **how)  # type: ignore[arg-type]  # delay, expires_ms, memo
        self._send(0, proposed)
        return proposed

    def vote(self, proposed: ProposalCreate, number: int, *voters: int, approve: bool = True) -> None:
        """Vote, one operator after the other."""
        for by in voters:
            self._send(by, vote(by, proposed, number, approve=approve))

    def decide(self, *changes: Change, **how: int | str) -> int:
        """Create a proposal and approve it; its number."""
        proposed = self.propose(*changes, **how)
        number = self.node.chain_state().governance().count
        self.vote(proposed, number, 0, 1, 2)
        return number

    def _send(self, sender: int, operation: ProposalCreate | ProposalVote | ValidatorReady) -> None:
        self._nonce += 1
        self.node.append(transaction(operation, sender=sender, nonce=self._nonce))
        assert self.node.results() == ("applied",), self.node.results()


SUSPEND = SuspendAccount("org3")
REVOKE = RevokeRole("org3", "operator")
"""Impossible while org3 operates a validator."""
