"""The README's tables of what was measured: made from the records, and from nothing else, between markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from benchmark.kinds import FIGURES
from benchmark.kinds import NAMES as KINDS
from benchmark.peers import NOT_DONE
from benchmark.record import Kind, Record, records
from benchmark.targets import Bound, table
from benchmark.wide_area import NAMES, Distance

FOREIGN_LOAD_MAX = 0.1
"""The share of the CPU time used from which on only ratios of CPU time mean anything."""

_PLOT = "scripts/benchmark/results/speed.svg"


def sections() -> Mapping[str, list[str]]:
    """The lines between each pair of markers, by the name in the markers."""
    return {"targets": _targets(), "kinds": _kinds(), "peers": _peers(), "wide-area": _wide_area()}


def with_sections(text: str) -> str:
    """A README with every section as the records have it. Raises `ValueError` when a marker is missing."""
    for name, lines in sections().items():
        begin, end = f"<!-- measured: {name} -->\n", f"<!-- end of {name} -->\n"
        start = text.index(begin) + len(begin)
        text = text[:start] + "".join(f"{line}\n" for line in lines) + text[text.index(end, start) :]
    return text


def write_sections(readme: Path) -> None:
    """Put what the records have into a README."""
    readme.write_text(with_sections(readme.read_text()))


def _targets() -> list[str]:
    found = records(Kind.SUITE, Kind.LONG)
    figures = {name: value for record in found for name, value in record.figures.items()}
    lines = [f"![What was measured, in parts of what is to be reached]({_PLOT})", ""] if records(*Kind) else []
    lines += ["| figure | measured | to reach | reached |", "| --- | --- | --- | --- |"]
    for row in table(figures):
        sign = "≥" if row.target.bound is Bound.AT_LEAST else "≤"
        measured = "not yet" if row.measured is None else _number(row.measured)
        lines.append(f"| {row.target.words} | {measured} | {sign} {_number(row.target.value)} | {row.verdict} |")
    return lines + _made_by(found) + _machines()


def _kinds() -> list[str]:
    lines = []
    for record in records(Kind.SUITE):
        measured = {name: words for name, words in KINDS.items() if f"{name}_{FIGURES[0]}" in record.figures}
        heads = [_HEADS[figure] for figure in FIGURES]
        lines = [f"| each transaction is | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"] * bool(measured)
        lines += [
            f"| {words} | {' | '.join(_value(record.figures, f'{name}_{figure}') for figure in FIGURES)} |"
            for name, words in measured.items()
        ]
    return (lines or ["Not measured yet."]) + _kinds_on_a_long_chain()


def _kinds_on_a_long_chain() -> list[str]:
    lines = []
    for record in records(Kind.LONG):
        names = [
            f"{what}_{chain}" for chain in ("short", "long") for what in ("keyed_records_microseconds", "transactions")
        ]
        if record.figures.keys() >= set(names):
            short_us, short, long_us, long = (_value(record.figures, name) for name in names)
            lines = [
                "",
                f"A record with a new key, on one validator alone (`scripts/bench --long`): {short_us} us where the "
                f"chain has had {short} transactions, and {long_us} where it has had {long}.",
            ]
    return lines


def _peers() -> list[str]:
    found = records(Kind.PEERS)
    lines = []
    for record in found:
        figures = record.figures

        def row(
            what: str, figure: str, form: str = "{}", figures: Mapping[str, object] = figures, *, ours: bool = True
        ) -> str:
            cells = [_value(figures, f"{who}_{figure}") for who in (*["ledger"] * ours, "etcd")]
            return f"| {what} | {' | '.join(form.format(cell) for cell in ['-'] * (not ours) + cells)} |"

        lines += [
            f"| {figures['members']} members, {_value(figures, 'value_bytes')} bytes a write | quorum-ledger "
            f"| etcd {figures['etcd_version']} |",
            "| --- | --- | --- |",
            row("writes/s in batches of 100", "batches_per_second"),
            row("CPU of all members for each", "batches_cpu_microseconds", "{} us"),
            f"| of it, verifying its signature {figures['members']} times | {_verification_us(record)} us | none |",
            row("writes/s one by one, 32 at a time", "one_by_one_per_second"),
            row("writes/s one by one, 1,000 at a time", "many_one_by_one_per_second", ours=False),
            row("one client, p50", "commit_ms_p50", "{} ms"),
            row("one client, p99", "commit_ms_p99", "{} ms"),
            *(f"| {what} | yes | {missing} |" for what, missing in NOT_DONE.items()),
        ]
    return lines + _made_by(found)


def _verification_us(record: Record) -> str:
    return _number(round(record.number("members") / record.number("verify_per_cpu_second") * 1e6))


def _wide_area() -> list[str]:
    found = records(Kind.WIDE_AREA)
    lines = []
    for record in found:
        heads = [field.name for field in fields(Distance)]
        lines += [
            f"| {record.figures['validators']} validators | {' | '.join(_HEADS[head] for head in heads)} |",
            "| --- " * (len(heads) + 1) + "|",
            *(
                f"| {words} | {' | '.join(_value(record.figures, f'{name}_{head}') for head in heads)} |"
                for name, words in NAMES.items()
            ),
        ]
    return lines + _made_by(found)


_HEADS = {
    "efficiency": "E",
    "microseconds": "us of a validator",
    "transactions_per_second": "tx/s",
    "transactions_per_block": "tx in a block",
    "block_ms": "ms a block",
    "commit_ms_p50": "one client, p50 ms",
    "commit_ms_p99": "p99 ms",
    "rounds_failed": "rounds failed",
    "cpu_share": "validators' share of all cores",
    "foreign_load": "foreign load",
}


def _made_by(found: list[Record]) -> list[str]:
    """A sentence for each record: what was run, how fast the disk was, and who else was running."""
    lines = []
    for record in found:
        load = max((value for name, value in _numbers(record) if name.endswith("foreign_load")), default=None)
        facts = [f"the disk syncs in {value} ms" for name, value in _numbers(record) if name == "sync_ms_p50"]
        if load is not None:
            loud = ", too much for R and for what a clock says to be relied on" * (load >= FOREIGN_LOAD_MAX)
            facts.append(f"others had at most {load:.0%} of the CPU time that was used{loud}")
        lines += ["", f"{_run(record)}{': ' * bool(facts)}{'; '.join(facts)}."]
    return lines or ["", "Not measured yet."]


def _machines() -> list[str]:
    """A sentence for each machine: what it is, and what ran there."""
    runs: dict[str, list[str]] = {}
    for record in records(*Kind):
        facts = ", ".join(f"{name} {value}" for name, value in record.machine.items())
        runs.setdefault(facts, []).append(f"`{record.command}`")
    return [line for facts, commands in runs.items() for line in ("", f"{', '.join(commands)}: on {facts}.")]


def _run(record: Record) -> str:
    return f"`{record.command}` of commit {record.commit} ({record.date} UTC)"


def _numbers(record: Record) -> list[tuple[str, float]]:
    return [(name, value) for name, value in record.figures.items() if isinstance(value, int | float)]


def _value(figures: Mapping[str, object], name: str) -> str:
    value = figures[name]
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    return f"{value:,}"
