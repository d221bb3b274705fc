"""The protocol is safe, in every state of two rounds; and every wrong rule is seen to be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.model import tlc
from tests.model.__main__ import configuration as by_hand

pytestmark = pytest.mark.timeout(900)  # a machine that does much else


def configuration(name: str, *further: str) -> str:
    """The text of a configuration, with further lines."""
    return "\n".join([(tlc.MODULES / f"{name}.cfg").read_text(), *further, ""])


def test_every_state_of_two_rounds_is_safe() -> None:
    answer = tlc.check("Exhaustive", configuration("Exhaustive"), large=True, seconds_max=800)
    assert answer.good, answer.output
    assert answer.distinct == 159_046  # fewer: a rule got lost; more: one was added, and this number with it


def test_every_state_of_three_rounds_is_safe_where_every_honest_validator_is_needed() -> None:
    numbers = by_hand(honest=2, faulty=1, quorum=3, rounds=3, contents=2, leaders="byzantine")
    answer = tlc.check("Exhaustive", numbers)
    assert answer.good, answer.output
    assert answer.distinct == 10_630


def test_honest_leaders_are_safe_and_nobody_frames_them() -> None:
    answer = tlc.check("Exhaustive", configuration("HonestLeaders"))
    assert answer.good, answer.output
    assert answer.distinct > 1_000


def test_beyond_the_bound_the_chain_forks_and_still_nobody_is_framed() -> None:
    safe_always = configuration("BeyondTheBound")
    answer = tlc.check("Exhaustive", safe_always)
    assert answer.good, answer.output
    for invariant in ("Agreement", "OnePrepared", "Locked"):
        forked = tlc.check("Exhaustive", f"{safe_always}\nINVARIANT {invariant}\n")
        assert forked.violated == invariant, forked.output


@dataclass(frozen=True, slots=True)
class Mutant:
    """Wrong definitions in the place of right ones, and the invariant that must be violated by them.

    `honest` are three where quorums must have one honest validator in common and no other, or where something must
    happen without the one that errs. `contents` is one where rounds differ enough by that.
    """

    name: str
    wrong: dict[str, str]
    violates: str
    honest: int = 2
    contents: int = 2
    honest_leader: bool = False

    @property
    def configuration(self) -> str:
        """The configuration that puts the wrong definitions in."""
        lines = [f"CONSTANT {right} <- {wrong}" for right, wrong in self.wrong.items()]
        text = configuration("Mutants", *lines, f"INVARIANT {self.violates}")
        if self.honest == 3:
            text = text.replace("{v0, v1}", "{v0, v1, v2}") + "CONSTANT v2 = v2\nSYMMETRY Symmetry\n"
        if self.contents == 1:
            text = text.replace("{x, y}", "{x}")
        return text.replace("ByzantineLeaders", "OneLeader") if self.honest_leader else text


MUTANTS = (
    Mutant("a prepare certificate of q - 1 votes", {"PreparesSuffice": "OneLess"}, "OnePrepared", honest=3),
    Mutant("a commit certificate of q - 1 votes", {"CommitsSuffice": "OneLess"}, "Agreement", honest=3, contents=1),
    Mutant("a timeout certificate of q - 1 votes", {"TimeoutsSuffice": "OneLess"}, "Agreement", honest=3, contents=1),
    Mutant("A3: a certificate names what nobody has", {"Provable": "AnythingProvable"}, "RoundCanBeLed"),
    Mutant(
        "hq <= r: a certificate names a later round",
        {"Provable": "LaterRoundsProvable"},
        "RoundCanBeLed",
        honest=3,
        contents=1,
    ),
    Mutant("leaders choose freely", {"Allowed": "FreeChoice"}, "Agreement"),
    Mutant("leaders choose freely, and a lock breaks", {"Allowed": "FreeChoice"}, "Locked"),
    Mutant("a round is left on one's own timer", {"MayEnter": "EnterOnOwnTimer"}, "RoundIsProved"),
    Mutant("a leader proposes twice", {"MayPropose": "ProposeTwice"}, "NoTwoStatements", honest_leader=True),
    Mutant("prepare twice", {"MayPrepare": "PrepareTwice"}, "NoTwoStatements"),
    Mutant("prepare twice, and two blocks are prepared", {"MayPrepare": "PrepareTwice"}, "OnePrepared"),
    Mutant(
        "A1: prepare another block than was committed",
        {"MayPrepare": "PrepareAfterCommit"},
        "NoCommitOfAnotherBlock",
        honest=3,
    ),
    Mutant("commit after giving up", {"MayCommit": "CommitAfterGivingUp"}, "Agreement"),
    Mutant("commit after giving up, and be convicted", {"MayCommit": "CommitAfterGivingUp"}, "NoCommitForgotten"),
    Mutant(
        "commit another block than was prepared",
        {"MayCommit": "CommitWhatOthersPrepared"},
        "NoCommitOfAnotherBlock",
        honest=3,
    ),
    Mutant("commit without a prepare certificate", {"MayCommit": "CommitWhatIsProposed"}, "CommitsArePrepared"),
    Mutant("the high round is forgotten", {"MayName": "NameNothing"}, "Agreement"),
    Mutant(
        "A5: a newer certificate replaces an older one",
        {"Held": "HeldNewestOnly"},
        "NoCommitForgotten",
        honest=3,
        contents=1,
    ),
    Mutant("A8: another justification is kept than was bound", {"KeptWith": "EntryIsKept"}, "BoundIsHeld"),
    Mutant("A2: the entry certificate is not durable", {"EntryRemembered": "EntryForgotten"}, "RoundIsProved"),
    Mutant(
        "votes are not durable",
        {"MayPrepare": "PrepareAgain", "MayCommit": "CommitAgain", "MayName": "NameAgain"},
        "Agreement",
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_rule_is_violated(mutant: Mutant) -> None:
    answer = tlc.check("Mutants", mutant.configuration)
    assert answer.violated == mutant.violates, answer.output


def test_the_right_rules_violate_nothing_where_the_wrong_ones_do() -> None:
    invariants = sorted({mutant.violates for mutant in MUTANTS})
    answer = tlc.check("Mutants", configuration("Mutants", f"INVARIANTS {' '.join(invariants)}"))
    assert answer.good, answer.output
