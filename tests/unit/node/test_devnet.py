"""The files of a development network: made once, gone on with, and never mistaken for another or for a whole one."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from ledger.errors import MalformedError
from ledger.parameters import Parameters
from ledger.validators import Quorum, QuorumRule
from node import devnet
from node.config import ConfigError, load
from node.devnet import Layout, Processes, found
from node.home import HomeError, VoteState, vote_state
from node.preflight import PortError
from tests.unit.node.commands.operators import assert_refused, quorum_node

BASE_PORT = 23_000


def layout(home: Path, validators: int = 2, base_port: int = BASE_PORT) -> Layout:
    return Layout(home / "net", validators, base_port)


def files(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "database" not in path.parts}


def test_a_second_run_goes_on_with_what_is_there(tmp_path: Path) -> None:
    place = layout(tmp_path)
    first = found(place, None, Parameters())
    before = files(place.home)
    assert found(place, None, Parameters()).chain == first.chain
    assert found(place, Quorum(QuorumRule.FIXED, 2), Parameters()).chain == first.chain  # the same quorum, in a number
    assert files(place.home) == before
    assert len(first.validators) == 2
    for index in range(2):
        config = load(place.validator_home(index) / "node.toml")
        assert vote_state(config) is VoteState.PRESENT
        assert (config.api_listen, config.peer_listen) == (place.api(index), place.peers(index))


@pytest.mark.parametrize(
    ("validators", "base_port", "quorum", "says"),
    [
        (3, BASE_PORT, None, "holds a network of 2 validators, not 3: say --validators 2, or name another --home"),
        (2, BASE_PORT + 10, None, f"holds a network with base port {BASE_PORT}, not {BASE_PORT + 10}"),
        (3, BASE_PORT, Quorum(QuorumRule.BFT), "holds a network of 2 validators"),
    ],
)
def test_another_network_is_refused_and_left_alone(
    tmp_path: Path, validators: int, base_port: int, quorum: Quorum | None, says: str
) -> None:
    found(layout(tmp_path), None, Parameters())
    before = files(tmp_path)
    with pytest.raises(HomeError, match=says):
        found(layout(tmp_path, validators, base_port), quorum, Parameters())
    assert files(tmp_path) == before


def test_another_quorum_is_refused(tmp_path: Path) -> None:
    found(layout(tmp_path, 3), None, Parameters())
    with pytest.raises(HomeError, match="holds a network with quorum 2, not 3: leave out --quorum"):
        found(layout(tmp_path, 3), Quorum(QuorumRule.BFT), Parameters())
    with pytest.raises(MalformedError, match="breaks n/2 < q <= n"):
        found(layout(tmp_path, 3), Quorum(QuorumRule.FIXED, 1), Parameters())


@pytest.mark.parametrize(
    ("validators", "base_port", "says"),
    [(0, BASE_PORT, "a network has 1 to"), (4, 65_530, "the base port is too high for that many validators")],
)
def test_impossible_networks_leave_nothing(tmp_path: Path, validators: int, base_port: int, says: str) -> None:
    with pytest.raises(HomeError, match=says):
        found(layout(tmp_path, validators, base_port), None, Parameters())
    assert not any(tmp_path.iterdir())


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    place = layout(tmp_path)
    place.home.mkdir()
    (place.home / "thesis.tex").write_text("years of work")
    with pytest.raises(HomeError, match="is not empty and holds no network: name another --home"):
        found(place, None, Parameters())
    assert [path.name for path in place.home.iterdir()] == ["thesis.tex"]
    shutil.rmtree(place.home)
    place.home.touch()
    with pytest.raises(HomeError, match="is a file: name another --home"):
        found(place, None, Parameters())


@pytest.mark.parametrize("step", ["create_key", "make_validator_home", "assemble_genesis", "adopt", "replace_file"])
def test_a_network_whose_making_was_cut_short_is_never_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = layout(tmp_path)
    original, calls = getattr(devnet, step), 0

    def cut_short(*words: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2 or step in ("assemble_genesis", "replace_file"):
            raise KeyboardInterrupt
        return original(*words, **named)

    with monkeypatch.context() as patched:
        patched.setattr(devnet, step, cut_short)
        with pytest.raises(KeyboardInterrupt):
            found(place, None, Parameters())
    with pytest.raises(HomeError, match="whose making was cut short, and nothing ran on it: remove the directory"):
        found(place, None, Parameters())
    shutil.rmtree(place.home)
    found(place, None, Parameters())


def test_parts_that_were_taken_away_are_named(tmp_path: Path) -> None:
    place = layout(tmp_path)
    found(place, None, Parameters())
    (place.validator_home(1) / "genesis.json").write_bytes(b"{}")
    with pytest.raises(HomeError, match=r"v1/genesis.json is not the genesis of this network: put .*/net/genesis.json"):
        found(place, None, Parameters())
    (place.validator_home(1) / "node.toml").write_text("[")
    with pytest.raises(ConfigError, match=r"v1/node.toml: not TOML"):
        found(place, None, Parameters())
    shutil.rmtree(place.validator_home(1))
    with pytest.raises(HomeError, match=r"v1/node.toml is missing, and genesis has v1: restore it"):
        found(place, None, Parameters())
    place.genesis.write_bytes(place.genesis.read_bytes()[:100])
    with pytest.raises(MalformedError):
        found(place, None, Parameters())


def test_nothing_is_started_while_another_listens_on_a_port(tmp_path: Path) -> None:
    """Else whoever it is would answer "ready" in the validator's place."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
        place = layout(tmp_path, 1, port)
        found(place, None, Parameters())
        with Processes(place) as processes, pytest.raises(PortError, match=f"API of v0 = '127.0.0.1:{port}'"):
            processes.start()
        line = ("devnet", "--home", place.home, "--validators", "1", "--base-port", str(port))
        ended = quorum_node(*line)
        assert (ended.code, ended.stderr.count("\n")) == (1, 1)
        assert "is this node, or another one, already running?" in ended.stderr
    assert not (place.validator_home(0) / "node.pid").exists()


def test_the_command_refuses_in_one_line_and_only_makes_files_when_told(tmp_path: Path) -> None:
    home = tmp_path / "net"
    line = ("devnet", "--home", home, "--only-files", "--base-port", str(BASE_PORT))
    made = quorum_node(*line, "--validators", "1")
    assert made.code == 0
    assert "1 validators, quorum 1: blocks are appended while at most 0 are stopped" in made.stdout
    assert_refused(quorum_node(*line), 2, "holds a network of 1 validators, not 4: say --validators 1")
