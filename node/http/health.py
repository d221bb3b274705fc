"""What operators ask a node: is it alive, is it ready, what is it doing."""

from __future__ import annotations

from ledger.limits import EVIDENCE_PER_VALIDATOR_MAX
from ledger.refusals import Code
from ledger.state import State
from node.doctor import BLOCKS_BEHIND_MAX_DEFAULT, Accusation, claimed_height, examine
from node.http import governance_documents as documents
from node.http import render
from node.http.call import Answer, Call
from node.http.parameters import BLOCKS_BEHIND_MAX, PEERS_MIN
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.version import VERSION
from node.replica import ReplicaStatus, Role
from node.storage.paging import PageRequest


def alive(call: Call) -> Answer:
    """GET /livez: the process answers and its storage works; otherwise it must be restarted."""
    status = call.node.status()
    if status.role is Role.HALTED:
        raise ProblemError(Problem(HttpCode.HALTED, status.reason))
    return Answer(render.to_bytes({"alive": True}))


def ready(call: Call) -> Answer:
    """GET /readyz: requests may be sent here; otherwise 503 with all reasons why not."""
    peers_min, behind_max = call.query(PEERS_MIN), call.query(BLOCKS_BEHIND_MAX)
    reasons = _unready(
        call.node.status(),
        peers_min=0 if peers_min is None else peers_min,
        blocks_behind_max=BLOCKS_BEHIND_MAX_DEFAULT if behind_max is None else behind_max,
    )
    if reasons:
        raise ProblemError(Problem(Code.NOT_READY, "; ".join(reasons), {"reasons": reasons}))
    return Answer(render.to_bytes({"ready": True}))


def _unready(status: ReplicaStatus, *, peers_min: int, blocks_behind_max: int) -> list[str]:
    reasons = []
    if status.role is Role.HALTED:
        reasons.append(f"the node has halted: {status.reason}")
    if status.role is Role.OUTDATED:
        reasons.append(f"the node is outdated: {status.reason}")
    if len(status.peers) < peers_min:
        reasons.append(f"{len(status.peers)} connected peers, fewer than minPeers={peers_min}")
    claim = claimed_height(status)
    behind = claim.height - status.deciding
    if behind > blocks_behind_max:
        who = claim.by
        reasons.append(f"{behind} blocks behind according to {who}, more than maxBlocksBehind={blocks_behind_max}")
    return reasons


def status(call: Call) -> Answer:
    """GET /v1/status."""
    chain = call.queries.chain
    document = render.status(call.node.status(), network=chain.genesis.network, tip=chain.tip, version=VERSION)
    pending = documents.pending_set_change(State(chain.state))
    return Answer(render.to_bytes({**document, "pending_set_change": pending}))


def doctor(call: Call) -> Answer:
    """GET /v1/doctor."""
    chain, node = call.queries.chain, call.node
    state, newest = State(chain.state), PageRequest(EVIDENCE_PER_VALIDATOR_MAX)
    accusations = {Accusation(item.validator, item.height) for item in node.evidence()}
    for validator in state.validators().validators:
        recorded = call.queries.recorded_evidence(validator.name, newest).items
        accusations |= {Accusation(item.validator, item.height) for item in recorded}
    findings = examine(
        node.status(),
        state,
        accusations=accusations,
        storage_low=node.storage_low,
        dial_faults=node.dial_faults(),
        workers=node.workers(),
    )
    return Answer(render.to_bytes(documents.doctor(findings, chain.tip)))


def metrics(call: Call) -> Answer:
    """GET /metrics, in the Prometheus text format."""
    body, content_type = call.context.metrics.exposition()
    return Answer(body, media_type=content_type)
