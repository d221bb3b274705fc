"""Lists: from the parameters of a page to what storage is asked, and from its page to the answer's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ledger.errors import MalformedError
from ledger.limits import HTTP_PAGE_ITEMS_DEFAULT
from node.http import render
from node.http.call import Answer, Call
from node.http.cursor import decode_cursor, encode_cursor, question
from node.http.parameters import CURSOR, FROM_HEIGHT, FROM_TIME, LIMIT, ORDER, TO_HEIGHT, TO_TIME, Order
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.paging import Page, PageRequest

Item = TypeVar("Item")


def requested_page(call: Call, *, order: Order = Order.DESCENDING) -> PageRequest:
    """The page that is asked for; `order` is that of a list for which none is given. Raises `ProblemError`."""
    cursor = call.query(CURSOR)
    return PageRequest(
        limit=call.query(LIMIT) or HTTP_PAGE_ITEMS_DEFAULT,
        after=None if cursor is None else decode_cursor(cursor, _question(call)),
        reverse=(call.query(ORDER) or order) is Order.DESCENDING,
    )


def requested_heights(call: Call) -> tuple[int, int | None]:
    """From which height to which the list is to be, by heights and ledger times; to None: to the newest.

    Raises `ProblemError`.
    """
    from_height, to_height = call.query(FROM_HEIGHT) or 0, call.query(TO_HEIGHT)
    from_time, to_time = call.query(FROM_TIME), call.query(TO_TIME)
    if from_time is not None:
        from_height = max(from_height, call.queries.height_from(from_time))
    if to_time is not None:
        last = call.queries.height_from(to_time + 1) - 1
        to_height = last if to_height is None else min(to_height, last)
    return from_height, to_height


def answer_page(call: Call, items: Iterable[render.Document], after: bytes | None) -> Answer:
    """The answer with one page; the next one starts after the place `after`, None when this was the last."""
    cursor = None if after is None else encode_cursor(_question(call), after)
    return Answer(render.to_bytes(render.page(items, cursor, call.queries.chain.tip)))


def stored_page(query: Callable[[], Page[Item]]) -> Page[Item]:
    """What storage answers to `query`. Raises `ProblemError` when it does not accept the place in a cursor."""
    try:
        return query()
    except MalformedError as error:
        raise ProblemError(Problem(HttpCode.CURSOR_INVALID, f"cursor: {error}")) from None


def _question(call: Call) -> bytes:
    return question(call.request.path, call.request.query)
