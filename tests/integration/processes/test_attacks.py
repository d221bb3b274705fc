"""Strangers, and one with a validator's key, do their worst to all other nodes: commits go on in bounded memory."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.limits import MIB
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from node.config import FILE_NAME, load
from tests.integration.processes import attacker
from tests.integration.processes.network import ProcessNetwork

LIVE = (0, 1, 2)
FALLEN = 3
GROWTH_BYTES_MAX = 192 * MIB
COMMITS = 3
SHUTS_OUT = "silent_handshakes"
CUT_OFF = "spoilt_frames"


def memory_bytes(network: ProcessNetwork, index: int) -> int:
    """What a node's process has in memory."""
    text = Path(f"/proc/{network.process_id(index)}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def times_cut_off(network: ProcessNetwork, index: int) -> int:
    """How often a node has ended a link for what came over it."""
    return network.log(index).count("peer_misbehaved")


@contextlib.contextmanager
def attacked(network: ProcessNetwork, attack: str) -> Iterator[None]:
    """Within this context an attacker, who has the keys of v3, does this to the others."""
    key = load(network.layout.validator_home(FALLEN) / FILE_NAME).node_key_path
    addresses = [str(place(index)) for index in LIVE for place in (network.layout.api, network.layout.peers)]
    command = [sys.executable, attacker.__file__, attack, str(network.layout.genesis), str(key), *addresses]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"under way\n"
            yield
            assert process.poll() is None, "the attacker has given up"
        finally:
            process.kill()


async def commit_some(network: ProcessNetwork, text: str) -> None:
    """Each of these is decided by all three, since they are just a quorum; its submitter is at each of them in turn."""
    for number in range(COMMITS):
        answer = await network.commit(network.record(f"{text} {number}"), LIVE[number % 3], LIVE[(number + 1) % 3])
        assert answer["result"] == "applied"


async def test_commits_go_on_under_every_attack(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        contents = [
            Content("x" * 30_000 + str(number)) for number in range(60)
        ]  # so that there is something to ask for
        appends = [RecordAppend(by="alice", stream="notes", content=content) for content in contents]
        await network.submit_many(0, [network.sign("alice", network.alice, append) for append in appends])
        network.kill(FALLEN)
        await commit_some(network, "before")
        too_much = []
        for attack in (*attacker.STRANGERS, *attacker.LISTED):
            started = time.monotonic()
            before = {index: memory_bytes(network, index) for index in LIVE}
            cut_off_before = [times_cut_off(network, index) for index in LIVE]
            with attacked(network, attack):
                if attack == SHUTS_OUT:
                    network.kill(2)
                    network.start(2)
                    await network.until_ready(2, peers=2)
                await commit_some(network, attack)
                grown = {index: memory_bytes(network, index) - before[index] for index in LIVE}
            mebibytes = ", ".join(f"{size / MIB:+.0f}" for size in grown.values())
            print(f"{attack:<20} {time.monotonic() - started:6.1f} s, memory {mebibytes} MiB", flush=True)
            cut_off = [times_cut_off(network, index) for index in LIVE]
            if attack == CUT_OFF:
                assert all(after > before for before, after in zip(cut_off_before, cut_off, strict=True))
            else:
                assert cut_off == cut_off_before, "it goes on for as long as it wants"
            if max(grown.values()) >= GROWTH_BYTES_MAX:
                too_much.append((attack, mebibytes))
            await commit_some(network, f"after {attack}")
        assert not too_much
