"""Feeding a target, and what it may take: exceptions that are documented, so many calls, so much memory."""

from __future__ import annotations

import sys
import tracemalloc
from types import FrameType
from typing import Any

from tests.fuzz.target import Target


class TooMuchWorkError(BaseException):
    """More calls than what was fed is worth; no handler of production code may stop it."""


def feed(target: Target, data: bytes) -> bool:
    """Feed it. Returns whether it was accepted; raises whatever is not documented."""
    try:
        target.feed(data)
    except target.raises:
        return False
    return True


def feed_counted(target: Target, data: bytes) -> int:
    """Feed it, and count calls of Python and of C. Raises `TooMuchWorkError` at the bound, and like `feed`."""
    bound = target.calls + target.calls_per_byte * len(data)
    calls = 0

    def profile(_: FrameType, event: str, __: Any) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1
            if calls > bound:
                sys.setprofile(None)
                raise TooMuchWorkError(f"{target.name} makes more than {bound} calls for {len(data)} bytes")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        feed(target, data)
    finally:
        sys.setprofile(before)
    return calls


def feed_measured(target: Target, data: bytes) -> int:
    """Feed it, and return the peak of the memory that it took, in bytes. Raises `AssertionError` beyond the bound."""
    bound = target.memory + target.memory_per_byte * len(data)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        feed(target, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before <= bound, f"{target.name} takes {peak - before} bytes for {len(data)} bytes"
    return peak - before
