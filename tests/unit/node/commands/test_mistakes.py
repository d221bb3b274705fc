"""What operators mistype or leave out: one line that says what to do, the documented exit code, never a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from node.commands import failures
from node.commands.founding import init as init_command
from node.storage.errors import DamagedError
from tests.unit.node.commands.operators import KEY, assert_refused, founded, init, quorum_node


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("strt", "Did you mean one of: 'start', 'status'?"),
        ("genesis adpt", "Did you mean 'adopt'?"),
        ("config chek", "Did you mean 'check'?"),
        ("start --hom x", "Did you mean '--home'?"),
        ("status --outptu json", "'--output'"),
        ("status --output yaml", "is not one of 'text', 'json'"),
        ("status --timeout 0", "--timeout"),
        ("status --timeout soon", "--timeout"),
        ("status --url ftp://here", "is not the URL of an API"),
        ("status --url http://", "is not the URL of an API"),
        ("status --url http://h:port", "is not the URL of an API"),
        ("status --url http://h:99999", "is not the URL of an API"),
        ("status --url 127.0.0.1:8470", "write it like http://127.0.0.1:8470"),
        ("status --ca absent.pem", "'absent.pem' does not exist"),
        ("genesis show absent.json", "'absent.json' does not exist"),
        ("genesis assemble --network x --administrator a", "Missing argument 'CARDS...'"),
        ("init", "a validator needs --name, --operator, --operator-key, --address (or say --follower)"),
        ("init --name a-1 --operator a", "a validator needs --operator-key, --address"),
        ("init --follower --name a-1", "--name is for validators"),
        ("init --follower --operator-threshold 1", "--operator-threshold is for validators"),
        ("init --follower --api-listen here", '--api-listen must be "host:port"'),
        ("start", "node.toml does not exist: make a node with quorum-node init, or name its --home"),
        ("status", "node.toml does not exist"),
        ("id", "node.toml does not exist"),
        ("config check", "node.toml does not exist"),
        ("start --home a-file", "is a file"),
        ("devnet --validators 0", "--validators"),
        ("devnet --quorum 2 --validators 4", "a quorum of 2 of 4 breaks n/2 < q <= n"),
        ("devnet --quorum ²", "neither majority, bft nor a number"),
    ],
)
def test_mistyped_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    assert_refused(quorum_node(*line.split()), 2, says)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-file"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--name", "Acme_1"), "must be lower-case letters, digits and single hyphens"),
        (("--operator", "Acme Inc"), "operator must be a name"),
        (("--operator-key", "zz"), "--operator-key must be 64 lower-case hexadecimal digits"),
        (("--operator-key", "00" * 31 + "80"), "is not an acceptable Ed25519 public key"),
        (("--operator-key", KEY), "a key is listed twice"),
        (("--operator-threshold", "2"), "a threshold of 2 cannot be met by 1 keys"),
        (("--operator-threshold", "0"), "--operator-threshold"),
        (("--address", "ledger.example"), "--address must be \"host:port\", not 'ledger.example'"),
        (("--address", "ledger.example:0"), '--address must be "host:port"'),
        (("--peer-listen", 'a"b:80'), "is no address"),
        (("--peer-listen", "a\nb:80"), "is no address"),
        (("--api-listen", "0.0.0.0:8470"), "api.tls_certificate and api.tls_key in node.toml"),
    ],
)
def test_a_validator_that_cannot_be_is_refused_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    assert_refused(init(tmp_path / "home", "acme", *words), 2, says)
    assert not (tmp_path / "home").exists()
    assert init(tmp_path / "home", "acme").code == 0


def test_a_home_is_made_once_and_a_part_of_one_is_not_built_upon(tmp_path: Path) -> None:
    home = tmp_path / "acme"
    assert init(home, "acme").code == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert_refused(init(home, "acme"), 2, "is the home of a node already: name another --home")
    assert_refused(quorum_node("init", "--follower", "--home", home), 2, "is the home of a node already")
    (home / "node.toml").unlink()
    assert_refused(init(home, "acme"), 2, "node.toml is missing: restore it if this was a node; if an init was cut")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == {
        path: data for path, data in before.items() if path.name != "node.toml"
    }


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(init(tmp_path / "file" / "home", "acme"), 1, "Not a directory: check the path")


@pytest.mark.parametrize(
    ("bend", "words", "says"),
    [
        (b"", (), "card.json: card is not JSON"),
        (b"{}", (), "not a quorum-ledger/card document"),
        (None, ("--administrator", "nobody"), "the administrator nobody is not among the accounts"),
        (None, ("--quorum", "2"), "breaks n/2 < q <= n"),
        (None, ("--quorum", "most"), "neither majority, bft nor a number of validators"),
        (None, ("--parameter", "blockbytes=3"), "must be NAME=NUMBER, with one of: valid_window_ms"),
        (None, ("--parameter", "block_bytes_max"), "must be NAME=NUMBER"),
        (None, ("--parameter", "block_bytes_max=" + "9" * 5_000), "beyond all numbers"),
        (None, ("--parameter", "block_bytes_max=" + "9" * 15), "block_bytes_max"),
        (None, ("--network", "har\nbour"), "network"),
        (None, ("--out", "nowhere/genesis.json"), "is no directory"),
    ],
)
def test_genesis_that_cannot_be_assembled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bend: bytes | None, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path / "acme", "acme").code == 0
    card = tmp_path / "acme" / "card.json"
    if bend is not None:
        card.write_bytes(bend)
    line = ("genesis", "assemble", card, "--network", "harbour", "--administrator", "acme", *words)
    assert_refused(quorum_node(*line), 2, says)
    assert not (tmp_path / "genesis.json").exists()


def test_a_card_that_was_changed_fails_verification_and_is_named(tmp_path: Path) -> None:
    assert init(tmp_path / "acme", "acme").code == 0
    card = tmp_path / "acme" / "card.json"
    card.write_bytes(card.read_bytes().replace(b"127.0.0.1:9471", b"127.0.0.1:9472"))
    ended = quorum_node("genesis", "assemble", card, "--network", "h", "--administrator", "acme")
    assert_refused(ended, 10, f"{card}: the proof of possession of the consensus key of acme-1 does not verify")


def test_genesis_is_never_overwritten(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    out = tmp_path / "genesis.json"
    before = out.read_bytes()
    card = tmp_path / "acme" / "card.json"
    line = ("genesis", "assemble", card, "--network", "h", "--administrator", "acme", "--out", out)
    assert_refused(quorum_node(*line), 2, "a genesis document is never overwritten")
    assert out.read_bytes() == before


def test_adoption_that_must_not_be(tmp_path: Path) -> None:
    chain = founded(tmp_path, "acme")
    home, document = tmp_path / "acme", tmp_path / "genesis.json"

    def adopt(file: Path, *words: str) -> object:
        return quorum_node("genesis", "adopt", file, "--home", home, *words)

    wrong = ("0" if chain[0] != "0" else "1") + chain[1:]
    for file, words, code, says in (
        (document, ("--hash", wrong), 10, f"the document's hash is {chain}, not {wrong}"),
        (document, ("--hash", "00"), 2, "--hash must be 64"),
        (home / "card.json", (), 2, "not a quorum-ledger/genesis document"),
        (home / "node.toml", (), 2, "node.toml: genesis is not JSON"),
    ):
        assert_refused(adopt(file, *words), code, says)  # type: ignore[arg-type]
        assert not (home / "data").exists()
    assert_refused(quorum_node("start", "--home", home), 2, "adopt the network's with quorum-node genesis adopt")
    spaced = " ".join(chain[i : i + 8] for i in range(0, 64, 8)).upper()
    assert adopt(document, "--hash", spaced).code == 0  # type: ignore[attr-defined]
    assert_refused(adopt(document, "--hash", chain), 2, "holds a chain already: run it with quorum-node start")  # type: ignore[arg-type]


def test_without_a_hash_the_operator_is_told_to_compare_it(tmp_path: Path) -> None:
    chain = founded(tmp_path, "acme")
    ended = quorum_node("genesis", "adopt", tmp_path / "genesis.json", "--home", tmp_path / "acme")
    assert ended.code == 0
    assert f"adopted the chain {chain} (harbour); next: quorum-node start" in ended.stdout
    assert "no --hash was given: before you start, compare this hash" in ended.stderr


def test_key_files_that_cannot_be_used(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    home = tmp_path / "acme"
    adopt = ("genesis", "adopt", tmp_path / "genesis.json")
    key = home / "keys" / "consensus.pem"
    pem = key.read_bytes()
    config = (home / "node.toml").read_text()
    key.chmod(0o640)
    for line in (("config", "check"), adopt):
        assert_refused(quorum_node(*line, "--home", home), 15, "(mode 0640): run chmod 600")
    key.chmod(0o600)
    key.write_bytes(b"no key")
    assert_refused(quorum_node("config", "check", "--home", home), 15, "is not a private key that can be read")
    key.unlink()
    assert_refused(quorum_node("config", "check", "--home", home), 15, "No such file or directory")
    key.write_bytes(pem)
    key.chmod(0o600)
    (home / "node.toml").write_text(config.replace("[keys]", '[keys]\npassphrase_file = "secret"'))
    assert_refused(quorum_node("config", "check", "--home", home), 15, "secret cannot be read")
    (home / "secret").touch(mode=0o600)
    assert_refused(quorum_node("config", "check", "--home", home), 15, "has no passphrase in its first line")
    (home / "secret").write_text("correct horse\n")
    assert quorum_node("config", "check", "--home", home).code == 0
    (home / "secret").chmod(0o644)
    assert_refused(quorum_node("config", "check", "--home", home), 15, "(mode 0644): run chmod 600")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    home = tmp_path / "acme"
    (home / "genesis.json").mkdir()
    assert_refused(quorum_node("config", "check", "--home", home), 1, "genesis.json: Is a directory: check the path")
    (home / "card.json").unlink()
    assert_refused(quorum_node("id", "--home", home), 2, "card.json does not exist")
    (home / "node.toml").unlink()
    (home / "node.toml").mkdir()
    assert_refused(quorum_node("start", "--home", home), 2, "node.toml: cannot be read: Is a directory")


def test_a_port_in_use_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    home = tmp_path / "acme"
    assert quorum_node("genesis", "adopt", tmp_path / "genesis.json", "--home", home).code == 0
    text = (home / "node.toml").read_text()
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as spare:
        taken, free = (f"127.0.0.1:{one.getsockname()[1]}" for one in (other, spare))
        spare.close()
        for peers, api, setting in ((taken, free, "peers.listen"), (free, taken, "api.listen")):
            changed = text.replace("127.0.0.1:9471", peers).replace("127.0.0.1:8470", api)
            (home / "node.toml").write_text(changed)
            says = f"{setting} = '{taken}': cannot listen there (address already in use): is this node"
            assert_refused(quorum_node("start", "--home", home), 1, says)
    (home / "node.toml").write_text(text.replace("127.0.0.1:9471", "not-a-host.invalid:1"))
    assert_refused(quorum_node("start", "--home", home), 1, "not-a-host.invalid is no address of this machine")


def test_a_certificate_that_cannot_be_used_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    founded(tmp_path, "acme")
    home = tmp_path / "acme"
    assert quorum_node("genesis", "adopt", tmp_path / "genesis.json", "--home", home).code == 0
    text = (home / "node.toml").read_text()
    (home / "node.toml").write_text(text.replace("[api]", '[api]\ntls_certificate = "api.crt"\ntls_key = "api.key"'))
    for line in (("start",), ("config", "check")):
        assert_refused(quorum_node(*line, "--home", home), 2, "cannot be used (no such file or directory)")
    for name in ("api.crt", "api.key"):
        (home / name).write_text("no certificate")
    assert_refused(quorum_node("start", "--home", home), 2, "api.tls_certificate and api.tls_key cannot be used")
    assert_refused(quorum_node("status", "--home", home), 2, "no PEM certificate in it")


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (DamagedError("the tip\nis damaged"), 1, "error: the tip is damaged\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "error: /x/y: Permission denied: check the path"),
        (KeyboardInterrupt(), 1, "error: interrupted; nothing more was done\n"),
        (ZeroDivisionError("oh"), 1, "error: unexpected: ZeroDivisionError: oh. QUORUM_DEBUG=1 shows where"),
    ],
)
def test_whatever_else_goes_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, says: str
) -> None:
    def fail(**_: object) -> None:
        raise failure

    monkeypatch.setattr(init_command, "callback", fail)
    monkeypatch.delenv("QUORUM_DEBUG", raising=False)
    ended = quorum_node("init")
    # click ends the line that ^C stands in before it says anything.
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.stderr.lstrip("\n").startswith(says)
    assert ended.stderr.strip().count("\n") == 0


def test_every_exit_code_is_explained_in_the_help() -> None:
    shown = quorum_node("--help")
    assert shown.code == 0
    assert set(failures.MEANINGS) == {"0", *(str(code.value) for code in failures.ExitCode)}
    for code, meaning in failures.MEANINGS.items():
        assert any(line.split()[:2] == [code, meaning.split()[0]] for line in shown.stdout.splitlines()), code


@pytest.mark.parametrize(
    "line",
    ["init", "id", "genesis assemble", "genesis show", "genesis adopt", "config check", "start", "status", "devnet"],
)
def test_every_help_teaches_with_an_example_and_what_comes_next(line: str) -> None:
    shown = quorum_node(*line.split(), "--help")
    assert shown.code == 0
    assert f"Example:\n    quorum-node {line}" in shown.stdout
    assert "Next: " in shown.stdout
