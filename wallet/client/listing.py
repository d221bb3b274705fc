"""Lists, page by page: what a node states, as far as it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from wallet.answers import parse_page

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.client.conversation import Client

PAGE_ITEMS_MAX = 200
EMPTY_PAGES_MAX = 8_000
"""A node that searched for long gives a page with nothing on it, and where to go on; one that lies does so for ever."""


class EndlessSearchError(Exception):
    """After EMPTY_PAGES_MAX pages with nothing on them the node still searches: there may be more than was listed."""


async def listed(
    client: Client, path: str, query: Mapping[str, str | int | None], *, limit: int
) -> AsyncIterator[dict[str, Json]]:
    """Up to `limit` items of the list at `path`, following its cursors. Raises `EndlessSearchError`."""
    cursor: str | None = None
    left, empty_pages = limit, 0
    while left > 0:
        if empty_pages == EMPTY_PAGES_MAX:
            raise EndlessSearchError
        asked = {**query, "limit": min(PAGE_ITEMS_MAX, left), "cursor": cursor}
        page, cursor = await client.get(path, parse_page, asked)
        for item in page[:left]:
            yield item
        left -= len(page)
        empty_pages += not page
        if cursor is None:
            return
