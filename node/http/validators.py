"""The validator set, its members now or at a height, what the ledger holds against them, and whose keys were when."""

from __future__ import annotations

from ledger.refusals import Code, Refusal
from ledger.rows.evidence import evidence_key
from ledger.rows.settings import VALIDATORS_KEY
from ledger.rows.validator_keys import validator_key_key
from ledger.state import State
from node.http import governance_documents, render, transactions
from node.http.call import Answer, Call
from node.http.lists import answer_page, requested_page, stored_page
from node.http.parameters import ACCUSED_HEIGHT, HEIGHT, VALIDATOR, VALIDATOR_KEY
from node.http.problems import HttpCode, Problem, ProblemError, refused
from node.http.registry import state_of
from node.http.state_proofs import proof_of
from node.storage.paging import PageRequest


def validators(call: Call) -> Answer:
    """GET /v1/validators: the set in force after the block of the height, which signs the next one."""
    state, height = state_of(call, call.height(HEIGHT))
    found = state.validators()
    last_signed = {item.name: call.queries.chain.last_signed_height(item.name) for item in found.validators}
    pending = governance_documents.pending_set_change(state)
    document = {**render.validators(found, height, last_signed), "pending_set_change": pending}
    return Answer(render.to_bytes({**document, **proof_of(call, VALIDATORS_KEY, height)}))


def validator(call: Call) -> Answer:
    """GET /v1/validators/{validator}: its entry in that set; the proof is of the whole set."""
    state, height = state_of(call, call.height(HEIGHT))
    name, proof = call.path(VALIDATOR), proof_of(call, VALIDATORS_KEY, height)
    found = next((item for item in state.validators().validators if item.name == name), None)
    if found is None:
        refusal = Refusal(Code.VALIDATOR_UNKNOWN, f"no validator {name} in the set at height {height}")
        raise ProblemError(refused(refusal, proof))
    last_signed = call.queries.chain.last_signed_height(name)
    return Answer(render.to_bytes({**render.validator(found, height, last_signed), **proof}))


def history(call: Call) -> Answer:
    """GET /v1/validators/{validator}/history: the transactions about it, whether it is in the set or not."""
    return transactions.listed(call, validator=_known_name(call))


def recorded_evidence(call: Call) -> Answer:
    """GET /v1/validators/{validator}/evidence: by the height at which it contradicted itself."""
    name, request, height = _known_name(call), requested_page(call), call.height(HEIGHT)
    page = stored_page(lambda: call.queries.recorded_evidence(name, request, height=height))
    _, answered = state_of(call, height)
    return answer_page(call, (render.recorded_evidence(item, answered) for item in page.items), page.next)


def evidence_at(call: Call) -> Answer:
    """GET /v1/validators/{validator}/evidence/{accused_height}."""
    name, about = call.path(VALIDATOR), call.path(ACCUSED_HEIGHT)
    state, height = state_of(call, call.height(HEIGHT))
    found, proof = state.evidence(name, about), proof_of(call, evidence_key(name, about), height)
    if found is None:
        detail = f"at height {height} the ledger has no evidence against {name} about height {about}"
        raise ProblemError(Problem(HttpCode.EVIDENCE_UNKNOWN, detail, proof))
    return Answer(render.to_bytes({**render.recorded_evidence(found, height), **proof}))


def key(call: Call) -> Answer:
    """GET /v1/validator-keys/{key}: whose it is or was, and when."""
    wanted = call.path(VALIDATOR_KEY)
    state, height = state_of(call, call.height(HEIGHT))
    found, proof = state.validator_key(wanted), proof_of(call, validator_key_key(wanted), height)
    if found is None:
        detail = f"at height {height} key {wanted.hex()} is and was no validator's"
        raise ProblemError(Problem(HttpCode.VALIDATOR_KEY_UNKNOWN, detail, proof))
    return Answer(render.to_bytes({**render.validator_key(wanted, found, height), **proof}))


def _known_name(call: Call) -> str:
    """The name in the path, if a validator has it now or anything on the ledger was ever about it."""
    name = call.path(VALIDATOR)
    in_the_set = any(item.name == name for item in State(call.queries.chain.state).validators().validators)
    if not in_the_set and not call.queries.transactions(PageRequest(1), validator=name).items:
        raise ProblemError(refused(Refusal(Code.VALIDATOR_UNKNOWN, f"the ledger knows no validator {name}")))
    return name
