"""What a change of the set does to quorum and tolerance, told before anybody agrees to it."""

from __future__ import annotations

import pytest

from ledger.errors import MalformedError
from ledger.governance.changes import (
    Change,
    ParameterSet,
    QuorumSet,
    SuspendAccount,
    ValidatorAdd,
    ValidatorRekey,
    ValidatorRemove,
)
from ledger.governance.impact import impact
from ledger.primitives import ZERO_DIGEST
from ledger.validators import Quorum, QuorumRule, Tolerance, ValidatorSet
from tests.unit.ledger.council import validator, validators

ADD = ValidatorAdd("v9", ZERO_DIGEST)
MAJORITY, BFT = Quorum(QuorumRule.MAJORITY), Quorum(QuorumRule.BFT)


def fixed(q: int) -> QuorumSet:
    return QuorumSet(Quorum(QuorumRule.FIXED, q))


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ((ADD,), Tolerance(5, 4)),
        ((ValidatorRemove("v1"),), Tolerance(3, 3)),
        ((ValidatorRemove("v1"), ADD), Tolerance(4, 3)),
        ((ValidatorRemove("v1"), ValidatorAdd("v1", ZERO_DIGEST)), Tolerance(4, 3)),
        ((ADD, ValidatorRemove("v9")), Tolerance(4, 3)),
        ((ValidatorRekey("v1", ZERO_DIGEST),), Tolerance(4, 3)),
        ((QuorumSet(MAJORITY), ValidatorRemove("v4")), Tolerance(3, 2)),
        ((fixed(5), ADD), Tolerance(5, 5)),
        ((SuspendAccount("op1"), ParameterSet("sender_quota", 3)), Tolerance(4, 3)),
    ],
)
def test_the_tolerance_before_and_after(changes: tuple[Change, ...], after: Tolerance) -> None:
    result = impact(validators(), changes)
    assert (result.before, result.after) == (Tolerance(4, 3), after)


def test_who_is_in_the_set_then_and_who_comes_with_a_new_entry() -> None:
    result = impact(validators(), (ValidatorRemove("v2"), ADD, ValidatorRekey("v3", ZERO_DIGEST)))
    assert (result.validators, result.renewed) == (("v1", "v3", "v4", "v9"), ("v3", "v9"))
    gone = impact(validators(), (ADD, ValidatorRemove("v9")))
    assert (gone.validators, gone.renewed) == (("v1", "v2", "v3", "v4"), ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((fixed(2),), r"a quorum of 2 of 4 breaks n/2 < q <= n \(4/2 < 2 <= 4\)"),
        ((fixed(3), ADD, ValidatorAdd("v8", ZERO_DIGEST)), "a quorum of 3 of 6"),
        ((ValidatorRemove("v9"),), "there is no validator v9"),
        ((ValidatorRekey("v9", ZERO_DIGEST),), "there is no validator v9"),
        ((ValidatorRemove("v1"), ValidatorRemove("v1")), "there is no validator v1"),
        ((ValidatorAdd("v1", ZERO_DIGEST),), "there is a validator v1"),
        (tuple(ValidatorRemove(f"v{n}") for n in range(1, 5)), "breaks n/2 < q <= n"),
    ],
)
def test_what_could_never_be_is_said_with_the_arithmetic(changes: tuple[Change, ...], says: str) -> None:
    with pytest.raises(MalformedError, match=says):
        impact(validators(), changes)


def test_what_is_lost_is_said_in_words() -> None:
    assert impact(validators(), (ValidatorRemove("v4"), QuorumSet(MAJORITY))).sentence() == (
        "Now 4 validators, quorum 3: blocks are appended while at most 1 are stopped; the chain cannot fork while at "
        "most 1 sign two different things. Then 3 validators, quorum 2: blocks are appended while at most 1 are "
        "stopped; the chain cannot fork while at most 0 sign two different things. Fewer may sign two different things "
        "than before: 0 instead of 1. One validator that signs two different things could fork the ledger."
    )
    assert "Fewer may be stopped than before: 0 instead of 1." in impact(validators(), (fixed(4),)).sentence()
    better = impact(validators(), (ADD, ValidatorAdd("v8", ZERO_DIGEST), ValidatorAdd("v7", ZERO_DIGEST))).sentence()
    assert "Then 7 validators, quorum 5" in better
    assert "Fewer" not in better


def test_no_change_of_it_is_said_too() -> None:
    sentence = impact(validators(), (SuspendAccount("op1"),)).sentence()
    assert sentence.startswith("Quorum and tolerance stay as they are. 4 validators, quorum 3: ")


def test_a_single_validator_cannot_fork_from_anybody() -> None:
    alone = ValidatorSet((validator(1),), BFT)
    assert "could fork" not in impact(alone, (QuorumSet(MAJORITY),)).sentence()
    assert "could fork" in impact(alone, (ADD, ValidatorAdd("v8", ZERO_DIGEST), QuorumSet(MAJORITY))).sentence()
