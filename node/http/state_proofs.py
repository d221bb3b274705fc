"""What the state has under any key, at any height; and the proof of it, for the newest heights."""

from __future__ import annotations

import orjson

from ledger.consensus.codec import decode_commit_record
from ledger.state_proof import ProvedRow, build_state_proof
from ledger.trie import prove
from node.http import render
from node.http.call import Answer, Call
from node.http.lists import answer_page, requested_heights, requested_page, stored_page
from node.http.parameters import HEIGHT, PINNED_HEIGHT, PROOF, STATE_KEY
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.receipts import trail_to
from node.storage.chain_store import ChainStore


def row(call: Call) -> Answer:
    """GET /v1/state: the row of a state key, or null for none."""
    key, height = call.required(STATE_KEY), answered_height(call)
    value = call.queries.chain.state_at(height).get(key)
    return Answer(render.to_bytes({**render.state_row(key, value, height), **proof_of(call, key, height)}))


def versions(call: Call) -> Answer:
    """GET /v1/state/versions: each block that wrote or deleted the row of a state key."""
    key, request, (from_height, to_height) = call.required(STATE_KEY), requested_page(call), requested_heights(call)
    page = stored_page(lambda: call.queries.versions(key, request, from_height=from_height, to_height=to_height))
    return answer_page(call, map(render.state_version, page.items), page.next)


def document(call: Call) -> Answer:
    """GET /v1/proofs/state: a state proof as it stands for itself."""
    key, height = call.required(STATE_KEY), answered_height(call)
    return Answer(state_proof_of(call.queries.chain, key, height, call.height(PINNED_HEIGHT) or 0))


def answered_height(call: Call) -> int:
    """The height whose state is asked for: the newest unless the query names one. Raises `ProblemError`."""
    height = call.height(HEIGHT)
    return call.queries.chain.tip.header.height if height is None else height


def proof_of(call: Call, key: bytes, height: int) -> dict[str, object]:
    """The member `proof` of an answer about a state key, if it was asked for. Raises `ProblemError`."""
    if not call.query(PROOF):
        call.query(PINNED_HEIGHT)  # may be any height: a list has a parameter of this name that means another thing
        return {}
    from_height = call.height(PINNED_HEIGHT) or 0
    return {"proof": orjson.Fragment(state_proof_of(call.queries.chain, key, height, from_height))}


def state_proof_of(chain: ChainStore, key: bytes, height: int, from_height: int = 0) -> bytes:
    """The proof of what the state after the block at `height` has under `key`, for trust that starts at `from_height`.

    Raises `ProblemError` when there is none, or none any more, of that height, or too long a trail leads there.
    """
    oldest, newest = chain.oldest_provable_height, chain.tip.header.height
    root = chain.trie_root_at(height)
    if height == 0 or root is None:
        reason = "what genesis says is proved by genesis" if height == 0 else f"height {height} is too long ago"
        provable = f"heights {oldest} to {newest} can be proved" if newest else "no block is certified yet"
        heights = {"from": oldest, "to": newest} if newest else None
        raise ProblemError(Problem(HttpCode.PROOF_UNAVAILABLE, f"{reason}; {provable}", {"proof_heights": heights}))
    value = chain.state_at(height).get(key)
    path = prove(root, key, chain.trie_node)
    record, trail = decode_commit_record(chain.record(height)), trail_to(chain, height, from_height)
    return build_state_proof(ProvedRow(key, value, path), record=record, trail=trail)
