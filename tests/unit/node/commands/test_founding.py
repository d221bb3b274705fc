"""Founding: what founders make, and what they get to see of a genesis document before they agree to its hash."""

from __future__ import annotations

from pathlib import Path

from ledger.parameters import Parameters
from ledger.roles import Role
from ledger.rows.accounts import Account
from tests.unit.ledger.founders import genesis_of, signing_key
from tests.unit.node.commands.operators import KEY, assert_refused, founded, init, quorum_node


def test_nothing_that_genesis_decides_is_left_out(tmp_path: Path) -> None:
    """Whoever assembles it could add an administrator of their own, a strange limit, or a time of their choice."""
    stranger = Account("stranger", (signing_key("stranger").public_key,), 1, (Role.ADMINISTRATOR,))
    made = genesis_of(4, parameters=Parameters(sender_quota=1), further_accounts=(stranger,))
    file = tmp_path / "genesis.json"
    file.write_bytes(made.document)
    shown = quorum_node("genesis", "show", file).stdout
    for text in (
        f"network     {made.network}",
        f"chain       {made.chain.hex()}",
        "time        2027-01-15T08:00:00Z",
        "quorum      4 validators, quorum 3: blocks are appended while at most 1 are stopped; the chain cannot fork "
        "while at most 1 sign two different things\n",
        "one more    with 2 stopped nothing is appended until enough are back; with 2 signing two different things "
        "the chain can fork",
        "validator   v3 at 127.0.0.1:9007, operated by org3",
        "account     org0: 1 of 1 keys, administrator, operator",
        f"account     stranger: 1 of 1 keys, administrator\n  key       {stranger.keys[0].hex()}",
        "parameter   sender_quota = 1 (not the usual 1000)",
        "parameter   heartbeat_ms = 60000\n",
    ):
        assert text in shown


def test_the_same_for_scripts(tmp_path: Path) -> None:
    made = genesis_of(3)
    file = tmp_path / "genesis.json"
    file.write_bytes(made.document)
    shown = quorum_node("genesis", "show", file, "--output", "json").json()
    assert (shown["chain"], shown["network"], shown["time_ms"]) == (made.chain.hex(), made.network, made.time_ms)
    assert (shown["n"], shown["q"], shown["tolerance"]) == (3, 2, {"stopped": 1, "double_signing": 0})
    assert str(shown["beyond"]).endswith("with 1 signing two different things the chain can fork, provably by whom")
    assert shown["validators"] == [validator.to_json() for validator in made.validators.validators]
    assert shown["parameters"] == made.parameters.to_json()
    assert shown["accounts"] == [account.to_json() for account in made.accounts]


def test_a_validator_is_made_with_what_it_needs_and_told_what_networks_survive(tmp_path: Path) -> None:
    home = tmp_path / "acme"
    made = init(home, "acme", "--api-listen", "127.0.0.1:9999")
    assert made.code == 0
    assert f"its public card: {home}/card.json" in made.stdout
    for sentence in (
        "3 validators, quorum 2: blocks are appended while at most 1 are stopped; the chain cannot fork",
        "4 validators, quorum 3: blocks are appended while at most 1 are stopped; the chain cannot fork",
        "next: quorum-node genesis adopt",
    ):
        assert sentence in made.stdout
    assert 'listen = "127.0.0.1:9999"' in (home / "node.toml").read_text()
    card = quorum_node("id", "--home", home, "--card")
    assert card.stdout == (home / "card.json").read_text() + "\n"
    for text, value in quorum_node("id", "--home", home, "--output", "json").json().items():
        assert f"{text.replace('_', ' '):<14} {value}\n" in quorum_node("id", "--home", home).stdout
    assert KEY in card.stdout


def test_assembling_says_what_the_network_survives(tmp_path: Path) -> None:
    for name in ("acme", "bolt", "cargo"):
        assert init(tmp_path / name, name).code == 0
    cards = [tmp_path / name / "card.json" for name in ("acme", "bolt", "cargo")]
    words = ("--network", "harbour", "--administrator", "acme", "--quorum", "3", "--parameter", "sender_quota=7")
    made = quorum_node("genesis", "assemble", *cards, *words, "--out", tmp_path / "genesis.json")
    assert made.code == 0
    assert "3 validators, quorum 3: blocks are appended while at most 0 are stopped" in made.stdout
    assert "one more    with 1 stopped nothing is appended until enough are back; with 3 signing two" in made.stdout
    assert "parameter   sender_quota = 7 (not the usual 1000)" in made.stdout
    assert quorum_node("genesis", "show", tmp_path / "genesis.json").stdout in made.stdout


def test_a_follower_has_a_node_key_and_no_card(tmp_path: Path) -> None:
    chain = founded(tmp_path, "acme")
    home = tmp_path / "mirror"
    made = quorum_node("init", "--follower", "--home", home, "--address", "mirror.example:8471")
    assert made.code == 0
    key = quorum_node("id", "--home", home, "--output", "json").json()
    assert key["role"] == "follower"
    assert f'  [[peers.pinned]]\n  address = "mirror.example:8471"\n  node_key = "{key["node_key"]}"\n' in made.stdout
    assert sorted(path.name for path in home.rglob("*")) == ["keys", "node.pem", "node.toml"]
    assert f'  [[peers.pinned]]\n  node_key = "{key["node_key"]}"\n' in quorum_node("id", "--home", home).stdout
    assert_refused(quorum_node("id", "--home", home, "--card"), 2, "only a validator has a card")
    adopted = quorum_node("genesis", "adopt", tmp_path / "genesis.json", "--home", home, "--hash", chain)
    assert adopted.code == 0, adopted
    assert sorted(path.name for path in (home / "data").iterdir()) == ["database"]
    assert sorted(path.name for path in (home / "keys").iterdir()) == ["node.pem"]


def test_what_a_follower_prints_can_be_pasted_into_a_validators_configuration(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    made = quorum_node("init", "--follower", "--home", tmp_path / "mirror", "--address", "mirror.example:8471")
    config = tmp_path / "acme" / "node.toml"
    pasted = [line for line in made.stdout.splitlines() if line.startswith("  ")]
    config.write_text(config.read_text() + "\n".join(pasted) + "\n")
    checked = quorum_node("config", "check", "--home", tmp_path / "acme", "--output", "json").json()
    follower = quorum_node("id", "--home", tmp_path / "mirror", "--output", "json").json()
    assert checked["pinned_peers"] == [{"address": "mirror.example:8471", "node_key": follower["node_key"]}]
