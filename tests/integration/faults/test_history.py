"""Every question that is asked of a history finds what it is for: one thing is made wrong at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.faults.clients import BlockSeen, KeySeen, Observations, Write
from tests.integration.faults.history import Block, violations

BEFORE = frozenset({"setup"})
CHAIN = (
    Block("genesis", ()),
    Block("b1", (("setup", "applied"),)),
    Block("b2", (("first", "applied"), ("second", "revision_conflict"))),
    Block("b3", (("third", "applied"), ("note", "applied"))),
)


def write(name: str, invoked_s: float, *, key: str | None = None, expected: int | None = None) -> Write:
    return Write(name, b"", key, expected, invoked_s, impatient=False)


def right() -> Observations:
    """Two raced for a key, and one won; a third read the revision and went on; one note, and one that expired."""
    seen = Observations()
    first, second = write("first", 1.0, key="a", expected=0), write("second", 1.0, key="a", expected=0)
    third, note, gone = write("third", 3.0, key="a", expected=1), write("note", 3.0), write("gone", 3.0)
    first.committed, first.answered_s = (2, "applied"), 2.0
    second.committed, second.answered_s = (2, "revision_conflict"), 2.1
    third.committed, third.answered_s = (3, "applied"), 4.0
    note.committed, note.answered_s = (3, "applied"), 9.0
    gone.expired = True
    seen.writes = {item.name: item for item in (first, second, third, note, gone)}
    seen.blocks = [BlockSeen(0, 0.4, 0.5, 1, "b1"), BlockSeen(1, 2.4, 2.5, 2, "b2"), BlockSeen(0, 8.0, 8.1, 3, "b3")]
    seen.keys = [KeySeen(0, "a", 1, 0), KeySeen(1, "a", 2, 1), KeySeen(0, "a", 3, 2), KeySeen(0, "b", 3, 0)]
    return seen


def test_a_history_that_is_right_has_nothing_against_it() -> None:
    assert violations(right(), [CHAIN, CHAIN], BEFORE) == []


def lost(seen: Observations) -> None:
    seen.writes["lost"] = replace(write("lost", 1.0), committed=(2, "applied"), answered_s=2.0)


def moved(seen: Observations) -> None:
    seen.writes["note"].committed = (2, "applied")


def other_result(seen: Observations) -> None:
    seen.writes["note"].committed = (3, "revision_conflict")


def came_back(seen: Observations) -> None:
    seen.writes["note"].committed, seen.writes["note"].expired = None, True


def open_end(seen: Observations) -> None:
    seen.writes["gone"].expired = False


def from_nowhere(seen: Observations) -> None:
    del seen.writes["note"]


def before_its_time(seen: Observations) -> None:
    seen.writes["note"].invoked_s = 8.5  # when block 3, which has it, had been seen already


def forgotten_block(seen: Observations) -> None:
    seen.blocks.insert(1, BlockSeen(1, 2.0, 2.1, 2, "another b2"))


def taken_back(seen: Observations) -> None:
    seen.blocks.append(BlockSeen(0, 9.0, 9.1, 2, "b2"))


def stale_key(seen: Observations) -> None:
    seen.keys.append(KeySeen(2, "a", 3, 1))


def both_won(seen: Observations) -> None:
    seen.writes["second"].expected_revision = 1  # and then the ledger should have applied it


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lost, "lost was committed at height 2, and is at None"),
        (moved, "note was committed at height 2, and is at (3, 1)"),
        (other_result, "note was revision_conflict, and is applied"),
        (came_back, "note had expired, and is at (3, 1)"),
        (open_end, "gone never had an outcome"),
        (from_nowhere, "note in block 3 was sent by nobody"),
        (before_its_time, "note is in block 3, and was made when block 3 was known"),
        (forgotten_block, "v1 showed block 2 another b2, which is not in the chain"),
        (taken_back, "v0 showed block 3, then that its newest is 2"),
        (stale_key, "v2 said a was at 1 at 3; it was at 2"),
        (both_won, "second in block 2 is revision_conflict, and should be applied"),
    ],
)
def test_what_is_wrong_in_a_history_is_found(spoil: Callable[[Observations], None], words: str) -> None:
    seen = right()
    spoil(seen)
    assert words in violations(seen, [CHAIN, CHAIN], BEFORE)


def test_two_chains_are_found() -> None:
    other = (*CHAIN[:3], Block("b3'", CHAIN[3].transactions))
    assert "v1 has another chain than v0 in the end" in violations(right(), [CHAIN, other], BEFORE)


def test_what_acted_twice_is_found() -> None:
    twice = (*CHAIN, Block("b4", (("first", "applied"),)))
    assert "first is in block 2 and in block 4" in violations(right(), [twice, twice], BEFORE)
