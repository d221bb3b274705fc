"""A campaign is stopped and goes on, records each unit once with its commit, and never forgets a violation."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.campaigns import command
from tests.campaigns.campaign import Campaign, Outcome
from tests.campaigns.catalogue import CAMPAIGNS
from tests.campaigns.command import commit_here, lines_of, run_campaign
from tests.campaigns.readme import HEADER, table_lines, write_table
from tests.campaigns.record import RESULTS, Range, Record, read_record
from tests.simulation.__main__ import main
from tests.simulation.seeds import run_seeds

CHECKOUT = Path(__file__).resolve().parents[2]

_run: list[tuple[int, int]] = []


def run(first: int, last: int) -> Outcome:
    """Counts units; unit 7 is a violation."""
    _run.append((first, last))
    return Outcome({"units": last - first}, {"unit": last - 1}, ("unit 7",) if first <= 7 < last else ())


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    _run.clear()
    made = Campaign("counting", "counts", units=10, unit="units", chunk=3, run=run)
    monkeypatch.setitem(CAMPAIGNS, "counting", made)
    return made


def test_what_was_run_is_not_run_again(campaign: Campaign, tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert run_campaign("counting", jobs=1, chunks_max=2, directory=results, clean=False) == 0
    assert _run == [(0, 3), (3, 6)]
    assert run_campaign("counting", jobs=1, directory=results, clean=False) == 1, "unit 7"
    assert _run == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert run_campaign("counting", jobs=1, directory=results, clean=False) == 1, "a violation is not forgotten"
    assert len(_run) == 4
    record = read_record(results / "counting.json")
    assert [(known.first, known.last, known.commit) for known in record.ranges] == [
        (0, 10, commit_here(without_records=True))
    ]
    assert record.outcome == Outcome({"units": 10}, {"unit": 9}, ("unit 7",))
    assert "violations" + " " * 34 + "1" in lines_of(campaign, record)


def test_an_end_in_the_middle_of_a_chunk_loses_that_chunk_alone(campaign: Campaign, tmp_path: Path) -> None:
    def ends(first: int, last: int) -> Outcome:
        if first == 3:
            raise KeyboardInterrupt
        return run(first, last)

    CAMPAIGNS["counting"] = Campaign("counting", "counts", units=10, unit="units", chunk=3, run=ends)
    with pytest.raises(KeyboardInterrupt):
        run_campaign("counting", jobs=1, directory=tmp_path, clean=False)
    CAMPAIGNS["counting"] = campaign
    run_campaign("counting", jobs=1, directory=tmp_path, clean=False)
    assert _run == [(0, 3), (3, 6), (6, 9), (9, 10)]


def test_ranges_of_different_commits_stay_apart_and_pieces_may_end_in_any_order() -> None:
    def ran(first: int, last: int, commit: str) -> Range:
        return Range(first, last, commit, "3.11.7", 5, Outcome({"units": last - first}, {"unit": last}, ()))

    record = Record()
    for piece in (ran(6, 9, "b"), ran(0, 3, "a"), ran(9, 10, "b"), ran(3, 6, "a")):
        record = record.with_range(piece)
    assert [(known.first, known.last, known.commit, known.cpu_s) for known in record.ranges] == [
        (0, 6, "a", 10),
        (6, 10, "b", 10),
    ]
    assert record.units == 10
    assert record.has(4, 6)
    assert not record.has(5, 7), "run by two commits, so that it is no chunk"
    with pytest.raises(AssertionError, match="no unit is recorded twice"):
        record.with_range(ran(5, 7, "c"))


def test_a_checkout_with_changes_records_nothing(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "empty"],
        cwd=tmp_path,
        check=True,
    )
    results = tmp_path / "tests" / "campaigns" / "results"
    results.mkdir(parents=True)
    monkeypatch.setattr(command, "_CHECKOUT", tmp_path)
    assert run_campaign("counting", jobs=1, chunks_max=1, directory=results) == 0
    assert commit_here().endswith("-dirty"), "by the record itself"
    assert run_campaign("counting", jobs=1, chunks_max=1, directory=results) == 0, "which is no change that matters"
    (tmp_path / "changed.py").write_text("")
    assert run_campaign("counting", jobs=1, directory=results) == 2
    assert "Commit first." in capsys.readouterr().err
    assert read_record(results / "counting.json").units == 6


def test_an_unknown_campaign_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--campaign", "nothing"]) == 2
    assert "seeds" in capsys.readouterr().err


def test_seeds_are_run_as_a_unit_each_and_counted() -> None:
    outcome = run_seeds(0, 2)
    assert outcome.violations == ()
    assert outcome.counts["runs with changes of the set"] == 1
    assert outcome.counts["blocks"] > 0
    assert outcome == run_seeds(0, 1) + run_seeds(1, 2)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_record_in_the_repository_is_one_of_a_campaign_and_names_clean_commits(path: Path) -> None:
    record = read_record(path)
    campaign = CAMPAIGNS[path.stem]
    assert json.loads(path.read_text()).keys() == {"ranges"}
    assert 0 < record.units <= campaign.units
    assert not [known.commit for known in record.ranges if not known.commit.isalnum() or len(known.commit) != 12]
    assert record.outcome.violations == ()


def test_the_table_of_the_readme_is_that_of_the_records() -> None:
    assert "\n".join(table_lines()) in (CHECKOUT / "README.md").read_text()


def test_a_table_is_put_where_the_one_before_stood(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{HEADER}\n| --- | --- | --- | --- |\n| old | - | - | - |\n\nafter\n")
    write_table(readme)
    assert readme.read_text() == "before\n\n" + "\n".join(table_lines()) + "\n\nafter\n"
