"""What the mutants are, and that the harness tells a mutant that is seen from one that is not."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from ledger.consensus import votes
from tests.mutants.catalogue import MUTANTS
from tests.mutants.command import TABLE, kill_all
from tests.mutants.killers import Simulated, Story, Suite
from tests.mutants.killing import apart, kill
from tests.mutants.mutant import Change, Mutant, become
from tests.simulation.__main__ import main

KNOWN_FAILURES = range(1, 28)
"""The rows of the known failures in the field (consensus research, section 2)."""

HARMLESS = Mutant(
    "nothing is wrong",
    (Change(votes, "VoteBook._quorum_for", "len(signers) < self.quorum", "not len(signers) >= self.quorum"),),
    (),
)


def test_there_are_many_each_with_a_name_and_a_killer_and_none_changes_nothing() -> None:
    assert len(MUTANTS) >= 100
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert mutant.killers, mutant.name
        assert all(change.old != change.new for change in mutant.changes), mutant.name


def test_every_known_failure_in_the_field_is_among_them() -> None:
    assert {row for mutant in MUTANTS for row in mutant.rows} == set(KNOWN_FAILURES)


def test_the_written_table_has_every_mutant() -> None:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in TABLE.read_text().splitlines()[8:]]
    assert rows == [mutant.name for mutant in MUTANTS for _ in mutant.killers]
    assert "**nobody**" not in TABLE.read_text()


@pytest.mark.parametrize(
    "killer",
    [
        Simulated(("step",), seeds=2),
        Story("normal_case"),
        Suite("unit/ledger/consensus/test_votes.py::test_forgotten_rounds_leave_nothing"),
    ],
    ids=lambda killer: type(killer).__name__,
)
def test_who_sees_nothing_says_so(killer: Simulated | Story | Suite) -> None:
    assert kill(HARMLESS, killer).seen is None


def test_nothing_is_left_of_a_mutant() -> None:
    code = votes.VoteBook._quorum_for.__code__
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "one vote less is a quorum")
    assert kill(mutant, Story("row_20_one_less_than_a_quorum_is_nothing")).seen is not None
    assert votes.VoteBook._quorum_for.__code__ is code


def test_what_is_seen_by_another_checker_than_was_said_is_a_failure() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "one vote less is a quorum")
    with pytest.raises(AssertionError, match="seen by none of"):
        kill(mutant, Simulated(("bounds",), seeds=2))


def test_the_simulator_stops_at_the_first_violation_and_names_its_replay() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "votes are written and not synced")

    def act() -> tuple[int, str]:
        become(mutant)
        with redirect_stdout(StringIO()) as said:
            return main(["--seeds", "0:4", "--jobs", "1"]), said.getvalue()

    ended, said = apart(act)
    assert ended == 1
    assert "replay: scripts/simulate --seed " in said


def test_a_survivor_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survivor = Mutant(HARMLESS.name, HARMLESS.changes, (Story("normal_case"),))
    seen = next(mutant for mutant in MUTANTS if mutant.name == "a bound leader may choose")
    assert kill_all(1, path=tmp_path / "table.md", mutants=(survivor, seen)) == 1
    assert "ALIVE nothing is wrong" in capsys.readouterr().out
    assert "| nothing is wrong |  | **nobody** |" in (tmp_path / "table.md").read_text()
