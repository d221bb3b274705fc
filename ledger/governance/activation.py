"""What a block puts into force at its end, and from which height on the software must know other rules."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from ledger.governance.changes import ParameterSet, RecoverAccount
from ledger.governance.draft import apply_changes
from ledger.parameters import PROTOCOL_VERSION
from ledger.refusals import Refusal
from ledger.rows.governance import GOVERNANCE_KEY, ProposalState, proposal_key
from ledger.state import Overlay, State


def activate(state: Overlay, height: int) -> None:
    """Put into force what is due at `height` + 1, at the end of executing the block at `height`.

    A proposal that has become impossible since it was decided fails, with the code of the refusal, and changes nothing.
    """
    governance = state.governance()
    due = [item.number for item in governance.pending if item.activation_height == height + 1]
    if not due:
        return
    for number in due:
        proposal = state.proposal(number)
        assert proposal is not None, "a pending proposal has its row"
        savepoint = state.savepoint()
        outcome = apply_changes(
            state,
            proposal.changes,
            created_height=proposal.created_height,
            delay=proposal.delay,
            activation_height=height + 1,
        )
        if isinstance(outcome, Refusal):
            state.roll_back(savepoint)
            proposal = replace(proposal, state=ProposalState.FAILED, code=outcome.code)
        else:
            _forget_votes(state, {change.account for change in proposal.changes if isinstance(change, RecoverAccount)})
            proposal = replace(proposal, state=ProposalState.ACTIVE)
        state.put(proposal_key(number), proposal)
    left = tuple(item for item in governance.pending if item.number not in due)
    state.put(GOVERNANCE_KEY, replace(governance, pending=left))


def _forget_votes(state: Overlay, recovered: Set[str]) -> None:
    """Take the votes of accounts that were recovered out of open proposals: whoever had their keys cast them. Their
    owners vote again."""
    for item in state.governance().open if recovered else ():
        proposal = state.proposal(item.number)
        assert proposal is not None, "an open proposal has its row"
        approvals, rejections = (
            tuple(name for name in names if name not in recovered)
            for names in (proposal.approvals, proposal.rejections)
        )
        if (approvals, rejections) != (proposal.approvals, proposal.rejections):
            state.put(proposal_key(item.number), replace(proposal, approvals=approvals, rejections=rejections))


@dataclass(frozen=True, slots=True)
class UnknownRules:
    """From `height` on, blocks follow a `protocol_version` that this software does not know."""

    protocol_version: int
    height: int


def unknown_rules(state: State, height: int) -> UnknownRules | None:
    """Whether the chain will leave the rules that this software knows, as is decided in the state after `height`.

    With a version that is in force already, the height is the next one.
    """
    version = state.parameters().protocol_version
    if version > PROTOCOL_VERSION:
        return UnknownRules(version, height + 1)
    for item in sorted(state.governance().pending, key=lambda pending: pending.activation_height):
        proposal = state.proposal(item.number)
        assert proposal is not None, "a pending proposal has its row"
        for change in proposal.changes:
            match change:
                case ParameterSet("protocol_version", value) if value > PROTOCOL_VERSION:
                    return UnknownRules(value, item.activation_height)
                case _:
                    continue
    return None
