"""Blocks: listed, whole, their certificates, their bodies, and many as the lines of an export."""

from __future__ import annotations

from ledger.block_proof import build_block_proof
from ledger.consensus.codec import decode_commit_record
from ledger.export import block_lines
from ledger.limits import EXPORT_ANSWER_BYTES, EXPORT_ANSWER_RECORD_BYTES
from ledger.merkle import frontier_at
from node.http import render
from node.http.call import NDJSON, Answer, Caching, Call
from node.http.lists import answer_page, requested_heights, requested_page, stored_page
from node.http.parameters import BLOCK, FROM_HEIGHT, TO_HEIGHT
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.chain_store import ChainStore


def listed(call: Call) -> Answer:
    """GET /v1/blocks."""
    request, (from_height, to_height) = requested_page(call), requested_heights(call)
    page = stored_page(lambda: call.queries.heights(request, from_height=from_height, to_height=to_height))
    items = (listed_block(call.queries.chain, height) for height in page.items)
    return answer_page(call, items, page.next)


def block(call: Call) -> Answer:
    """GET /v1/blocks/{block}."""
    height, caching = _height(call)
    chain = call.queries.chain
    document = render.block(listed_block(chain, height), chain.block(height).leaves_in_hex())
    headers = {"Content-Location": f"/v1/blocks/{height}"}
    return Answer(render.to_bytes(document), caching=caching, headers=headers)


def certificate(call: Call) -> Answer:
    """GET /v1/blocks/{block}/certificate: the commit record in its stored bytes."""
    height, caching = _height(call)
    if height == 0:
        raise ProblemError(Problem(HttpCode.CERTIFICATE_UNKNOWN, "block 0 is genesis"))
    stable = Caching.STABLE if caching is Caching.IMMUTABLE else caching
    return Answer(call.queries.chain.record(height), caching=stable)


def proof(call: Call) -> Answer:
    """GET /v1/blocks/{block}/proof."""
    height, caching = _height(call)
    if height == 0:
        raise ProblemError(Problem(HttpCode.CERTIFICATE_UNKNOWN, "block 0 is genesis"))
    stable = Caching.STABLE if caching is Caching.IMMUTABLE else caching
    return Answer(block_proof_of(call.queries.chain, height), caching=stable)


def body(call: Call) -> Answer:
    """GET /v1/blocks/{block}/body: the exact envelopes, one on each line."""
    height, caching = _height(call)
    lines = b"".join(envelope + b"\n" for envelope in call.queries.chain.envelopes(height))
    return Answer(lines, media_type=NDJSON, caching=caching)


def export(call: Call) -> Answer:
    """GET /v1/export: lines of `ledger.export` of whole blocks, as many as an answer takes; none above the newest."""
    chain = call.queries.chain
    first, last = call.query(FROM_HEIGHT), call.query(TO_HEIGHT)
    newest = chain.tip.header.height
    last = newest if last is None else min(last, newest)
    parts: list[bytes] = []
    size = record_size = 0
    for height in range(max(1, first or 1), last + 1):
        record = chain.record(height)
        parts.append(block_lines(chain.block_hash(height), record, chain.block(height).transactions()))
        size += len(parts[-1])
        record_size += len(record)
        if size >= EXPORT_ANSWER_BYTES or record_size >= EXPORT_ANSWER_RECORD_BYTES:
            break
    return Answer(b"".join(parts), media_type=NDJSON)


def block_proof_of(chain: ChainStore, height: int) -> bytes:
    """What proves a block that is not genesis, and which transactions it has."""
    header = chain.header(height)
    before = frontier_at(header.log_size - header.transaction_count, chain.log_reader())
    return build_block_proof(decode_commit_record(chain.record(height)), chain.leaves(height), before)


def listed_block(chain: ChainStore, height: int) -> render.Document:
    """A block without its transactions, with the names of those whose signatures are in its certificate."""
    stored = chain.stored_header(height)
    if height == 0:
        return render.listed_block(stored.block_hash, stored.header, None, ())
    record = decode_commit_record(chain.record(height))
    signers = chain.validators_of(height).names_of(record.certificate.signers)
    return render.listed_block(stored.block_hash, stored.header, record, signers)


def _height(call: Call) -> tuple[int, Caching]:
    """The height of the block that the path names, and how what is in it may be cached. Raises `ProblemError`."""
    asked = call.path(BLOCK)
    chain = call.queries.chain
    newest = chain.tip.header.height
    if asked is None:
        return newest, Caching.NEVER
    height = asked if isinstance(asked, int) else chain.height_of(asked)
    if height is None or height > newest:
        raise ProblemError(Problem(HttpCode.BLOCK_UNKNOWN, f"no block {call.request.match_info[BLOCK.name]}"))
    return height, Caching.IMMUTABLE
