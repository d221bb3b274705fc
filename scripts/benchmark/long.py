"""What a million transactions do to a node: its memory, its start, its disk, its queries, and the state root.

Two chains are built straight into databases (`building`): one of ten thousand transactions and one of a million, each
of one validator. Both nodes are asked in turn, one query at a time; then each in its turn is asked by 32 connections
while it commits blocks at half of what the short one can. In the end each commits records with new keys.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from benchmark import asking, machine, queries, saturation, state_root
from benchmark.building import BLOCK_TRANSACTIONS, build
from benchmark.load import Load
from benchmark.network import Network
from benchmark.queries import SHORT
from ledger.genesis import parse_genesis
from ledger.parameters import Parameters
from node.config import FILE_NAME, Config, load
from node.devnet import Layout, Processes, found
from node.home import data_paths, open_home
from node.identity import load_signing_key
from node.storage.leveldb import open_database

STATE_KEYS = 1_000_000
LOAD_TRANSACTIONS = 20_000
LOAD_SECONDS = 10.0
KEYED_RECORDS = 60_000
_SERIAL = 10_000_000  # above all that were used to build
_IDLE_SECONDS = 0.05  # of CPU time, per second
_DAY_MS = 24 * 3_600_000


def run(count: int, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Build both chains, the long one of `count` transactions, and measure; the figures by name."""
    with ExitStack() as stack:
        layouts = []
        for index, size in enumerate((SHORT, count)):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="quorum-bench-"))
            layouts.append(_built(Layout(Path(directory) / "network", 1, base_port + 10 * index), size, say))
        figures = measure(layouts[0], layouts[1], count, say)
    return figures | state_root.run(STATE_KEYS, say)


def measure(short: Layout, long: Layout, count: int, say: Callable[[str], None]) -> dict[str, object]:
    """What chains that are built give; the figures by name."""
    figures: dict[str, object] = {"transactions_short": SHORT, "transactions_long": count}
    p99 = {}
    with ExitStack() as stack:
        networks = {}
        for name, layout, size in (("short", short, SHORT), ("long", long, count)):
            say(f"merging the tables of the {name} chain, and starting its node")
            figures[f"disk_bytes_per_transaction_{name}"] = _compacted_bytes(layout, size)
            started = time.perf_counter()
            networks[name] = _started(stack, layout)
            figures[f"start_seconds_{name}"] = round(time.perf_counter() - started, 2)
        say("waiting until the databases have merged their tables")
        for network in networks.values():
            _wait_until_idle(network)
        say("asking, one query at a time")
        figures |= queries.ask_both(networks["short"], networks["long"], count)
        say(f"asking over {asking.CONNECTIONS} connections at half load")
        envelopes = networks["short"].load.records(LOAD_TRANSACTIONS)
        loaded = asyncio.run(saturation.saturated(networks["short"], envelopes))
        maximum = loaded.committed / loaded.used.wall
        for name, network in networks.items():
            asked = asking.under_load(network, maximum, LOAD_SECONDS)
            figures |= {f"query_{key}_{name}": value for key, value in asked.items()}
            p99[name] = asked["ms_p99"]
            figures[f"memory_megabytes_{name}"] = round(machine.own_memory_bytes(network.pid(0)) / 1e6)
            figures[f"memory_with_mapped_files_megabytes_{name}"] = round(
                machine.peak_memory_bytes(network.pid(0)) / 1e6
            )
        for name, network in networks.items():
            say(f"committing {KEYED_RECORDS} records with new keys on the {name} chain")
            loaded = asyncio.run(saturation.saturated(network, network.load.keyed_records(KEYED_RECORDS)))
            figures[f"keyed_records_microseconds_{name}"] = round(loaded.used.validators / loaded.committed * 1e6, 1)
            figures[f"keyed_records_foreign_load_{name}"] = round(loaded.used.foreign_load, 3)
    return figures | {"query_p99_ratio_long": round(p99["long"] / p99["short"], 2)}


def _built(layout: Layout, count: int, say: Callable[[str], None]) -> Layout:
    """The network of one validator, with a chain of `count` transactions in its database."""
    genesis = found(layout, None, Parameters(heartbeat_ms=_DAY_MS))
    config = _config(layout)
    assert config.consensus_key_path is not None
    say(f"building a chain of {count} transactions, {BLOCK_TRANSACTIONS} in a block")
    started = time.perf_counter()
    store, _ = open_home(config)
    council, consensus = load_signing_key(layout.home / "council.pem"), load_signing_key(config.consensus_key_path)
    build(store, genesis, council=council, consensus_key=consensus, count=count, say=say)
    store.close()
    say(f"  {time.perf_counter() - started:.0f} s; {machine.directory_bytes(data_paths(config).database) / 1e6:.0f} MB")
    return layout


def _compacted_bytes(layout: Layout, count: int) -> int:
    """The bytes per transaction of a database whose tables are merged."""
    database = data_paths(_config(layout)).database
    with closing(open_database(database)) as store:
        # Nobody else needs it, so the port has no word; without bounds, plyvel 1.5.1 merges next to nothing.
        store._database.compact_range(start=b"\0", stop=b"\xff" * 64)  # type: ignore[attr-defined]
    return round(machine.directory_bytes(database) / count)


def _started(stack: ExitStack, layout: Layout) -> Network:
    """The network, once its validator is ready."""
    processes = stack.enter_context(Processes(layout))
    processes.start()
    chain, council = parse_genesis(layout.genesis.read_bytes()).chain, load_signing_key(layout.home / "council.pem")
    return Network(layout, processes, Load(chain, council, [f"http://{layout.api(0)}"], _SERIAL))


def _wait_until_idle(network: Network) -> None:
    """Return when the node has used next to no CPU time for a second: what building left to do is done then."""
    before = machine.usage(network.pids).validators
    while True:
        time.sleep(1)
        now = machine.usage(network.pids).validators
        if now - before < _IDLE_SECONDS:
            return
        before = now


def _config(layout: Layout) -> Config:
    return load(layout.validator_home(0) / FILE_NAME)
