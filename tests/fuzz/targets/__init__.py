"""All targets, by where the bytes come from; each is one function of production code, or what calls it on the way."""

from __future__ import annotations

from functools import cache

from tests.fuzz.target import Target
from tests.fuzz.targets import answers, consensus, disk, documents, files, http, log, peers, rows


@cache
def all_targets() -> tuple[Target, ...]:
    """All of them. Their names are unique."""
    found = tuple(
        target
        for module in (peers, consensus, documents, log, rows, disk, files, http, answers)
        for target in module.TARGETS
    )
    assert len({target.name for target in found}) == len(found)
    return found
