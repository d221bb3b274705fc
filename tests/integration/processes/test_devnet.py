"""`quorum-node devnet` and `scripts/devnet` as a newcomer types them: up, toured, continued, and stopped cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes.network import free_base_port

ROOT = Path(__file__).resolve().parents[3]


def devnet(home: Path, base_port: int, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "scripts" / "devnet"), "--home", str(home), "--base-port", str(base_port)]
    return subprocess.Popen(
        [*command, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def running(home: Path) -> list[int]:
    """The validators of this network that still run."""
    alive = []
    for path in home.glob("v*/node.pid"):
        pid = int(path.read_text())
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in command:
            alive.append(pid)
    return alive


def test_the_first_minute_and_the_second_run(tmp_path: Path) -> None:
    base_port = free_base_port(4)
    home = tmp_path / "devnet"
    first = devnet(home, base_port, "--once")
    output, _ = first.communicate(timeout=180)
    assert first.returncode == 0, output
    assert output.count("verified     yes, against the pinned genesis: 3 of 4 validators signed, quorum 3") == 6
    assert output.count("verified     yes, against the genesis of 'devnet'") == 1
    assert "Every block up to this height follows from genesis by the rules, signed by its quorums." in output
    assert "result       applied" in output
    assert not running(home)

    second = devnet(home, base_port, "--once")
    output, _ = second.communicate(timeout=180)
    assert second.returncode == 0, output
    assert "account add" not in output
    assert "stream create" not in output
    assert "block        9 " in output
    assert not running(home)


def test_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    home = tmp_path / "devnet"
    network = devnet(home, free_base_port(1), "--validators", "1")
    assert network.stdout is not None
    for line in network.stdout:
        if line.startswith("Ctrl-C stops everything"):
            break
    assert running(home)
    os.killpg(network.pid, signal.SIGINT)
    output, _ = network.communicate(timeout=60)
    assert network.returncode == 0, output
    assert "stopping" in output
    assert not running(home)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--validators", "3", "--quorum", "1"], "breaks n/2 < q <= n"),
        (["--validators", "3", "--quorum", "most"], "neither majority, bft nor a number"),
        (["--validators", "0"], "--validators"),
    ],
)
def test_impossible_networks_are_refused_with_the_reason(tmp_path: Path, words: list[str], says: str) -> None:
    home = tmp_path / "devnet"
    refused = devnet(home, 28_000, *words)
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode not in (0, None)
    assert says in output
    assert "Traceback" not in output
    assert not home.exists()


def test_a_home_with_another_network_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "devnet"
    made = [sys.executable, "-m", "node", "devnet", "--home", str(home), "--validators", "1", "--only-files"]
    assert subprocess.run(made, cwd=ROOT, check=False, capture_output=True).returncode == 0
    before = (home / "genesis.json").read_bytes()
    refused = devnet(home, 28_000, "--validators", "4")
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert "holds a network of 1 validators, not 4" in output
    assert (home / "genesis.json").read_bytes() == before
