"""Reading what a node, or whoever is at its address, answers."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ledger.errors import MalformedError

T = TypeVar("T")


def read_answer(body: bytes, kind: type[T]) -> T:
    """The JSON answer `body` as a `kind`; fields that it does not have are passed over. Raises `MalformedError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the answer is none that is known: {error}") from None
