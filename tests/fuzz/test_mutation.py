"""What hostile bytes are made of: whatever they are made from, there are some."""

from __future__ import annotations

import random

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Form
from tests.fuzz.targets import all_targets


def test_a_document_that_is_nested_deeper_than_one_can_be_written_is_mutated_too() -> None:
    """The steered mutator finds such ones by itself, and hands them in as examples."""
    target = next(target for target in all_targets() if target.form is Form.JSON)
    deep = b"[" * 600 + b"]" * 600
    made = [mutated(random.Random(seed), target, [deep]) for seed in range(60)]
    assert sum(data != deep for data in made) > 50
