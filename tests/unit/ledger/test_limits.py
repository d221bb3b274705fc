"""The limits file: positive integers, named with their unit, and each of them used somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger import limits

NAMES = [name for name in vars(limits) if name.isupper()]
CHECKOUT = Path(__file__).parents[3]
SOURCES = {
    path: path.read_text()
    for package in ("ledger", "node", "wallet")
    for path in (CHECKOUT / package).rglob("*.py")
    if path.name != "limits.py"
}


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_is_a_positive_integer(name: str) -> None:
    value = getattr(limits, name)
    assert type(value) is int
    assert value > 0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("KIB", "MIB")])
def test_a_limit_is_enforced_somewhere(name: str) -> None:
    """A bound that nothing reads is a bound that does not hold."""
    own = (CHECKOUT / "ledger" / "limits.py").read_text()
    word = re.compile(rf"\b{name}\b")
    used_by_another = any(
        word.search(line) for line in own.splitlines() if not line.startswith((f"{name} =", "assert", "#"))
    )
    assert used_by_another or any(word.search(text) for text in SOURCES.values())
