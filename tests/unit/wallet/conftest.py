"""The wallet's world in tests: an own configuration directory, a way to run commands, a network and its fake node."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from tests.unit.wallet.fake_node import FakeNode
from tests.unit.wallet.network import Network
from wallet.audit_cli import main as audit_main
from wallet.cli import main as wallet_main
from wallet.config import SETTINGS
from wallet.keys import key_file_bytes

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the configuration, with nothing in it; no setting comes from the environment."""
    for setting in SETTINGS.values():
        monkeypatch.delenv(setting.environment, raising=False)
    monkeypatch.delenv("QUORUM_PROFILE", raising=False)
    monkeypatch.delenv("QUORUM_DEBUG", raising=False)
    directory = tmp_path / "home"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("QUORUM_CONFIG", str(directory / "config.toml"))
    monkeypatch.chdir(tmp_path)
    return directory


@pytest.fixture
def run(home: Path) -> Run:
    """Run quorum-wallet with arguments; the result has exit_code, stdout and stderr."""

    def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(wallet_main, list(arguments), input=stdin, prog_name="quorum-wallet")

    return invoke


@pytest.fixture
def audit(home: Path) -> Run:
    """Run quorum-audit with arguments."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(audit_main, list(arguments), prog_name="quorum-audit")

    return invoke


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every socket an error."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("an offline command opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def network() -> Network:
    """A network of four validators, at genesis."""
    return Network()


@pytest.fixture
def node(network: Network) -> Iterator[FakeNode]:
    """A node of the network, listening."""
    with FakeNode(network) as started:
        yield started


@pytest.fixture
def profile(home: Path, network: Network) -> Path:
    """A profile that pins the network, sends as org0 and signs with its (unencrypted) key."""
    (home / "keys").mkdir(mode=0o700)
    for index in range(3):
        path = home / "keys" / f"org{index}.pem"
        path.write_bytes(key_file_bytes(network.operator_seed(index), None, created="2026-01-01T00:00:00Z"))
        path.chmod(0o600)
    genesis = home / "genesis.json"
    genesis.write_bytes(network.genesis.document)
    (home / "config.toml").write_text(
        f'default_profile = "main"\n[profiles.main]\ngenesis = "{genesis}"\n'
        f'genesis_hash = "{network.genesis.chain.hex()}"\naccount = "org0"\nkeys = ["org0"]\n'
    )
    return home
