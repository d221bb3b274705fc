"""The API of a live node, fuzzed from its own OpenAPI document by schemathesis, with all of its checks.

The node is a follower with a chain that has something of every kind, and wants a bearer token, so that schemathesis
also tries without. It runs here, schemathesis in a process of its own, and makes the same requests every time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger import crypto
from node import wire
from node.http import HttpServer, create_application
from node.http.access import Access, parse_token
from node.inbox import Inbox
from node.log import EventLog
from node.replica import Replica
from node.runtime import Runtime, read_clocks
from node.storage import keys
from node.storage.guard import MemoryGuard
from tests.unit.ledger.founders import founder
from tests.unit.node.http.everything import fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.test_real_node import NoPeers

HERE = Path(__file__).parent
TOKEN = "fuzzing" * 6
DICTIONARIES = {"key": ["k", "account/org0", "stream/invoices"], "proposal": ["1", "2"], "height": ["0", "3"]}


@pytest.fixture
async def node() -> tuple[FakeNode, dict[str, str]]:
    """A chain in memory that has something of every kind, and the names of it."""
    made = FakeNode()
    return made, fill(made)


@pytest.fixture
async def url(node: tuple[FakeNode, dict[str, str]]) -> AsyncIterator[str]:
    """A node that follows that chain, and serves it to who has the token."""
    chain, published = node[0].chain, node[0].published
    assert published is not None
    checkpoint = wire.Checkpoint(published.height, published.note.encode())
    chain.store.write({keys.CHECKPOINT: wire.encode(checkpoint)}, sync=True)
    runtime = Runtime(
        replica=Replica(
            chain=chain,
            guard=MemoryGuard(),
            consensus_key=None,
            node_key=founder(5).node_key,
            cosigning_key=None,
            verify=crypto.verify,
            now=read_clocks(),
        ),
        inbox=Inbox(),
        sender=NoPeers(),
        queries=node[0].queries,
        appended=lambda block: None,
        watched=lambda: None,
        disk_is_low=lambda: False,
        log=EventLog("replica"),
    )
    server = HttpServer(create_application(runtime, Access((parse_token(TOKEN),))))
    running = asyncio.create_task(runtime.run())
    host, port = await server.listen("127.0.0.1", 0)
    yield f"http://{host}:{port}"
    await server.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def configuration(values: dict[str, str]) -> str:
    """The configuration of schemathesis, which is to use the names of what is there for half of the values."""
    words = {**{name: [value] for name, value in values.items()}, **DICTIONARIES}
    parameters = "\n".join(f'{name} = {{ dictionary = "{name}", probability = 0.5 }}' for name in words)
    dictionaries = "\n".join(f"{name} = {{ values = {found} }}" for name, found in words.items())
    common, exceptions = (HERE / "schemathesis.toml").read_text().split("[generation]", 1)
    return f"{common}\n[parameters]\n{parameters}\n\n[dictionaries]\n{dictionaries}\n\n[generation]{exceptions}"


async def test_no_request_finds_a_fault_or_an_answer_that_is_not_documented(
    url: str, node: tuple[FakeNode, dict[str, str]], tmp_path: Path
) -> None:
    chain, values = node[0].chain, node[1]
    config = tmp_path / "schemathesis.toml"
    config.write_text(configuration(values).replace('"fuzzing_hooks.py"', f'"{HERE / "fuzzing_hooks.py"}"'))
    environment = {
        **os.environ,
        "FUZZED_CHAIN": chain.chain.hex(),
        "FUZZED_VALID_UNTIL_MS": str(chain.tip.header.time_ms + 60_000),
    }
    fuzzing = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(config), "run", f"{url}/v1/openapi.json", "--checks", "all", "--no-color"),
        *("--header", f"Authorization: Bearer {TOKEN}"),
        # A stream does not end, and one that starts at a height to come says nothing: see test_events.
        *("--exclude-path", "/v1/events"),
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, said.decode()
