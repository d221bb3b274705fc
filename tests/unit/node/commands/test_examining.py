"""`quorum-node doctor` and `quorum-node ready`: asked of a node that runs, and of a home whose node does not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ledger.governance.readiness import parse_ready_statement
from tests.unit.node.commands.operators import assert_refused, founded, init, quorum_node
from tests.unit.node.commands.test_status import STATUS, answering, serving

HEAD = {"height": 7, "block_hash": "cd" * 32, "time_ms": 1, "time": "x"}


def diagnosis(*findings: tuple[str, str, str]) -> bytes:
    listed = [{"code": c, "severity": s, "sentence": said, "remedy": "do better"} for c, s, said in findings]
    healthy = all(severity == "notice" for _, severity, _ in findings)
    return json.dumps({"healthy": healthy, "findings": listed, "head": HEAD}).encode()


def test_nothing_is_wrong() -> None:
    with serving(answering(diagnosis())) as port:
        ended = quorum_node("doctor", "--url", f"http://127.0.0.1:{port}")
        assert (ended.code, ended.stdout) == (0, "nothing is wrong\n")
    with serving(answering(diagnosis(("not_in_set", "notice", "it follows")))) as port:
        ended = quorum_node("doctor", "--url", f"http://127.0.0.1:{port}")
        assert (ended.code, ended.stdout) == (0, "notice   it follows\n         -> do better\nnothing is wrong\n")


def test_something_is_wrong_and_the_exit_code_says_so() -> None:
    found = diagnosis(("behind", "warning", "8 blocks behind"), ("stalled", "error", "\x1b[2Jgone\n"))
    with serving(answering(found)) as port:
        url = f"http://127.0.0.1:{port}"
        ended = quorum_node("doctor", "--url", url)
        assert ended.code == 1
        assert "warning  8 blocks behind\n         -> do better\n" in ended.stdout
        assert "error    ?[2Jgone?" in ended.stdout
        assert "nothing is wrong" not in ended.stdout
        shown = quorum_node("doctor", "--url", url, "--output", "json")
        assert shown.code == 1
        assert shown.json()["healthy"] is False
        assert [item["code"] for item in json.loads(shown.stdout)["findings"]] == ["behind", "stalled"]


NO_ANSWERS = [b"", b"[]", b"{}", b"\xff", b'{"unknown":%b%b}' % (b"[" * 3_000, b"]" * 3_000)]


@pytest.mark.parametrize("body", [*NO_ANSWERS, b'{"healthy":1,"findings":[]}', json.dumps(STATUS).encode()])
def test_what_is_no_doctor(body: bytes) -> None:
    with serving(answering(body)) as port:
        assert_refused(
            quorum_node("doctor", "--url", f"http://127.0.0.1:{port}"), 14, "is not the API of a quorum-node"
        )
    assert_refused(quorum_node("doctor", "--url", f"http://127.0.0.1:{port}"), 14, "connection refused")


def test_a_node_that_does_not_run_is_judged_from_its_home(tmp_path: Path) -> None:
    with serving(answering(b"")) as port:
        pass
    assert init(tmp_path / "acme", "acme", "--api-listen", f"127.0.0.1:{port}").code == 0

    def codes() -> list[str]:
        ended = quorum_node("doctor", "--home", tmp_path / "acme", "--output", "json")
        assert ended.code == 1
        return [item["code"] for item in json.loads(ended.stdout)["findings"]]

    assert codes() == ["node_not_answering", "node_unfit"]
    assert "run quorum-node genesis adopt" in quorum_node("doctor", "--home", tmp_path / "acme").stdout
    card = tmp_path / "acme" / "card.json"
    out = tmp_path / "genesis.json"
    words = ("genesis", "assemble", card, "--network", "harbour", "--administrator", "acme", "--out", out)
    assert quorum_node(*words).code == 0
    assert quorum_node("genesis", "adopt", out, "--home", tmp_path / "acme").code == 0
    assert codes() == ["node_not_answering"]
    (tmp_path / "acme" / "data" / "guard").unlink()
    assert codes() == ["node_not_answering", "vote_state_lost"]
    (tmp_path / "acme" / "keys" / "node.pem").chmod(0o644)
    assert codes() == ["node_not_answering", "node_unfit"]


class Joiner:
    """A home that has adopted the genesis of others, and what its running node answers."""

    def __init__(self, directory: Path) -> None:
        self.chain = founded(directory, "acme")
        self.home = directory / "dock"
        self.genesis = directory / "genesis.json"
        self.status: dict[str, object] = {**STATUS, "chain": self.chain, "validator": None}
        self.found = diagnosis()

    def start(self, port: int) -> None:
        assert init(self.home, "dock", "--api-listen", f"127.0.0.1:{port}").code == 0

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        body = self.found if request.path == "/v1/doctor" else json.dumps(self.status).encode()
        answering(body)(request)


def test_a_joiner_is_told_what_others_pin_and_makes_its_statement(tmp_path: Path) -> None:
    joiner = Joiner(tmp_path)
    with serving(joiner.respond) as port:
        joiner.start(port)
        adopted = quorum_node("genesis", "adopt", joiner.genesis, "--home", joiner.home, "--hash", joiner.chain)
        assert "the keys of dock-1 are not in genesis: it follows until a proposal adds it" in adopted.stdout
        assert '  [[peers.pinned]]\n  address = "127.0.0.1:9471"\n' in adopted.stdout
        made = quorum_node("ready", "--home", joiner.home)
        assert made.code == 0, made
        statement = parse_ready_statement(made.stdout.strip().encode())
        assert (statement.chain.hex(), statement.height) == (joiner.chain, 7)
        assert (statement.entry.name, statement.entry.operator) == ("dock-1", "dock")
        assert "next, with the account dock: quorum-wallet validator ready FILE" in made.stderr
        out = tmp_path / "ready.json"
        assert quorum_node("ready", "--home", joiner.home, "--out", out).code == 0
        assert out.read_text() == made.stdout
        assert_refused(quorum_node("ready", "--home", joiner.home, "--out", out), 2, "is not overwritten")


def test_who_is_not_ready_makes_no_statement(tmp_path: Path) -> None:
    joiner = Joiner(tmp_path)
    with serving(joiner.respond) as port:
        joiner.start(port)
        joiner.found = diagnosis(("behind", "warning", "8 blocks behind"))
        assert_refused(
            quorum_node("ready", "--home", joiner.home), 1, "dock-1 is not ready: 8 blocks behind. do better"
        )
        joiner.found = diagnosis(("vote_state_lost", "error", "its guard is gone"))
        assert_refused(quorum_node("ready", "--home", joiner.home), 1, "dock-1 is not ready: its guard is gone")
        joiner.found = diagnosis(("storage_low", "error", "full"))
        assert quorum_node("ready", "--home", joiner.home).code == 0, "its own affair"
        joiner.status["validator"] = "dock-1"
        assert_refused(quorum_node("ready", "--home", joiner.home), 2, "those of dock-1 in the validator set already")
        (joiner.home / "keys" / "node.pem").write_bytes((joiner.home / "keys" / "consensus.pem").read_bytes())
        assert_refused(quorum_node("ready", "--home", joiner.home), 2, "is not the node key on")
        (joiner.home / "card.json").unlink()
        assert_refused(quorum_node("ready", "--home", joiner.home), 2, "card.json does not exist")
    assert quorum_node("init", "--follower", "--home", tmp_path / "mirror").code == 0
    assert_refused(quorum_node("ready", "--home", tmp_path / "mirror"), 2, "make a validator's home")


def test_a_joiner_believes_no_other_answers(tmp_path: Path) -> None:
    joiner = Joiner(tmp_path)
    with serving(joiner.respond) as port:
        joiner.start(port)
        for body in NO_ANSWERS:
            joiner.found = body
            assert_refused(quorum_node("ready", "--home", joiner.home), 14, "is not the API of a quorum-node")
