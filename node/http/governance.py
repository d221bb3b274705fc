"""How the chain changes itself: proposals and the votes on them, and who is ready to be a validator."""

from __future__ import annotations

from ledger.governance.proposals import as_of
from ledger.refusals import Code, Refusal
from ledger.rows.governance import candidate_key, proposal_key
from ledger.state import State
from node.http import governance_documents as documents
from node.http import render, transactions
from node.http.call import Answer, Call
from node.http.lists import answer_page, requested_page, stored_page
from node.http.parameters import HEIGHT, PROPOSAL, PROPOSAL_STATE, VALIDATOR, Order
from node.http.problems import HttpCode, Problem, ProblemError, refused
from node.http.registry import state_of
from node.http.state_proofs import proof_of


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
    row, proof = state.proposal(number), proof_of(call, proposal_key(number), height)
    if row is None:
        refusal = Refusal(Code.PROPOSAL_UNKNOWN, f"no proposal {number} at height {height}")
        raise ProblemError(refused(refusal, proof))
    found = as_of(row, chain.header(height).time_ms)
    voted, voted_height = state, height
    if found.decided_height is not None:  # votes of a block are weighed on the set that its parent decided
        voted_height = found.decided_height - 1
        voted = State(chain.state_at(voted_height))
    document = documents.proposal_details(found, height, voted=voted, voted_height=voted_height, state=state)
    return Answer(render.to_bytes({**document, **proof}))


def proposal_history(call: Call) -> Answer:
    """GET /v1/proposals/{number}/history: the transactions that created, voted on, withdrew or expired it."""
    number, (state, height) = call.path(PROPOSAL), state_of(call, None)
    if state.proposal(number) is None:
        raise ProblemError(refused(Refusal(Code.PROPOSAL_UNKNOWN, f"no proposal {number} at height {height}")))
    return transactions.listed(call, proposal=number)


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
    found, proof = state.candidate(name), proof_of(call, candidate_key(name), height)
    if found is None:
        raise ProblemError(Problem(HttpCode.CANDIDATE_UNKNOWN, f"no candidate {name} at height {height}", proof))
    return Answer(render.to_bytes({**documents.candidate(found, height), **proof}))
