"""Reads of transactions: status, receipt and search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ledger.primitives import Digest
from node.http import render
from node.http.call import Answer, Caching, Call
from node.http.lists import answer_page, requested_heights, requested_page, stored_page
from node.http.parameters import (
    ACCOUNT,
    ASSET,
    OPERATION_TYPE,
    PINNED_HEIGHT,
    PROPOSAL_NUMBER,
    STREAM,
    TRANSACTION_ID,
    VALIDATOR,
)
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.receipts import receipt_of
from node.http.waiting import asked_to_wait, wait_for


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a transaction, as an answer, and whether it can ever change."""

    final: bool
    answer: Answer


def find(call: Call, transaction_id: Digest) -> Known | None:
    """What is known of a transaction now: committed, expired or pending; None when it is unknown here."""
    committed = call.queries.transaction(transaction_id)
    if committed is not None:
        return Known(True, Answer(render.to_bytes(render.committed(committed)), caching=Caching.IMMUTABLE))
    pending = call.node.pending(transaction_id)
    if not pending and not call.node.expired(transaction_id):
        return None
    state = "pending" if pending else "expired"
    document = render.uncommitted(transaction_id, state, call.queries.chain.tip)
    return Known(not pending, Answer(render.to_bytes(document)))


async def status(call: Call) -> Answer:
    """GET /v1/transactions/{id}; with `Prefer: wait=N`, a pending one is waited for."""
    transaction_id = call.path(TRANSACTION_ID)
    seconds = asked_to_wait(call)
    headers: Mapping[str, str] = {}
    if seconds and call.node.pending(transaction_id):
        headers = await wait_for(call, (transaction_id,), seconds)
    known = find(call, transaction_id)
    if known is None:
        detail = f"no transaction {transaction_id.hex()}"
        extra = render.unknown(transaction_id, call.queries.chain.tip)
        raise ProblemError(Problem(HttpCode.TRANSACTION_UNKNOWN, detail, extra))
    return replace(known.answer, headers=headers)


def receipt(call: Call) -> Answer:
    """GET /v1/transactions/{id}/receipt."""
    transaction_id, from_height = call.path(TRANSACTION_ID), call.height(PINNED_HEIGHT) or 0
    committed = call.queries.transaction(transaction_id)
    if committed is None:
        detail = f"transaction {transaction_id.hex()} is in no block of this node"
        raise ProblemError(Problem(HttpCode.TRANSACTION_NOT_COMMITTED, detail))
    disposition = f'attachment; filename="receipt-{transaction_id.hex()[:16]}.json"'
    document = receipt_of(call.queries.chain, committed, from_height)
    return Answer(document, caching=Caching.STABLE, headers={"Content-Disposition": disposition})


def search(call: Call) -> Answer:
    """GET /v1/transactions: those that match everything that is given."""
    return listed(
        call,
        account=call.query(ACCOUNT),
        stream=call.query(STREAM),
        asset=call.query(ASSET),
        validator=call.query(VALIDATOR),
        proposal=call.query(PROPOSAL_NUMBER),
    )


def listed(
    call: Call,
    *,
    account: str | None = None,
    stream: str | None = None,
    asset: str | None = None,
    validator: str | None = None,
    proposal: int | None = None,
) -> Answer:
    """A page of the transactions that match these and the other filters of the query."""
    request, operation_type = requested_page(call), call.query(OPERATION_TYPE)
    from_height, to_height = requested_heights(call)
    page = stored_page(
        lambda: call.queries.transactions(
            request,
            account=account,
            stream=stream,
            asset=asset,
            type=operation_type,
            validator=validator,
            proposal=proposal,
            from_height=from_height,
            to_height=to_height,
        )
    )
    return answer_page(call, map(render.listed_transaction, page.items), page.next)
