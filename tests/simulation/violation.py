"""What a checker raises."""

from __future__ import annotations


class Violation(Exception):  # noqa: N818 - it is one
    """Something that must never happen happened. `checker` is the name of who noticed."""

    def __init__(self, checker: str, text: str) -> None:
        super().__init__(f"{checker}: {text}")
        self.checker = checker


def demand(holds: bool, checker: str, text: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(checker, text)
