"""How fast an empty node catches up: it takes a whole chain from one peer, verifies every signature, executes every
block and writes it with its sync, beside the peer that serves it and on the same cores.

The chain has what the load of the saturation run makes: records of 450 bytes, BLOCK_TRANSACTIONS in a block. What is
between the first and the last twentieth counts. `catch_up_ratio` is transactions per second of wall time to the
verifications per second of all cores; what the serving peer and strangers take of the cores is in it, so beside it
stands `catch_up_efficiency`: the share of the node's own CPU time, workers included, that is unavoidable verification.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmark import machine
from benchmark.building import build
from ledger.genesis import Genesis
from ledger.parameters import Parameters
from node.config import FILE_NAME, Endpoint, load
from node.devnet import Layout, Processes, found
from node.home import adopt, make_follower_home, open_home
from node.identity import load_signing_key

BLOCK_TRANSACTIONS = 500
_DAY_MS = 24 * 3_600_000
_SECONDS_MAX = 600


def run(count: int, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Build a chain of `count` transactions, have a node catch up with it, and return the figures by name."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quorum-bench-")))
        layout = Layout(directory / "network", 1, base_port)
        say(f"building a chain of {count} transactions, {BLOCK_TRANSACTIONS} in a block")
        genesis = found_chain(layout, count, say)
        home, api = directory / "follower", Endpoint("127.0.0.1", base_port + 2)
        _make_follower(layout, home, api, Endpoint("127.0.0.1", base_port + 3), genesis)
        stack.enter_context(Processes(layout)).start()
        server = int((layout.validator_home(0) / "node.pid").read_text())
        before = machine.verification_rate()
        say("catching up")
        follower = stack.enter_context(_started(home))
        caught_up = _follow(follower.pid, server, api, count)
        follower.terminate()
        follower.wait(30)
        after = machine.verification_rate()
    rate = (before.per_cpu_second + after.per_cpu_second) / 2
    all_cores = (before.all_cores + after.all_cores) / 2
    per_second = caught_up.transactions / caught_up.seconds
    return {
        "catch_up_ratio": round(per_second / all_cores, 3),
        "catch_up_efficiency": round(caught_up.transactions / rate / caught_up.cpu_seconds, 3),
        "catch_up_transactions_per_second": round(per_second),
        "catch_up_microseconds_per_transaction": round(caught_up.cpu_seconds / caught_up.transactions * 1e6, 1),
        "catch_up_microseconds_of_the_server": round(caught_up.server_cpu_seconds / caught_up.transactions * 1e6, 1),
        "catch_up_foreign_load": round(caught_up.foreign_load, 3),
        "catch_up_verify_per_cpu_second": round(rate),
        "catch_up_verify_per_second_all_cores": round(all_cores),
    }


def found_chain(layout: Layout, count: int, say: Callable[[str], None]) -> Genesis:
    """The network of one validator, with a chain of `count` unkeyed records in its database."""
    genesis = found(layout, None, Parameters(heartbeat_ms=_DAY_MS))
    config = load(layout.validator_home(0) / FILE_NAME)
    assert config.consensus_key_path is not None
    store, _ = open_home(config)
    build(
        store,
        genesis,
        council=load_signing_key(layout.home / "council.pem"),
        consensus_key=load_signing_key(config.consensus_key_path),
        count=count,
        say=say,
        block_transactions=BLOCK_TRANSACTIONS,
        keyed=False,
    )
    store.close()
    return genesis


def _make_follower(layout: Layout, home: Path, api: Endpoint, peers: Endpoint, genesis: Genesis) -> None:
    """The home of a node that follows, which the validator pins; with as many workers as there are cores."""
    key = make_follower_home(home, peer_listen=peers, api_listen=api)
    adopt(load(home / FILE_NAME), genesis.document, expected=genesis.chain)
    with (layout.validator_home(0) / FILE_NAME).open("a") as file:
        file.write(f'\n[[peers.pinned]]\naddress = "{peers}"\nnode_key = "{key.hex()}"\n')


def _started(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "node", "start", "--home", os.fspath(home)], stderr=subprocess.DEVNULL
    )


@dataclass(frozen=True, slots=True)
class _CaughtUp:
    """What a node did between the first and the last twentieth of the chain."""

    transactions: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    foreign_load: float


def _follow(pid: int, server: int, api: Endpoint, count: int) -> _CaughtUp:
    """Look at a node until it has nearly all of the chain."""
    edge = count // 20
    first = _when(api, pid, server, edge)
    last = _when(api, pid, server, count - edge)
    assert last.server.machine > first.server.machine
    node, served = last.node - first.node, last.server.validators - first.server.validators
    busy = last.server.machine - first.server.machine
    return _CaughtUp(
        transactions=last.transactions - first.transactions,
        seconds=last.server.wall - first.server.wall,
        cpu_seconds=node,
        server_cpu_seconds=served,
        foreign_load=max(0.0, 1 - (node + served + last.server.own - first.server.own) / busy),
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """How many transactions a node had, and what it, with its workers, and others had used until then."""

    transactions: int
    node: float
    server: machine.Usage


def _when(api: Endpoint, pid: int, server: int, count: int) -> _Moment:
    """The moment when the node has at least `count` transactions."""
    until = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < until:
        time.sleep(0.05)
        try:
            with urllib.request.urlopen(f"http://{api}/v1/blocks/latest", timeout=10) as answer:
                transactions = orjson.loads(answer.read())["header"]["log_size"]
        except OSError:
            continue  # it is not listening yet
        if transactions >= count:
            return _Moment(transactions, machine.usage([pid]).validators, machine.usage([server]))
    raise RuntimeError("the node does not catch up")
