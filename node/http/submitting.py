"""POST /v1/transactions: one envelope, or a batch of them, handed to the node in their exact bytes.

Nothing here looks inside an envelope: a batch is split at its line ends and goes to the node's door as it came
(design section 11: nothing is done per transaction that can be done per batch). The transaction's id is its
idempotency key, so submitting the same bytes again is always safe and has the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from aiohttp import web

from ledger.block import Leaf
from ledger.limits import HTTP_BATCH_TRANSACTIONS_MAX, HTTP_BODY_BYTES_MAX, HTTP_READ_SECONDS_MAX
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from node.http import render
from node.http.call import JSON, NDJSON, Answer, Caching, Call
from node.http.problems import HttpCode, Problem, ProblemError, refused
from node.http.transactions import find
from node.http.waiting import asked_to_wait, wait_for
from node.replica import Committed, Outcome, Pending

_TYPES = f"{JSON}, {NDJSON}"


async def submit(call: Call) -> Answer:
    """Take one transaction (JSON) or many (NDJSON); with `Prefer: wait=N`, wait for what becomes of them."""
    media_type = _media_type(call)
    seconds = asked_to_wait(call)
    body = await _body(call)
    if media_type == JSON:
        return await _submit_one(call, body.rstrip(b"\r\n"), seconds)
    envelopes = body.splitlines()
    if b"" in envelopes:
        envelopes = [envelope for envelope in envelopes if envelope]
    return await _submit_batch(call, envelopes, seconds)


async def _submit_one(call: Call, envelope: bytes, seconds: int) -> Answer:
    """200 with the status when the outcome is final, 202 when it is not; the problem when it is refused."""
    (outcome,) = await call.node.submit((envelope,))
    if isinstance(outcome, Refusal):
        raise ProblemError(refused(outcome))
    headers = {"Location": render.transaction_path(outcome.transaction_id)}
    if seconds and isinstance(outcome, Pending):
        headers |= await wait_for(call, (outcome.transaction_id,), seconds)
    known = find(call, outcome.transaction_id)
    if known is None:
        raise ProblemError(_dropped(outcome.transaction_id))
    # What a POST answers is for its sender: the immutable form is at its Location.
    status = 200 if known.final else 202
    return replace(known.answer, status=status, caching=Caching.NEVER, headers=headers)


async def _submit_batch(call: Call, envelopes: list[bytes], seconds: int) -> Answer:
    """One result for each line, in order; 202 when any of them is pending, else 200."""
    if not envelopes:
        raise ProblemError(Problem(Code.TRANSACTION_MALFORMED, "the body has no line"))
    if len(envelopes) > HTTP_BATCH_TRANSACTIONS_MAX:
        detail = f"{len(envelopes)} transactions in one request, more than {HTTP_BATCH_TRANSACTIONS_MAX}"
        raise ProblemError(Problem(HttpCode.BODY_TOO_LARGE, detail))
    outcomes = await call.node.submit(envelopes)
    pending = [outcome.transaction_id for outcome in outcomes if isinstance(outcome, Pending)]
    committed = [outcome.transaction_id for outcome in outcomes if isinstance(outcome, Committed)]
    if not seconds or not pending:
        leaves = call.queries.leaves(committed)
        results = [
            render.pending(outcome.transaction_id) if isinstance(outcome, Pending) else _result(outcome, leaves)
            for outcome in outcomes
        ]
        return Answer(render.to_bytes(render.results(results)), status=202 if pending else 200)
    headers = await wait_for(call, pending, seconds)
    leaves = call.queries.leaves(committed + pending)
    results = [_result_now(call, outcome, leaves) for outcome in outcomes]
    final = not any(call.node.pending(transaction_id) for transaction_id in pending)
    return Answer(render.to_bytes(render.results(results)), status=200 if final else 202, headers=headers)


def _result(outcome: Outcome, leaves: Mapping[Digest, Leaf]) -> render.Document:
    match outcome:
        case Pending():
            return render.pending(outcome.transaction_id)
        case Refusal():
            return render.refusal(refused(outcome))
        case Committed():
            assert outcome.transaction_id in leaves, "what the node says is committed is durable"
            return render.applied(leaves[outcome.transaction_id])
        case _:
            assert_never(outcome)


def _result_now(call: Call, outcome: Outcome, leaves: Mapping[Digest, Leaf]) -> render.Document:
    """The result after a wait: what was pending may be committed, expired or dropped by now."""
    if not isinstance(outcome, Pending) or call.node.pending(outcome.transaction_id):
        return _result(outcome, leaves)
    if leaf := leaves.get(outcome.transaction_id):
        return render.applied(leaf)
    if call.node.expired(outcome.transaction_id):
        return render.expired(outcome.transaction_id)
    return render.refusal(_dropped(outcome.transaction_id))


def _dropped(transaction_id: Digest) -> Problem:
    return Problem(HttpCode.TRANSACTION_DROPPED, f"transaction {transaction_id.hex()} is no longer held")


def _media_type(call: Call) -> str:
    """The body's media type. Raises `ProblemError` for one that no submission has, and for a content coding."""
    headers = call.request.headers
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON, NDJSON):
        detail = f"the body is {ascii(media_type[:80]) if media_type else 'of no stated type'}, not one of: {_TYPES}"
        raise ProblemError(Problem(HttpCode.MEDIA_TYPE_UNSUPPORTED, detail, headers={"Accept-Post": _TYPES}))
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        detail = "the body has a Content-Encoding"
        raise ProblemError(Problem(HttpCode.MEDIA_TYPE_UNSUPPORTED, detail, headers={"Accept-Encoding": "identity"}))
    return media_type


async def _body(call: Call) -> bytes:
    """The whole body, within the bounds of size, time and memory. Raises `ProblemError`."""
    size = call.request.content_length
    if size is None:
        size = HTTP_BODY_BYTES_MAX
    if size > HTTP_BODY_BYTES_MAX:
        raise _too_large(size)
    in_flight, address = call.context.body_bytes, call.address
    if not in_flight.take(address, size):
        raise ProblemError(Problem(HttpCode.BODIES_EXHAUSTED, "too many submissions are being read"))
    try:
        if call.request.content.is_eof():
            return await call.request.read()  # it came with the headers: nothing to wait for
        async with call.context.patience(HTTP_READ_SECONDS_MAX):
            return await call.request.read()
    except TimeoutError:
        if call.context.closing:
            raise ProblemError(Problem(HttpCode.CLOSING, "the body had not arrived")) from None
        detail = f"the body did not arrive within {HTTP_READ_SECONDS_MAX} seconds"
        raise ProblemError(Problem(HttpCode.REQUEST_TIMEOUT, detail)) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(HTTP_BODY_BYTES_MAX + 1) from None
    finally:
        in_flight.give_back(address, size)


def _too_large(size: int) -> ProblemError:
    detail = f"the body has {size} bytes or more; {HTTP_BODY_BYTES_MAX} is the limit"
    return ProblemError(Problem(HttpCode.BODY_TOO_LARGE, detail))
