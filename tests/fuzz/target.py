"""What is fed, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from functools import cache
from typing import TypeAlias

from ledger.errors import LedgerError, MalformedError

Feed: TypeAlias = Callable[[bytes], object]


@unique
class Form(Enum):
    """What valid bytes of a target are made of: mutations keep to it, most of the time."""

    JSON = "json"
    LINES = "lines"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Target:
    """`feed` takes any bytes and raises nothing but `raises`. `examples` is asked once, when they are needed.

    Work and memory are bounded by the given figures and so much for each byte that is fed.
    """

    name: str
    feed: Feed
    examples: Callable[[], Sequence[bytes]]
    form: Form = Form.BYTES
    raises: tuple[type[Exception], ...] = (MalformedError,)
    calls: int = 20_000
    calls_per_byte: int = 100
    memory: int = 1 << 20
    memory_per_byte: int = 100


PROVES = (LedgerError,)
"""What a verifier raises: malformed, or proves nothing."""


def text(feed: Callable[[str], object]) -> Feed:
    """Feed a function that takes text: any bytes are some text."""
    return lambda data: feed(data.decode("utf-8", "replace"))


def target_named(targets: Sequence[Target], name: str) -> Target:
    """One of them. Raises `KeyError`."""
    return {item.name: item for item in targets}[name]


__all__ = ["PROVES", "Feed", "Form", "Target", "cache", "target_named", "text"]
