"""How the chain changes itself: proposals and the votes on them, and who is ready to be a validator."""

from __future__ import annotations

from ledger.governance.proposals import as_of
from ledger.refusals import Code, Refusal
from ledger.state import State
from node.http import governance_documents as documents
from node.http import render
from node.http.call import Answer, Call
from node.http.lists import answer_page, requested_page, stored_page
from node.http.parameters import HEIGHT, PROPOSAL, PROPOSAL_STATE, VALIDATOR, Order
from node.http.problems import HttpCode, Problem, ProblemError, refused
from node.http.registry import state_of


def proposals(call: Call) -> Answer:
    """GET /v1/proposals, by number."""
    request, height, wanted = requested_page(call), call.height(HEIGHT), call.query(PROPOSAL_STATE)
    page = stored_page(lambda: call.queries.proposals(request, wanted=wanted, height=height))
    _, answered = state_of(call, height)
    return answer_page(call, (documents.proposal(item, answered) for item in page.items), page.next)


def proposal(call: Call) -> Answer:
    """GET /v1/proposals/{number}: a closed one with the votes as they were weighed in the block that closed it."""
    number, chain = call.path(PROPOSAL), call.queries.chain
    state, height = state_of(call, call.height(HEIGHT))
    row = state.proposal(number)
    if row is None:
        raise ProblemError(refused(Refusal(Code.PROPOSAL_UNKNOWN, f"no proposal {number} at height {height}")))
    found = as_of(row, chain.header(height).time_ms)
    voted, voted_height = state, height
    if found.decided_height is not None:  # votes of a block are weighed on the set that its parent decided
        voted_height = found.decided_height - 1
        voted = State(chain.state_at(voted_height))
    document = documents.proposal_details(found, height, voted=voted, voted_height=voted_height, state=state)
    return Answer(render.to_bytes(document))


def candidates(call: Call) -> Answer:
    """GET /v1/candidates, by name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    page = stored_page(lambda: call.queries.candidate_names(request, height=height))
    state, answered = state_of(call, height)
    found = (state.candidate(name) for name in page.items)
    return answer_page(call, (documents.candidate(item, answered) for item in found if item is not None), page.next)


def candidate(call: Call) -> Answer:
    """GET /v1/candidates/{validator}."""
    name = call.path(VALIDATOR)
    state, height = state_of(call, call.height(HEIGHT))
    found = state.candidate(name)
    if found is None:
        raise ProblemError(Problem(HttpCode.CANDIDATE_UNKNOWN, f"no candidate {name} at height {height}"))
    return Answer(render.to_bytes(documents.candidate(found, height)))
