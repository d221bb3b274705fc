"""What was measured is kept once, and the README and the plot say what was kept and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from benchmark import record
from benchmark.kinds import FIGURES
from benchmark.kinds import NAMES as KINDS
from benchmark.peers import NOT_DONE
from benchmark.plotting import PLOT, drawn_from
from benchmark.readme import sections, with_sections, write_sections
from benchmark.record import Kind, Record, read_record, record_of, records, write_record
from benchmark.targets import TARGETS
from benchmark.wide_area import NAMES, Distance

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def nothing_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    return tmp_path


def test_the_readme_says_what_was_recorded() -> None:
    text = README.read_text()
    assert with_sections(text) == text, "scripts/bench --plot makes them agree"


def test_the_plot_was_drawn_from_what_was_recorded() -> None:
    assert PLOT.exists() == bool(records(*Kind))
    assert not PLOT.exists() or f"<dc:source>{drawn_from()}</dc:source>" in re.sub(r">\s+<", "><", PLOT.read_text())


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.path.exists()])
def test_a_record_in_the_repository_is_of_a_whole_run_of_a_clean_commit(kind: Kind) -> None:
    (found,) = records(kind)
    assert re.fullmatch(r"[0-9a-f]{12}", found.commit)
    assert re.fullmatch(r"scripts/bench( --[a-z-]+( [0-9]+)?)*", found.command)
    assert "--only" not in found.command
    assert {"processor", "cores", "memory", "system", "Python", "PyNaCl"} <= found.machine.keys()
    assert [name for name in found.figures if name.endswith("foreign_load")] or kind is Kind.LONG


def test_a_record_is_read_as_it_was_written(nothing_recorded: Path) -> None:
    made = record_of("scripts/bench --quick", "0123456789ab", {"efficiency": 0.61, "words": "a -> b", "cores": 2})
    assert read_record(Kind.SUITE.path) is None
    assert records(*Kind) == []
    write_record(Kind.SUITE.path, made)
    assert records(*Kind) == [made]


def test_without_a_record_the_readme_claims_nothing(nothing_recorded: Path) -> None:
    made = sections()
    assert made["targets"][2:-2] == [
        f"| {target.words} | not yet | {'≥' if target.bound.value == 'at least' else '≤'} {target.value:,} | - |"
        for target in TARGETS
    ]
    assert {lines[-1] for lines in made.values()} == {"Not measured yet."}


def test_the_tables_have_what_was_measured_against_what_is_to_be_reached(nothing_recorded: Path) -> None:
    figures = {
        "efficiency": 0.59,
        "commit_ms_p50": 9.5,
        "foreign_load": 0.02,
        "a_foreign_load": 0.07,
        "sync_ms_p50": 0.2,
    }
    write_record(Kind.SUITE.path, _record("scripts/bench", figures))
    write_record(Kind.LONG.path, _record("scripts/bench --long", {"query_p99_ratio_long": 1.5}))
    lines = sections()["targets"]
    (efficiency,) = [line for line in lines if line.startswith("| E:")]
    (latency,) = [line for line in lines if line.startswith("| ms until a commit, one client, p50")]
    (growth,) = [line for line in lines if line.startswith("| the same, a million")]
    assert efficiency.endswith("| 0.59 | ≥ 0.6 | no |")
    assert latency.endswith("| 9.5 | ≤ 10 | yes |")
    assert growth.endswith("| 1.5 | ≤ 2 | yes |")
    assert lines[-5:] == [
        "`scripts/bench` of commit 0123456789ab (2026-01-02 03:04 UTC): the disk syncs in 0.2 ms; "
        "others had at most 7% of the CPU time that was used.",
        "",
        "`scripts/bench --long` of commit 0123456789ab (2026-01-02 03:04 UTC).",
        "",
        "`scripts/bench`, `scripts/bench --long`: on cores 2.",
    ]


@pytest.mark.parametrize(("foreign_load", "reliable"), [(0.09, True), (0.1, False), (0.5, False)])
def test_what_was_measured_while_others_were_busy_says_so(
    foreign_load: float, reliable: bool, nothing_recorded: Path
) -> None:
    write_record(Kind.SUITE.path, _record("scripts/bench", {"ratio": 0.9, "foreign_load": foreign_load}))
    (line,) = [line for line in sections()["targets"] if "others had" in line]
    assert line.endswith("used.") is reliable
    assert ("too much for R" in line) is not reliable


def test_each_kind_of_transaction_stands_beside_the_others(nothing_recorded: Path) -> None:
    figures = {f"{name}_{figure}": 0.25 * number for number, name in enumerate(KINDS, 1) for figure in FIGURES}
    write_record(Kind.SUITE.path, _record("scripts/bench", figures))
    head, _, *lines = sections()["kinds"]
    assert head.count("|") == len(FIGURES) + 2
    assert lines == [
        f"| {words} |{f' {0.25 * number} |' * len(FIGURES)}" for number, words in enumerate(KINDS.values(), 1)
    ]


def test_what_a_long_chain_does_to_records_with_keys_stands_below_them(nothing_recorded: Path) -> None:
    figures = {"transactions_short": 10_000, "transactions_long": 1_000_000}
    write_record(Kind.LONG.path, _record("scripts/bench --long", figures))
    assert sections()["kinds"] == ["Not measured yet."], "earlier records have no such figures"
    figures |= {"keyed_records_microseconds_short": 120.5, "keyed_records_microseconds_long": 121.5}
    write_record(Kind.LONG.path, _record("scripts/bench --long", figures))
    assert sections()["kinds"][-1] == (
        "A record with a new key, on one validator alone (`scripts/bench --long`): 120.5 us where the chain has had "
        "10,000 transactions, and 121.5 where it has had 1,000,000."
    )


def test_etcd_stands_beside_the_ledger_with_all_that_it_does_not_do(nothing_recorded: Path) -> None:
    shared = (
        "batches_per_second",
        "batches_cpu_microseconds",
        "one_by_one_per_second",
        "commit_ms_p50",
        "commit_ms_p99",
    )
    figures = {f"{who}_{figure}": number for number, who in ((1, "ledger"), (2_000, "etcd")) for figure in shared}
    more = {"etcd_many_one_by_one_per_second": 3, "etcd_version": "3.4", "value_bytes": 400, "members": 4}
    more |= {"verify_per_cpu_second": 20_000}
    write_record(Kind.PEERS.path, _record("scripts/bench --peers", figures | more))
    lines = sections()["peers"]
    assert "| writes/s in batches of 100 | 1 | 2,000 |" in lines
    assert "| of it, verifying its signature 4 times | 200 us | none |" in lines
    assert "| writes/s one by one, 1,000 at a time | - | 3 |" in lines
    assert [line for line in lines if line.split(" | ")[0][2:] in NOT_DONE] == [
        f"| {what} | yes | {missing} |" for what, missing in NOT_DONE.items()
    ]


def test_every_distance_has_its_line(nothing_recorded: Path) -> None:
    names = [field.name for field in fields(Distance)]
    figures = {f"{place}_{name}": number for place in NAMES for number, name in enumerate(names)}
    write_record(Kind.WIDE_AREA.path, _record("scripts/bench --wide-area", {"validators": 7} | figures))
    numbers = " | ".join(map(str, range(len(names))))
    assert sections()["wide-area"][2 : 2 + len(NAMES)] == [f"| {words} | {numbers} |" for words in NAMES.values()]


def test_what_stood_between_the_markers_is_replaced_and_nothing_else(nothing_recorded: Path) -> None:
    marked = "before\n\n" + "".join(
        f"<!-- measured: {name} -->\nold\n<!-- end of {name} -->\nkept\n" for name in sections()
    )
    readme = nothing_recorded / "README.md"
    readme.write_text(marked)
    write_sections(readme)
    assert readme.read_text() == "before\n\n" + "".join(
        f"<!-- measured: {name} -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->\nkept\n"
        for name, lines in sections().items()
    )
    readme.write_text("no markers")
    with pytest.raises(ValueError, match="substring not found"):
        write_sections(readme)


def _record(command: str, figures: dict[str, object]) -> Record:
    return Record(command, "0123456789ab", "2026-01-02 03:04", {"cores": "2"}, figures)
