"""Evidence: what the ledger has recorded, what only this node has found, and the portable file of each."""

from __future__ import annotations

from ledger.evidence import Evidence
from ledger.evidence_admission import recorded_evidence
from ledger.limits import NAME_BYTES_MAX
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import State
from ledger.transaction import parse_transaction
from node.http import render
from node.http.call import Answer, Caching, Call
from node.http.lists import answer_page, requested_page, stored_page
from node.http.parameters import EVIDENCE_DIGEST, PINNED_HEIGHT
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.receipts import evidence_file_of
from node.storage.queries import CommittedTransaction

_HEIGHT_BYTES = 8


def listed(call: Call) -> Answer:
    """GET /v1/evidence: what is on the ledger, in the order in which it was recorded."""
    request = requested_page(call)
    page = stored_page(lambda: call.queries.transactions(request, type="evidence.record"))
    return answer_page(call, (render.evidence(_evidence_in(item), item) for item in page.items), page.next)


def unrecorded(call: Call) -> Answer:
    """GET /v1/evidence/unrecorded: what this node found and the ledger has not, by height and validator."""
    request = requested_page(call)
    found = sorted(_unrecorded(call), key=_place, reverse=request.reverse)
    if (after := request.after) is not None:
        if not _HEIGHT_BYTES < len(after) <= _HEIGHT_BYTES + NAME_BYTES_MAX:
            raise ProblemError(Problem(HttpCode.CURSOR_INVALID, "cursor: it names no evidence"))
        found = [item for item in found if (_place(item) < after if request.reverse else _place(item) > after)]
    items = found[: request.limit]
    more = len(found) > len(items)
    return answer_page(call, (render.evidence(item, None) for item in items), _place(items[-1]) if more else None)


def file(call: Call) -> Answer:
    """GET /v1/evidence/{digest}: the portable file."""
    digest, from_height = call.path(EVIDENCE_DIGEST), call.height(PINNED_HEIGHT) or 0
    evidence = _find(call, digest)
    if evidence is None:
        raise ProblemError(Problem(HttpCode.EVIDENCE_UNKNOWN, f"no evidence {digest.hex()}"))
    if from_height >= evidence.height:
        detail = f"{PINNED_HEIGHT.name}: the evidence is of height {evidence.height}, and must be above it"
        raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, detail))
    headers = {"Content-Disposition": f'attachment; filename="evidence-{digest.hex()[:16]}.json"'}
    document = evidence_file_of(call.queries.chain, evidence, from_height)
    return Answer(document, caching=Caching.STABLE, headers=headers)


def _find(call: Call, digest: Digest) -> Evidence | None:
    """The evidence with this digest, on the ledger or found here."""
    item = call.queries.evidence(digest)
    if item is not None:
        return _evidence_in(item)
    return next((evidence for evidence in _unrecorded(call) if evidence.digest == digest), None)


def _unrecorded(call: Call) -> list[Evidence]:
    """A node keeps few contradictions of each validator: they are looked at one by one."""
    chain = call.queries.chain
    state, newest = State(chain.state), chain.tip.header.height
    return [
        item
        for item in call.node.evidence()
        if item.height <= newest + 1 and state.evidence(item.validator, item.height) is None
    ]


def _evidence_in(item: CommittedTransaction) -> Evidence:
    transaction = parse_transaction(item.envelope)
    assert not isinstance(transaction, Refusal), "it was admitted"
    return recorded_evidence(transaction)


def _place(item: Evidence) -> bytes:
    return item.height.to_bytes(_HEIGHT_BYTES, "big") + item.validator.encode()
