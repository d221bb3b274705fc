"""Documents about how the chain changes itself: proposals with their votes, candidates, and set changes to come."""

from __future__ import annotations

from ledger.chain import Tip
from ledger.errors import MalformedError
from ledger.governance.changes import Change
from ledger.governance.draft import check_changes
from ledger.governance.impact import impact
from ledger.governance.proposals import Tally, decided_set_change, tally
from ledger.refusals import TABLE
from ledger.rows.governance import Candidate, Proposal, ProposalState
from ledger.state import Overlay, State
from ledger.validators import ValidatorSet
from node.doctor import Finding, healthy
from node.http.render import Document, head, rfc3339, tolerance


def candidate(value: Candidate, height: int) -> Document:
    """A candidate as of after the block at `height`."""
    return {
        "name": value.entry.name,
        "entry": value.entry.to_json(),
        "digest": value.entry.digest.hex(),
        "ready_height": value.height,
        "recorded_height": value.recorded_height,
        "height": height,
    }


def proposal(value: Proposal, height: int) -> Document:
    """A proposal as of after the block at `height`; one whose time has come says so."""
    return {**value.to_json(), "expires_time": rfc3339(value.expires_ms), "height": height}


def proposal_details(value: Proposal, height: int, *, voted: State, voted_height: int, state: State) -> Document:
    """A proposal with its votes, weighed on the state `voted` after `voted_height`; `state` is that after `height`."""
    return {
        **proposal(value, height),
        "tally": _tally(voted, value, voted_height),
        "impact": _impact(voted.validators(), value.changes),
        "obstacle": _obstacle(state, value, height),
    }


def pending_set_change(state: State) -> Document | None:
    """The change of the set that is decided in `state` and not yet in force."""
    decided = decided_set_change(state)
    if decided is None:
        return None
    return {
        "proposal": decided.number,
        "activation_height": decided.activation_height,
        "changes": [change.to_json() for change in decided.changes],
        "impact": _impact(state.validators(), decided.changes),
    }


def doctor(findings: tuple[Finding, ...], tip: Tip) -> Document:
    """What a node finds wrong."""
    return {
        "healthy": healthy(findings),
        "findings": [finding.to_json() for finding in findings],
        "head": head(tip),
    }


def _tally(state: State, value: Proposal, height: int) -> Document:
    electorate = state.electorate()
    counted = tally(electorate, value)
    return {
        "height": height,
        "approvals": counted.approvals,
        "rejections": counted.rejections,
        "n": counted.validators,
        "q": counted.quorum,
        "missing": counted.missing,
        "votes": [
            {
                "validator": item.name,
                "operator": item.operator,
                "vote": _vote(value, item.operator),
                "counts": item.operator in electorate.weights,
            }
            for item in state.validators().validators
        ],
        "sentence": _tally_sentence(value, counted),
    }


def _vote(value: Proposal, operator: str) -> str | None:
    if operator in value.approvals:
        return "approve"
    return "reject" if operator in value.rejections else None


def _tally_sentence(value: Proposal, counted: Tally) -> str:
    sentence = (
        f"validators that approve: {counted.approvals} of {counted.validators}, that reject: {counted.rejections}; "
        f"the quorum is {counted.quorum}"
    )
    if value.state is ProposalState.OPEN:
        return f"{sentence}, {counted.missing} more {'is' if counted.missing == 1 else 'are'} needed"
    return sentence


def _impact(validators: ValidatorSet, changes: tuple[Change, ...]) -> Document:
    try:
        found = impact(validators, changes)
    except MalformedError as error:
        return {
            "before": tolerance(validators.tolerance),
            "after": None,
            "validators": [],
            "renewed": [],
            "sentence": f"It is impossible: {error}.",
        }
    return {
        "before": tolerance(found.before),
        "after": tolerance(found.after),
        "validators": list(found.validators),
        "renewed": list(found.renewed),
        "sentence": found.sentence(),
    }


def _obstacle(state: State, value: Proposal, height: int) -> Document | None:
    """Why a proposal that is still to come into force could not do so on `state`, the one after `height`."""
    match value.state:
        case ProposalState.OPEN:
            activation_height = height + 1 + value.delay
        case ProposalState.APPROVED if value.activation_height is not None:
            activation_height = value.activation_height
        case _:
            return None
    refusal = check_changes(
        Overlay(state),
        value.changes,
        created_height=value.created_height,
        delay=value.delay,
        activation_height=activation_height,
    )
    if refusal is None:
        return None
    return {"code": refusal.code.value, "detail": refusal.detail, "remedy": TABLE[refusal.code].remedy}
