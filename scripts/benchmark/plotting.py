"""The plot of what was measured, as SVG: drawn from the records alone, and the same bytes from the same records.

    above    every target: the measured figure in parts of what is to be reached, right of the line when it was
    below    CPU time of all members for one write, here and in etcd; and what a delay between validators costs

The text of the picture is text, so that it can be read, searched and compared.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.record import RESULTS, Kind, Record, records
from benchmark.targets import Bound, Row, table
from benchmark.wide_area import DELAYS_MS

PLOT = RESULTS / "speed.svg"
_PARTS_MAX = 100  # a count that should be low may well be 0
_INK, _QUIET, _GOOD, _BAD = "#222222", "#b9c0c7", "#2b6cb0", "#c05621"


def drawn_from() -> str:
    """What a plot of the records says that it was drawn from: a digest of them."""
    digest = hashlib.sha256()
    for kind in Kind:
        digest.update(kind.path.read_bytes() if kind.path.exists() else b"-")
    return f"records {digest.hexdigest()}"


def write_plot(path: Path) -> None:
    """Draw the records. `matplotlib` must be there."""
    path.write_text(draw())


def draw() -> str:
    """The SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = [row for row in table(_figures()) if row.measured is not None]
    beside = records(Kind.PEERS, Kind.WIDE_AREA)
    panels: list[tuple[float, Callable[[Any], None]]] = []  # heights in inches, and what draws in them
    if rows:
        panels.append((0.24 * len(rows) + 0.8, partial(_draw_targets, rows=rows)))
    if beside:
        panels.append((2.6, partial(_draw_beside, beside=beside)))
    heights = [height for height, _ in panels]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "speed", "font.family": "sans-serif", "font.size": 9}):
        figure = Figure(figsize=(9, sum(heights)), layout="constrained")
        places = figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False).flat
        for place, (_, drawn) in zip(places, panels, strict=True):
            drawn(place)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Source": drawn_from()})
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())


def _figures() -> dict[str, object]:
    return {name: value for record in records(Kind.SUITE, Kind.LONG) for name, value in record.figures.items()}


def _draw_targets(panel: Any, rows: list[Row]) -> None:
    """A line for each target, the first on top."""
    axes = _axes(panel, "What was measured, in parts of what is to be reached: right of the line, it was")
    for place, row in enumerate(reversed(rows)):
        assert row.measured is not None
        high = row.target.bound is Bound.AT_LEAST
        share = row.measured / row.target.value
        parts = max(share if high else 1 / max(share, 1 / _PARTS_MAX), 1 / _PARTS_MAX)
        colour = _GOOD if row.verdict == "yes" else _BAD
        axes.plot([1, parts], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([parts], [place], marker="o", markersize=5, color=colour)
        sign = "≥" if high else "≤"
        axes.annotate(
            f"{row.measured:,} ({sign} {row.target.value:,})",
            (max(parts, 1), place),
            xytext=(7, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=_INK,
        )
    axes.axvline(1, color=_INK, linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda parts, _: f"{parts:g}" if parts >= 1 else f"1/{1 / parts:g}")
    axes.margins(x=0.25)
    axes.set_yticks(range(len(rows)), [row.target.words for row in reversed(rows)])
    axes.tick_params(axis="y", length=0)


def _draw_beside(panel: Any, beside: list[Record]) -> None:
    """Side by side what there is of etcd and of validators far apart."""
    for place, record in zip(panel.subfigures(1, len(beside), squeeze=False).flat, beside, strict=True):
        if "etcd_version" in record.figures:
            _draw_peers(place, record)
        else:
            _draw_wide_area(place, record)


def _draw_peers(panel: Any, record: Record) -> None:
    """What each costs, and how much of it is verification."""
    axes = _axes(panel, "CPU time of four members for one write, us")
    ledger, etcd = (record.number(f"{who}_batches_cpu_microseconds") for who in ("ledger", "etcd"))
    verification = record.number("members") / record.number("verify_per_cpu_second") * 1e6
    axes.barh([1, 0], [verification, 0], color=_GOOD, label="its signature, verified four times")
    axes.barh([1, 0], [ledger - verification, etcd], left=[verification, 0], color=_QUIET, label="all else")
    axes.set_yticks([1, 0], ["quorum-ledger", f"etcd {record.figures['etcd_version']}"])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, 2.2)
    axes.legend(loc="upper right", frameon=False, ncols=1)


def _draw_wide_area(panel: Any, record: Record) -> None:
    """Commit and block time against the delay."""
    axes = _axes(panel, f"{record.figures['validators']} validators: ms against the delay between them")
    for figure, words, colour in (
        ("block_ms", "a block, under load", _QUIET),
        ("commit_ms_p50", "a commit, one client", _GOOD),
    ):
        values = [record.number(f"delay_{delay_ms}_{figure}") for delay_ms in DELAYS_MS]
        axes.plot(DELAYS_MS, values, marker="o", color=colour, label=words)
    axes.set_xticks(DELAYS_MS, [f"{delay_ms} ms" for delay_ms in DELAYS_MS])
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", frameon=False)


def _axes(panel: Any, title: str) -> Any:
    panel.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold")
    return panel.subplots()
