"""One run: found a network, load it, measure, and say what it means in ratios to the machine's own rates.

The scenarios are in the order of the table below, on one network, whose chain grows meanwhile; those that need another
network found it. What happens at a share of the maximum load takes the maximum from the saturation of the same run.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from benchmark import (
    alone,
    asking,
    auditing,
    catching_up,
    flooding,
    killing,
    kinds,
    latency,
    machine,
    overhead,
    saturation,
)
from benchmark.network import VALIDATORS, Network, running


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is: of the saturation run its transactions and repetitions; transactions of several operations;
    single submissions of one client and over many connections; seconds at half load; unverified transactions; those of
    each kind; those for one validator alone; and those of the chain that is caught up with, and of the one that is
    audited."""

    transactions: int
    repetitions: int
    operations_transactions: int
    one_client: int
    one_by_one: int
    half_load_seconds: float
    unverified: int
    kinds: int
    alone: int
    chain: int


QUICK = Plan(8_000, 1, 2_000, 200, 3_000, 5, 10_000, 5_000, 10_000, 20_000)
FULL = Plan(20_000, 5, 6_000, 1_000, 15_000, 15, 30_000, 20_000, 30_000, 80_000)

SCENARIOS = (
    "saturation",
    "one-client",
    "operations",
    "one-by-one",
    "half-load",
    "queries",
    "flooding",
    "killing",
    "overhead",
    "kinds",
    "alone",
    "catch-up",
    "audit",
)
"""What can be asked for by name; the first is always measured, because others need it."""


def run(plan: Plan, base_port: int, only: Collection[str], say: Callable[[str], None]) -> dict[str, object]:
    """Do everything, or `only` what is named, and return the figures (the names are those of `--output json`)."""
    wanted = only or SCENARIOS
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        say("measuring the disk's syncs")
        figures: dict[str, object] = {"sync_ms_p50": round(machine.sync_ms_p50(Path(directory)), 3)}
    say(f"starting {VALIDATORS} validators")
    with running(base_port) as network:
        figures |= _on_one_network(network, plan, wanted, say)
    if "overhead" in wanted:
        figures |= overhead.run(base_port, plan.unverified, say)
    if "kinds" in wanted:
        figures |= kinds.run(base_port, plan.kinds, say)
    if "alone" in wanted:
        figures |= alone.run(base_port, plan.alone, say)
    if "catch-up" in wanted:
        figures |= catching_up.run(plan.chain, base_port, say)
    if "audit" in wanted:
        figures |= auditing.run(plan.chain, base_port, say)
    return figures | {
        "validators": VALIDATORS,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
    }


def _on_one_network(
    network: Network, plan: Plan, wanted: Collection[str], say: Callable[[str], None]
) -> dict[str, object]:
    figures: dict[str, object] = {}
    asyncio.run(network.load.prepare())
    if "one-client" in wanted:
        say(f"one client, one transaction at a time: {plan.one_client}")
        figures |= asyncio.run(latency.one_client(network, plan.one_client))
    saturated = saturation.repeated(network, network.load.records, plan.transactions, plan.repetitions, say)
    figures |= _saturation_figures(network, saturated)
    maximum = saturated.transactions_per_second
    if "operations" in wanted:
        figures |= saturation.operations(network, plan.operations_transactions, say)
    if "one-by-one" in wanted:
        say(f"{latency.CONNECTIONS} connections, one transaction at a time on each: {plan.one_by_one}")
        figures |= asyncio.run(latency.one_by_one(network, plan.one_by_one))
    if "half-load" in wanted:
        say(f"half of the maximum load for {plan.half_load_seconds} s")
        figures |= asyncio.run(latency.at_half_load(network, maximum, plan.half_load_seconds))
    if "queries" in wanted:
        say(f"queries over {asking.CONNECTIONS} connections for {plan.half_load_seconds} s, at half load")
        asked = asking.under_load(network, maximum, plan.half_load_seconds)
        figures |= {f"query_{name}": value for name, value in asked.items()}
    if "flooding" in wanted:
        figures |= asyncio.run(flooding.run(network, say))
    if "killing" in wanted:
        figures |= asyncio.run(killing.run(network, maximum, say))
    return figures


def _saturation_figures(network: Network, saturated: saturation.Saturation) -> dict[str, object]:
    database = network.layout.validator_home(0) / "data"
    return {
        "efficiency": round(saturated.efficiency, 3),
        "ratio": round(saturated.ratio, 3),
        "transactions_per_second": round(saturated.transactions_per_second),
        "transactions_per_block": round(saturated.transactions_per_block),
        "microseconds_per_transaction_and_validator": round(
            saturated.cpu_seconds_per_transaction / network.layout.validators * 1e6, 1
        ),
        "verify_per_cpu_second": round(saturated.verify_per_cpu_second),
        "verify_per_second_all_cores": round(saturated.verify_per_second_all_cores),
        "bytes_per_transaction_and_node": round(machine.directory_bytes(database) / network.load.signed),
        "memory_bytes_max": max(map(machine.peak_memory_bytes, network.pids)),
        "foreign_load": round(saturated.foreign_load, 3),
    }
