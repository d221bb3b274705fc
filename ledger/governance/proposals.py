"""What voters agree to, and what their votes amount to.

Votes are weighed anew at each vote, against the set and the accounts as they are then: a vote of an account that has
left the set, or is suspended, weighs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger.crypto import digest, tag
from ledger.encoding import encode_trusted
from ledger.governance.changes import Change, changes_set
from ledger.governance.electorate import Electorate
from ledger.primitives import Digest
from ledger.rows.governance import Proposal, ProposalState
from ledger.state import State

_PROPOSAL_TAG = tag("proposal")


def proposal_digest(
    *,
    chain: Digest,
    proposer: str,
    changes: Iterable[Change],
    expires_ms: int,
    delay: int,
    evidence: Iterable[Digest],
    memo: str | None,
) -> Digest:
    """What a vote names a proposal by, beside its number: the whole content that its voter saw."""
    return digest(
        _PROPOSAL_TAG,
        encode_trusted(
            {
                "chain": chain.hex(),
                "proposer": proposer,
                "changes": [change.to_json() for change in changes],
                "expires": expires_ms,
                "delay": delay,
                "evidence": [item.hex() for item in evidence],
                "memo": memo,
            }
        ),
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes on a proposal, weighed against a set of n validators with quorum q."""

    approvals: int
    rejections: int
    validators: int
    quorum: int

    @property
    def approved(self) -> bool:
        """Whether validators that are a quorum approve."""
        return self.approvals >= self.quorum

    @property
    def missing(self) -> int:
        """How many more validators must approve."""
        return max(0, self.quorum - self.approvals)

    @property
    def rejected(self) -> bool:
        """Whether so many reject that the others are no quorum, whatever they do."""
        return self.validators - self.rejections < self.quorum


def tally(electorate: Electorate, proposal: Proposal) -> Tally:
    """The votes on `proposal`, weighed as `electorate` may cast them now."""
    approvals, rejections = (
        sum(electorate.weights.get(account, 0) for account in accounts)
        for accounts in (proposal.approvals, proposal.rejections)
    )
    return Tally(approvals, rejections, electorate.validators, electorate.quorum)


def as_of(proposal: Proposal, time_ms: int) -> Proposal:
    """`proposal` as it stands at ledger time: its row learns that it has expired only when another is created."""
    if proposal.state is ProposalState.OPEN and time_ms >= proposal.expires_ms:
        return replace(proposal, state=ProposalState.EXPIRED)
    return proposal


def decided_set_change(state: State) -> Proposal | None:
    """The proposal that is decided and will change the validator set or its quorum. There is one at most."""
    for item in state.governance().pending:
        proposal = state.proposal(item.number)
        assert proposal is not None, "a pending proposal has its row"
        if changes_set(proposal.changes):
            return proposal
    return None
