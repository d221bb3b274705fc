"""Pages of a list: what is asked for, what is given, and where the next one starts.

A page ends at a *place*: the last item's own position in the ledger or in the alphabet, as bytes. The next page starts
behind it, so blocks that are appended in between move nothing. A list that passes by what is not in it gives up a page
after QUERY_SEEKS_MAX steps in vain: then the page is short, and still says where to go on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from ledger.errors import MalformedError
from ledger.limits import NAME_BYTES_MAX, QUERY_SEEKS_MAX
from ledger.primitives import successor
from node.storage.block_rows import Place

Item = TypeVar("Item")

_NUMBER = struct.Struct(">Q")
_PLACE = struct.Struct(">QI")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` (>= 1) items behind the place `after` (None: from the start); `reverse`: newest or last first."""

    limit: int
    after: bytes | None = None
    reverse: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the place where the next page starts: None when there is none. A page may be short, or empty."""

    items: tuple[Item, ...]
    next: bytes | None


def page_of(found: Iterator[Item], limit: int, place_of: Callable[[Item], bytes]) -> Page[Item]:
    """The first `limit` items; one more is looked at to know whether there is a next page."""
    items = tuple(islice(found, limit + 1))
    if len(items) <= limit:
        return Page(items, None)
    return Page(items[:limit], place_of(items[limit - 1]))


def sparse_page(found: Iterator[tuple[bytes, Item | None]], limit: int) -> Page[Item]:
    """The first `limit` items of `found`, which has a place and None where there is nothing to list."""
    items: list[Item] = []
    last = b""
    in_vain = 0
    for place, item in found:
        if in_vain == QUERY_SEEKS_MAX or (item is not None and len(items) == limit):
            return Page(tuple(items), last)
        if item is not None:
            items.append(item)
        else:
            in_vain += 1
        last = place
    return Page(tuple(items), None)


def names_behind(prefix: bytes, page: PageRequest) -> tuple[bytes, bytes]:
    """The bounds of the keys, each a prefix and a name, that are behind the place of a page.

    Raises `MalformedError` for a place that is no name.
    """
    if page.after is None:
        return prefix, successor(prefix)
    if len(page.after) > NAME_BYTES_MAX:
        raise MalformedError("it is no name")
    if page.reverse:
        return prefix, prefix + page.after
    return prefix + page.after + b"\0", successor(prefix)


def numbers_behind(page: PageRequest, first: int, last: int) -> range:
    """The numbers from `first` to `last` that are behind the place of a page, in its order.

    Raises `MalformedError` for a place that is no number.
    """
    after = None if page.after is None else unpack_number(page.after)
    if page.reverse:
        return range(last if after is None else min(after - 1, last), first - 1, -1)
    return range(first if after is None else max(after + 1, first), last + 1)


def pack_number(number: int) -> bytes:
    """The place of what stands at a number: a height, a revision, a proposal."""
    return _NUMBER.pack(number)


def unpack_number(place: bytes) -> int:
    """The number of a place. Raises `MalformedError`."""
    return _unpack(_NUMBER, place)[0]


def pack_place(place: Place) -> bytes:
    """The place of a transaction."""
    return _PLACE.pack(place.height, place.index)


def unpack_place(place: bytes) -> Place:
    """Where a transaction's place is. Raises `MalformedError`."""
    return Place(*_unpack(_PLACE, place))


def _unpack(form: struct.Struct, place: bytes) -> tuple[int, ...]:
    if len(place) != form.size:
        raise MalformedError("it is no place in this list")
    return form.unpack(place)
