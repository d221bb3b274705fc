"""The checkers see what they are for: each is shown what must not be, by forgery or by a small bug in production code.

The mutants are the bugs of the protocol; here are those that a checker of its own is the only one to see.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from ledger.primitives import Digest
from node.ports import Reader
from node.replica import deciding
from node.storage import commit
from node.storage.batch import Batch
from tests.simulation.checkers.stranger import Stranger
from tests.simulation.plan import Plan
from tests.simulation.run import run
from tests.simulation.violation import Violation
from tests.verifier import verify_receipt as second


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every number and text in a JSON value, with where it stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*path, key))
    if isinstance(value, int | str):
        yield path, value


def changed(value: Any, path: tuple[Any, ...], leaf: Any) -> bytes:
    """The JSON with another leaf at that place."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = leaf
    return second.canonical(copy).encode()


def other(leaf: int | str) -> int | str:
    """Another leaf of the same form."""
    if isinstance(leaf, int):
        return leaf + 1
    return ("1" if leaf[:1] == "0" else "0") + leaf[1:]


class Listener:
    """Keeps one message, or record, of each shape that machines showed in a run."""

    def __init__(self) -> None:
        self.shown: dict[tuple[Any, ...], tuple[Stranger, str, bytes]] = {}

    def listen(self, method: str) -> AbstractContextManager[Any]:
        """While this is entered, listen to what the stranger is asked by `method`."""
        original = getattr(Stranger, method)

        def asked(stranger: Stranger, data: bytes) -> Any:
            value = original(stranger, data)
            shape = (method, *(path for path, _ in leaves(value) if "envelope_hashes" not in path))
            self.shown.setdefault(shape, (stranger, method, data))
            return value

        return patch.object(Stranger, method, asked)


def test_nothing_that_was_forged_convinces_the_stranger() -> None:
    listener = Listener()
    with listener.listen("message"), listener.listen("record"), listener.listen("justification"):
        for seed in range(6):
            run(seed, n=4, q=3, adjust=lambda plan: replace(plan, loss=0.3, byzantine=((1, "twin"),), dead=()))
    kinds = {json.loads(data).get("type", method) for _, method, data in listener.shown.values()}
    assert {"proposal", "prepare", "commit", "timeout", "timeout_certificate", "record"} <= kinds
    for stranger, method, data in listener.shown.values():
        value = json.loads(data)
        for path, leaf in leaves(value):
            if "envelope_hashes" in path:  # bound by the header, and asked for when the block is executed
                continue
            forged = changed(value, path, other(leaf))
            with pytest.raises((Violation, KeyError)):  # a height that nobody is at has no validators
                getattr(stranger, method)(forged)
        for path, votes in lists(value, ("signatures", "entries")):
            for fewer in (votes[1:], [votes[0], *votes[:-1]]):
                with pytest.raises(Violation):
                    getattr(stranger, method)(changed(value, path, fewer))


def lists(
    value: Any, names: tuple[str, ...], path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Every list of these names in a JSON value, if it has no more than a quorum of three."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key in names and len(inner) == 3:
            yield (*path, key), inner
        yield from lists(inner, names, (*path, key))


def with_a_twin(plan: Plan) -> Plan:
    """One validator has two machines: candidates that lose, and rounds that fail."""
    return replace(plan, byzantine=((2, "twin"),), dead=(), damage=(), lively=True, transactions=10, safety_ms=2_500)


def first_violation(seeds: int) -> Violation | None:
    """Of the first seed that has one."""
    for seed in range(seeds):
        try:
            run(seed, n=4, q=3, adjust=with_a_twin)
        except Violation as violation:
            return violation
    return None


def test_what_is_left_of_a_height_is_seen() -> None:
    release = commit.release_promises

    def keep_bodies(batch: Batch, reader: Reader, promised: AbstractSet[bytes], height: int, committed: Digest) -> bool:
        is_stored = release(batch, reader, promised, height, committed)
        batch.deletes = {key for key in batch.deletes if not key.startswith(b"b")}
        return is_stored

    with patch.object(commit, "release_promises", keep_bodies):
        found = first_violation(20)
    assert found is not None
    assert found.checker == "rejoining"


def test_a_restart_that_forgets_what_it_said_is_seen() -> None:
    begin = deciding.begin

    def forget(*arguments: Any, **named: Any) -> deciding.Deciding:
        begun = begin(*arguments, **named)
        begun.statements.clear()
        return begun

    with patch("node.replica.replica.begin", forget):
        found = first_violation(30)
    assert found is not None
    assert found.checker in ("restarting", "reputation")
