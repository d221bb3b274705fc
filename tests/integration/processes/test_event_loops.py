"""Real processes on both event loops, uvloop's and asyncio's own, in one network: nobody can tell which is which."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.integration.processes.network import ProcessNetwork

WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from node.cli import main; main(prog_name='quorum-node')"


async def test_nodes_run_on_uvloop_and_without_it(tmp_path: Path) -> None:
    pytest.importorskip("uvloop", reason="it has no wheel for this machine")
    async with ProcessNetwork(tmp_path) as network:
        network.start(0, 1)
        network.start(2, 3, program=("-c", WITHOUT_UVLOOP))
        await network.until_ready()
        loops = [re.findall(r" started .*event_loop=(\w+)", network.log(index)) for index in range(4)]
        assert loops == [["uvloop"], ["uvloop"], ["asyncio"], ["asyncio"]]
        await network.register()
        for index in range(4):
            envelope = network.record(f"by v{index}")
            assert (await network.submit(index, envelope))["result"] == "applied"
            for other in range(4):
                await network.until_committed(other, [envelope])
        await network.no_evidence()
        for index, number in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT)):
            assert network.stop(index, number) == 0
            assert "asked to stop" in network.log(index)
