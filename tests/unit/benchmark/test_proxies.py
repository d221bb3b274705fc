"""A delay between validators is the delay that was asked for, in both directions, and validators dial through it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmark.proxies import Proxies

from ledger.parameters import Parameters
from node.config import FILE_NAME, load
from node.devnet import Layout, found
from tests.integration.processes.network import free_base_port

DELAY_MS = 150


async def test_what_is_sent_arrives_so_much_later(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "network", 2, free_base_port(2))
    found(layout, None, Parameters())
    with Proxies(layout) as proxies:
        proxies.dial_through()
        (pinned,) = load(layout.validator_home(0) / FILE_NAME).pinned_peers
        assert pinned.endpoint is not None
        assert pinned.endpoint not in (layout.peers(0), layout.peers(1))
        echo = await asyncio.start_server(_echo, layout.peers(1).host, layout.peers(1).port)
        async with echo:
            reader, writer = await asyncio.open_connection(pinned.endpoint.host, pinned.endpoint.port)
            assert await _round_trip_ms(reader, writer) > 0
            proxies.delay(DELAY_MS)
            assert await _round_trip_ms(reader, writer) >= 2 * DELAY_MS
            writer.close()


async def _round_trip_ms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    begun = time.monotonic()
    writer.write(b"there and back\n")
    assert await reader.readline() == b"there and back\n"
    return 1_000 * (time.monotonic() - begun)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()
