"""What light clients ask for: the way from what they know to a later block (`ledger.light_client`)."""

from __future__ import annotations

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.light_client import build_light_update
from ledger.limits import LIGHT_UPDATE_STEPS_MAX, LIGHT_UPDATE_TRAIL_BYTES_MAX
from ledger.merkle import prove_consistency
from ledger.trail import SetChange
from node.http.call import Answer, Caching, Call
from node.http.parameters import KNOWN_HEIGHT, KNOWN_LOG_SIZE, TO_HEIGHT
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.chain_store import ChainStore


def update(call: Call) -> Answer:
    """GET /v1/light/update."""
    asked = call.height(TO_HEIGHT)
    height = call.queries.chain.tip.header.height if asked is None else asked
    if height == 0:
        raise ProblemError(Problem(HttpCode.CERTIFICATE_UNKNOWN, "block 0 is genesis"))
    known = call.query(KNOWN_HEIGHT) or 0
    document = light_update_of(call.queries.chain, known, call.query(KNOWN_LOG_SIZE) or 0, height)
    return Answer(document, caching=Caching.NEVER if asked is None else Caching.STABLE)


def light_update_of(chain: ChainStore, known_height: int, known_log_size: int, height: int) -> bytes:
    """The update to block `height` for who knows all changes of the validator set up to `known_height`, and that log.

    To an earlier block, if there are more changes between than an update has room for. Where the log that is known is
    not shorter than that of the block, its consistency path is empty.
    """
    trail: list[SetChange] = []
    trail_bytes = 0
    for step in chain.set_changes(known_height + 1, height):
        decided_at = parse_header(step.record.header).height
        trail_bytes += len(chain.record(decided_at))
        if len(trail) == LIGHT_UPDATE_STEPS_MAX or (trail and trail_bytes > LIGHT_UPDATE_TRAIL_BYTES_MAX):
            height = decided_at
            break
        trail.append(step)
    size = chain.header(height).log_size
    return build_light_update(
        trail=trail,
        record=decode_commit_record(chain.record(height)),
        consistency=prove_consistency(known_log_size, size, chain.log_reader()) if known_log_size < size else (),
    )
