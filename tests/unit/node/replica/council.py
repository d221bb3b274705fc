"""Real proposals on a cluster: made, approved and waited for, through the API of one node."""

from __future__ import annotations

from ledger.execution import APPLIED
from ledger.governance.changes import Change
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation
from ledger.rows.governance import Proposal, ProposalState
from ledger.state import State
from ledger.validators import Validator
from node.storage.queries import Queries
from tests.unit.ledger.founders import founder, ready_of
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node

_OPEN_MS = 3_600_000


class Council:
    """The operators of a cluster, who agree with whatever is proposed. All of them ask the node `by`."""

    def __init__(self, cluster: Cluster, by: Node) -> None:
        self._cluster = cluster
        self._by = by

    @property
    def state(self) -> State:
        """The state after the tip of that node."""
        return State(self._by.running._parts.chain.state)

    def do(self, operation: Operation) -> str:
        """The result of an operation, as soon as it is in a block of that node."""
        made = self._cluster.sign(operation, sender=int(operation.by.removeprefix("org")))
        self._cluster.submit(self._by, made)
        self._cluster.run_until(lambda: self._cluster.committed(made, [self._by]), within_ms=12 * BASE_TIMEOUT_MS)
        found = Queries(self._by.running._parts.chain).transaction(made.id)
        assert found is not None
        return found.leaf.result

    def ready(self, entry: Validator, keys: int) -> None:
        """Founder number `keys` says that its keys are ready for `entry`."""
        operation = ready_of(self._cluster.genesis.chain, entry, founder(keys), self._by.height)
        assert self.do(operation) == APPLIED

    def decide(self, *changes: Change, delay: int = 1) -> Proposal:
        """Propose these changes and vote until they are decided. Returns the decided proposal."""
        number = self.state.governance().count + 1
        expires_ms = self._by.running.status().time_ms + _OPEN_MS
        assert self.do(ProposalCreate("org0", changes, expires_ms, delay)) == APPLIED
        for validator in self.state.validators().validators:
            proposal = self._proposal(number)
            if proposal.state is not ProposalState.OPEN:
                break
            assert self.do(ProposalVote(validator.operator, number, proposal.digest, True)) == APPLIED
        return self._proposal(number)

    def _proposal(self, number: int) -> Proposal:
        proposal = self.state.proposal(number)
        assert proposal is not None
        return proposal
