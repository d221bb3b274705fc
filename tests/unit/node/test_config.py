"""The configuration file: strict, with errors that name the key and say what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import EXAMPLE, ConfigError, Endpoint, load

KEY = "ab" * 32


def write(directory: Path, text: str) -> Path:
    path = directory / "node.toml"
    path.write_text(text)
    return path


def test_the_example_is_a_configuration_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    text = EXAMPLE.format(genesis="../genesis.json", peer_listen="127.0.0.1:8471", api_listen="127.0.0.1:8470")
    config = load(write(tmp_path, text))
    assert config.genesis_path == tmp_path.parent / "genesis.json"
    assert config.consensus_key_path == tmp_path / "keys" / "consensus.pem"
    assert config.peer_listen == Endpoint("127.0.0.1", 8471)
    assert config.log_format == "plain"


def test_everything_has_a_default_that_listens_on_loopback_and_follows(tmp_path: Path) -> None:
    config = load(write(tmp_path, ""))
    assert config.api_listen.is_loopback
    assert config.consensus_key_path is None
    assert config.proof_heights == 256
    assert config.verify_workers is None


def test_how_many_heights_can_be_proved_is_set(tmp_path: Path) -> None:
    assert load(write(tmp_path, "proof_heights = 1000")).proof_heights == 1_000


def test_how_many_processes_verify_is_set(tmp_path: Path) -> None:
    assert load(write(tmp_path, "verify_workers = 3")).verify_workers == 3


def test_pinned_peers(tmp_path: Path) -> None:
    text = f'[[peers.pinned]]\naddress = "[::1]:9"\nnode_key = "{KEY}"\n[[peers.pinned]]\nnode_key = "{KEY}"\n'
    pinned = load(write(tmp_path, text)).pinned_peers
    assert [str(pin.endpoint) for pin in pinned] == ["[::1]:9", "None"]
    assert pinned[0].node_key == bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("genesys = 'x'", "unknown key 'genesys'; did you mean 'genesis'?"),
        ("[api]\nlissten = 'x'", "unknown key 'api.lissten'; did you mean 'listen'?"),
        ("[[peers.pinned]]\nnode_kee = 'x'", "unknown key 'peers.pinned.node_kee'; did you mean 'node_key'?"),
        ("zebra = 1", "known here: genesis, data, keys"),
        ("data = 7", "Expected `str`, got `int` - at `$.data`"),
        ("[log]\nlevel = 'loud'", "Invalid enum value 'loud' - at `$.log.level`"),
        ("data = ", "not TOML"),
        ("data = " + 1_000 * "[", "not TOML"),
        ("data = " + 5_000 * "9", "not TOML"),
        ("[api]\nlisten = 'nowhere'", 'api.listen must be "host:port"'),
        ("[api]\nlisten = '127.0.0.1:70000'", 'api.listen must be "host:port"'),
        ("[api]\nlisten = '0.0.0.0:80'", "insecure = true"),
        ("[api]\ntls_key = 'k'", "belong together"),
        ("[keys]\nconsensus = 'k'", "belong together"),
        ("proof_heights = 1", "proof_heights must be from 2 to 1000000"),
        ("verify_workers = -1", "verify_workers must be from 0 to 64"),
        ("verify_workers = 65", "verify_workers must be from 0 to 64"),
        ("proof_heights = 1000001", "proof_heights must be from 2 to 1000000"),
        ("[[peers.pinned]]\nnode_key = 'AB'", "64 lower-case hexadecimal digits"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize("address", ["10.0.0.1:80", "example.org:80"])
def test_off_loopback_insecure_must_be_said_out_loud(tmp_path: Path, address: str) -> None:
    assert not load(write(tmp_path, f"[api]\nlisten = '{address}'\ninsecure = true")).api_listen.is_loopback
