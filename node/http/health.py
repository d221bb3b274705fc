"""What operators ask a node: is it alive, is it ready, what is it doing."""

from __future__ import annotations

from ledger.refusals import Code
from node.http import render
from node.http.call import Answer, Call
from node.http.parameters import BLOCKS_BEHIND_MAX, PEERS_MIN
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.version import VERSION
from node.replica import ReplicaStatus, Role

BLOCKS_BEHIND_MAX_DEFAULT = 2


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
    if len(status.peers) < peers_min:
        reasons.append(f"{len(status.peers)} connected peers, fewer than minPeers={peers_min}")
    who, height = _claimed(status)
    behind = height - status.deciding
    if behind > blocks_behind_max:
        reasons.append(f"{behind} blocks behind according to {who}, more than maxBlocksBehind={blocks_behind_max}")
    return reasons


def _claimed(status: ReplicaStatus) -> tuple[str, int]:
    """The height that peers say they decide, as far as it is believed, and who says so; 0 when nobody says anything.

    A height is a claim. The network lives with n - q validators that fail, so one more has to agree; followers are
    asked where there is no validator. Where fewer are connected, all of them have to agree.
    """
    heard = [peer for peer in status.peers if peer.height > 0]
    validators = [peer.height for peer in heard if peer.validator is not None]
    heights = sorted(validators or (peer.height for peer in heard), reverse=True)
    count = min(len(status.validators) - status.quorum + 1, len(heights))
    who = "validators" if validators else "peers"
    return f"{count} of {len(heights)} connected {who}", heights[count - 1] if heights else 0


def status(call: Call) -> Answer:
    """GET /v1/status."""
    document = render.status(
        call.node.status(), network=call.queries.chain.genesis.network, tip=call.queries.chain.tip, version=VERSION
    )
    return Answer(render.to_bytes(document))


def metrics(call: Call) -> Answer:
    """GET /metrics, in the Prometheus text format."""
    body, content_type = call.context.metrics.exposition()
    return Answer(body, media_type=content_type)
