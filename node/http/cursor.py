"""Opaque cursors: where a page of a list ended, bound to the list and the parameters it was asked with.

A cursor is base64url (RFC 4648 section 5, no padding) over

    version (1 byte) | digest of the question (8 bytes) | position

The position is the last item's own place in the ledger or in the alphabet, never an offset: blocks that are appended
between two pages move nothing, and each item comes exactly once. Nothing is signed, for a cursor grants nothing: a
forged one is at worst a valid question. What is checked is that it is one, and of this list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from node.http.problems import HttpCode, Problem, ProblemError

_VERSION = 1
_QUESTION_BYTES = 8
_HEAD_BYTES = 1 + _QUESTION_BYTES
_TEXT_MAX = 512


def question(path: str, parameters: Mapping[str, str]) -> bytes:
    """What binds a cursor to its list: the path and every parameter but the cursor and the page's size."""
    parts = [path] + [f"{name}={parameters[name]}" for name in sorted(parameters) if name not in ("cursor", "limit")]
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).digest()[:_QUESTION_BYTES]


def encode_cursor(asked: bytes, position: bytes) -> str:
    """The cursor after the item at `position` of the list that `asked` (from `question`) stands for."""
    assert len(asked) == _QUESTION_BYTES
    text = base64.urlsafe_b64encode(bytes((_VERSION,)) + asked + position).rstrip(b"=").decode()
    assert len(text) <= _TEXT_MAX
    return text


def decode_cursor(text: str, asked: bytes) -> bytes:
    """The position in a cursor of the list that `asked` stands for. Raises `ProblemError` unless it is exactly one."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("it is not base64url") from None
    if len(data) < _HEAD_BYTES or data[0] != _VERSION:
        raise _invalid("it is too short, or of another version")
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise _invalid("it has stray bits at its end")
    if data[1:_HEAD_BYTES] != asked:
        raise _invalid("it belongs to another path or to other parameters")
    return data[_HEAD_BYTES:]


def _invalid(reason: str) -> ProblemError:
    return ProblemError(Problem(HttpCode.CURSOR_INVALID, f"cursor: {reason}"))
