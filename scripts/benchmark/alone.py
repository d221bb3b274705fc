"""One validator alone on the machine: what it takes in batches when it verifies in its own process, and with workers.

Both are measured the same way, one after the other, as in `saturation`; the load generator shares the cores.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from benchmark.network import running
from benchmark.saturation import saturated
from node.config import FILE_NAME
from node.devnet import Layout

_SENDERS = 4  # as many as in a network of four: a single one would wait for each answer
_UNSET = "# verify_workers = 0 "


def run(base_port: int, count: int, say: Callable[[str], None]) -> dict[str, object]:
    """Send `count` transactions to each, and return the figures by name."""
    workers = os.cpu_count() or 1
    inline, with_workers = (_per_second(base_port, number, count, say) for number in (0, workers))
    return {
        "alone_workers": workers,
        "alone_transactions_per_second_inline": round(inline),
        "alone_transactions_per_second": round(with_workers),
        "alone_gain_of_workers": round(with_workers / inline, 2),
    }


def _per_second(base_port: int, workers: int, count: int, say: Callable[[str], None]) -> float:
    def prepare(layout: Layout) -> None:
        path = layout.validator_home(0) / FILE_NAME
        text = path.read_text()
        assert _UNSET in text, "one validator alone has a comment in its place"
        path.write_text(text.replace(_UNSET, f"verify_workers = {workers} "))

    say(f"one validator alone, {workers} workers: {count} transactions in batches")
    with running(base_port, validators=1, prepare=prepare) as network:
        asyncio.run(network.load.prepare())
        loaded = asyncio.run(saturated(network, network.load.records(count), senders=_SENDERS))
    return loaded.committed / loaded.used.wall
