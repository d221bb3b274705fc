"""`quorum-node config check`: what a node is, in every state that its home can be in, and what it needs next."""

from __future__ import annotations

import shutil
from pathlib import Path

from node.identity import create_key
from tests.unit.node.commands.operators import Ended, founded, quorum_node


def check(home: Path, *words: str) -> Ended:
    ended = quorum_node("config", "check", "--home", home, *words)
    assert ended.code == 0, ended
    return ended


def adopt(directory: Path, name: str) -> None:
    assert quorum_node("genesis", "adopt", directory / "genesis.json", "--home", directory / name).code == 0


def test_a_validator_from_init_to_a_lost_vote_state(tmp_path: Path) -> None:
    chain = founded(tmp_path, "acme")
    home = tmp_path / "acme"
    card = quorum_node("id", "--home", home, "--output", "json").json()

    made = check(home, "--output", "json").json()
    for key in ("role", "node_key", "consensus_key", "cosigning_key"):
        assert made[key] == card[key]
    assert (made["chain"], made["vote_state"]) == (None, "not adopted")
    assert str(made["next"]).startswith("quorum-node genesis adopt GENESIS --hash HEX --home")
    assert "vote state     none yet: adopting genesis makes it\n" in check(home).stdout

    adopt(tmp_path, "acme")
    adopted = check(home, "--output", "json").json()
    assert (adopted["chain"], adopted["network"], adopted["validator"]) == (chain, "harbour", "acme-1")
    assert (adopted["vote_state"], adopted["next"]) == ("present", f"quorum-node start --home {home}")
    text = check(home).stdout
    assert f"chain          {chain} (harbour)\nvalidator      acme-1, in genesis\nvote state     present\n" in text
    assert "API            listens on 127.0.0.1:8470, without TLS\n" in text

    marks = home / "keys"
    (marks / "consensus.adopted").rename(marks / "consensus.adopting")
    cut_short = check(home, "--output", "json").json()
    assert cut_short["vote_state"] == "cut short"
    assert str(cut_short["next"]).startswith("quorum-node genesis adopt")
    assert "vote state     the adoption of genesis was cut short; nothing was promised yet\n" in check(home).stdout
    adopt(tmp_path, "acme")

    shutil.rmtree(home / "data")
    assert check(home, "--output", "json").json()["vote_state"] == "lost"
    assert "vote state     LOST: the node would follow and never vote" in check(home).stdout


def test_a_validator_that_genesis_does_not_list(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    (tmp_path / "acme" / "keys" / "consensus.pem").unlink()
    key = create_key(tmp_path / "acme" / "keys" / "consensus.pem")
    adopt(tmp_path, "acme")
    checked = check(tmp_path / "acme", "--output", "json").json()
    assert (checked["consensus_key"], checked["validator"]) == (key.hex(), None)
    assert "validator      not in genesis: it follows until the ledger lists" in check(tmp_path / "acme").stdout


def test_a_follower(tmp_path: Path) -> None:
    chain = founded(tmp_path, "acme")
    home = tmp_path / "mirror"
    assert quorum_node("init", "--follower", "--home", home).code == 0
    made = check(home, "--output", "json").json()
    assert (made["role"], made["vote_state"], made["chain"]) == ("follower", "follower", None)
    assert "consensus_key" not in made
    assert str(made["next"]).startswith("quorum-node genesis adopt")
    adopt(tmp_path, "mirror")
    assert check(home, "--output", "json").json()["chain"] == chain
    text = check(home).stdout
    assert "vote state     none: a follower never votes\n" in text
    assert f"next           quorum-node start --home {home}\n" in text
