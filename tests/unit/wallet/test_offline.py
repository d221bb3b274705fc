"""build, sign, combine, show, and everything about help and errors: on a machine whose sockets are blocked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ledger.transaction import Transaction, parse_transaction
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.network import Network
from wallet import cli
from wallet.audit_cli import main as audit_main
from wallet.exit_codes import ExitCode
from wallet.options import Command

pytestmark = pytest.mark.usefixtures("offline")

HOSTILE = "\x1b[2Jfine\u202e"


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


LEAVES = [*leaves(cli.main), *leaves(audit_main)]


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_teaches(run: Run, audit: Run, path: tuple[str, ...], command: click.Command) -> None:
    assert isinstance(command, Command), "it takes the shared options"
    assert command.short_help
    assert len(command.short_help) <= 60
    assert command.short_help.endswith(".")
    wallet = path[0] not in audit_main.commands
    result = (run if wallet else audit)(*path, "--help")
    assert result.exit_code == ExitCode.OK
    name = "quorum-wallet" if wallet else "quorum-audit"
    assert "Example:" in result.stdout
    assert f"{name} {' '.join(path)}" in result.stdout.partition("Example:")[2]
    assert f"see: {name} --help" in " ".join(result.stdout.lower().split()) or "shared options" in result.stdout


def test_the_help_lists_every_exit_code(run: Run) -> None:
    text = run("--help").stdout.partition("Exit codes:")[2]
    assert re.findall(r"^\s+(\d+) ", text, re.MULTILINE) == [str(int(code)) for code in ExitCode]


def test_help_loads_neither_the_network_nor_the_ledger() -> None:
    script = (
        "import sys\nfrom wallet.cli import main\n"
        "try:\n    main(['record', 'append', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('aiohttp', 'asyncio', 'rich', 'nacl', 'cryptography', 'orjson') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recrod", "append"), "Did you mean 'record'"),
        (("record", "apend"), "Did you mean 'append'"),
        (("record", "append", "s", "--jsn", "1"), "--json"),
        (("tx", "build", "--acount", "x"), "--account"),
        (("key", "new"), "Missing argument"),
        (("--output", "yaml", "key", "list"), "'json'"),
        (("record", "append", "s", "--json", "{"), "not JSON"),
        (("record", "append", "s", "--json", "1", "--digest-of", "f"), "Give one of"),
        (("record", "append", "s", "--digest-of", "nowhere"), "No such file"),
        (("tx", "status", "what"), "neither a transaction id"),
        (("tx", "sign", "nowhere.json"), "No such file"),
        (("status", "--node", "localhost:80"), "is not the URL of a node"),
        (("status",), "No node is configured"),
        (("genesis", "pin", "http://a", "--hash", "12"), "genesis hash must be"),
        (("receipt", "get", "xyz"), "transaction id must be"),
        (("transfr", "euro"), "Did you mean 'transfer'"),
        (("asset", "isue"), "Did you mean 'issue'"),
        (("transfer", "euro", "--amount", "1"), "Missing option '--to'"),
        (("transfer", "euro", "--to", "bob"), "Missing option '--amount'"),
        (("transfer", "euro", "--to", "bob", "--amount", "1", "--out", "t.json"), "--decimals 0 if 1 is in smallest"),
        (("transfer", "euro", "--to", "Bob", "--amount", "1", "--decimals", "2", "--out", "t.json"), "must be a name"),
        (("transfer", "Euro", "--to", "bob", "--amount", "1", "--node", "http://a"), "an asset must be a name"),
        (("transfer", "euro", "--to", "bob", "--amount", "1", "--decimals", "19"), "0<=x<=18"),
        (("asset", "define", "euro"), "Missing option '--decimals'"),
        (("asset", "define", "euro", "--decimals", "2", "--cap", "1.005"), "euro has 2 decimals, and 1.005 has 3"),
        (("asset", "freeze-holder", "euro"), "Missing argument 'HOLDER'"),
        (("stream", "set-writers", "notes"), "Missing option '--writer'"),
        (("tx", "build", "--account", "a", "--valid-for", "soon", "--operation", "{}"), "no span of time"),
    ],
)
def test_a_mistake_exits_2_and_says_what_to_do(run: Run, profile: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == ExitCode.USAGE, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_error_is_json_on_stderr_when_asked_for(run: Run, profile: Path) -> None:
    result = run("tx", "sign", "nowhere.json", "--output", "json")
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit_code"]) == ("file", 2)
    assert error["remedy"]
    assert result.stdout == ""


def test_the_unexpected_exits_1_with_a_hint_and_no_traceback(
    run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("\x1b[31mboom")

    monkeypatch.setattr("wallet.commands.configuration.config.save", broken)
    result = run("config", "set", "account", "acme")
    assert result.exit_code == ExitCode.UNEXPECTED
    assert "QUORUM_DEBUG" in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr


def test_the_whole_offline_path(run: Run, profile: Path, network: Network) -> None:
    operation = '{"type":"record.append","stream":"notes","key":"k","expected_revision":3,"content":{"a":1}}'
    built = run("tx", "build", "--operation", operation, "--cosigner", "org1", "--memo", "agreed", "--out", "t.json")
    assert built.exit_code == ExitCode.OK, built.stderr
    shown = run("tx", "show", "t.json")
    assert shown.exit_code == ExitCode.OK
    assert network.genesis.chain.hex() in shown.stdout
    assert "the pinned one" in shown.stdout
    assert "Sent by org0, with the consent of org1." in shown.stdout
    assert "Signatures: none yet." in shown.stdout
    assert "Memo: agreed" in shown.stdout
    assert (
        '1. org0 appends a record about "k" to the stream notes, only if the newest about it is revision 3; '
        'content (7 bytes): {"a":1}'
    ) in shown.stdout
    assert "as many as the threshold of org0 and of org1" in shown.stdout

    assert run("tx", "sign", "t.json", "--key-file", "org0", "--out", "a.json").exit_code == ExitCode.OK
    assert run("tx", "sign", "t.json", "--key-file", "org1", "--out", "b.json").exit_code == ExitCode.OK
    combined = run("tx", "combine", "a.json", "b.json", "a.json")
    assert combined.exit_code == ExitCode.OK
    transaction = parse_transaction(combined.stdout.rstrip("\n").encode())
    assert isinstance(transaction, Transaction)
    signed_by = {item.key for item in transaction.signatures}
    assert signed_by == {network.founders[0].operator_key.public_key, network.founders[1].operator_key.public_key}


def test_signing_in_place_adds_to_what_is_there_and_is_repeatable(run: Run, profile: Path) -> None:
    run("stream", "create", "notes", "--out", "t.json")
    run("tx", "sign", "t.json")
    once = Path("t.json").read_bytes()
    run("tx", "sign", "t.json")
    assert Path("t.json").read_bytes() == once
    run("tx", "sign", "t.json", "--key-file", "org1")
    assert len(json.loads(Path("t.json").read_bytes())["signatures"]) == 2


def test_a_transaction_of_another_chain_is_not_signed(run: Run, profile: Path) -> None:
    built = run("stream", "create", "notes", "--out", "t.json", "--genesis-hash", "11" * 32)
    assert built.exit_code == ExitCode.VERIFICATION_FAILED, "file and hash of genesis differ"
    run("config", "set", "genesis")
    assert run("stream", "create", "notes", "--out", "t.json", "--genesis-hash", "11" * 32).exit_code == ExitCode.OK
    result = run("tx", "sign", "t.json")
    assert result.exit_code == ExitCode.USAGE
    assert "chain_wrong" in result.stderr
    assert json.loads(Path("t.json").read_bytes())["signatures"] == []
    assert "NOT THE PINNED ONE" in run("tx", "show", "t.json").stdout


def test_a_changed_body_invalidates_its_signatures(run: Run, profile: Path) -> None:
    run("stream", "create", "notes", "--out", "t.json")
    run("tx", "sign", "t.json")
    Path("t.json").write_bytes(Path("t.json").read_bytes().replace(b'"notes"', b'"votes"'))
    shown = run("tx", "show", "t.json")
    assert shown.exit_code == ExitCode.VERIFICATION_FAILED
    assert "DOES NOT VERIFY" in shown.stdout
    for arguments in (("tx", "combine", "t.json"), ("tx", "sign", "t.json"), ("tx", "submit", "t.json")):
        result = run(*arguments, "--node", "http://127.0.0.1:1")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED
        assert "signature_invalid" in result.stderr


def test_copies_of_different_transactions_do_not_combine(run: Run, profile: Path) -> None:
    for name in ("a", "b"):
        run("stream", "create", "notes", "--out", f"{name}.json")
    result = run("tx", "combine", "a.json", "b.json")
    assert result.exit_code == ExitCode.USAGE
    assert "different transactions" in result.stderr


def test_an_unsigned_transaction_is_not_submitted(run: Run, profile: Path) -> None:
    run("stream", "create", "notes", "--out", "t.json")
    result = run("tx", "submit", "t.json", "--node", "http://127.0.0.1:1")
    assert result.exit_code == ExitCode.USAGE
    assert "tx sign" in result.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b'{"body":{},"signatures":[]}', b'{"signatures": [],"body":{}}', b"\x1b[31m"],
)
def test_what_is_no_transaction_file_is_refused(run: Run, profile: Path, content: bytes) -> None:
    Path("t.json").write_bytes(content)
    for command in ("show", "sign", "combine", "submit"):
        result = run("tx", command, "t.json", "--node", "http://127.0.0.1:1")
        assert result.exit_code == ExitCode.USAGE
        assert "\x1b" not in result.stderr


def test_hostile_content_is_shown_escaped(run: Run, profile: Path) -> None:
    record = ("record", "append", "notes", "--json", json.dumps(HOSTILE), "--key", HOSTILE, "--memo", HOSTILE)
    assert run(*record, "--out", "t.json").exit_code == ExitCode.OK
    for arguments in (("show", "t.json"), ("sign", "t.json"), ("show", "t.json", "--output", "json")):
        result = run("tx", *arguments)
        text = result.stdout + result.stderr
        assert result.exit_code == ExitCode.OK
        assert not any(character in text for character in "\x1b\u202e")
        assert "\\u001b[2Jfine\\u202e" in text


def test_a_digest_is_of_the_exact_bytes_of_the_file(run: Run, profile: Path) -> None:
    Path("contract.bin").write_bytes(b"abc")
    assert run("record", "append", "notes", "--digest-of", "contract.bin", "--out", "t.json").exit_code == ExitCode.OK
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert f"only the SHA-256 of its content: {expected}" in run("tx", "show", "t.json").stdout


def test_content_comes_from_a_file_or_stdin(run: Run, profile: Path) -> None:
    Path("c.json").write_text('{ "b": 1,\n "a": null }')
    assert run("record", "append", "notes", "--file", "c.json", "--out", "a.json").exit_code == ExitCode.OK
    assert run("record", "append", "notes", "--out", "b.json", stdin="[1]").exit_code == ExitCode.OK
    assert json.loads(Path("a.json").read_bytes())["body"]["operations"][0]["content"] == {"a": None, "b": 1}
    assert json.loads(Path("b.json").read_bytes())["body"]["operations"][0]["content"] == [1]


def test_operations_of_a_file_and_by_a_cosigner(run: Run, profile: Path) -> None:
    operations = [{"type": "stream.create", "name": "a"}, {"type": "stream.create", "by": "org1", "name": "b"}]
    Path("operations.json").write_text(json.dumps(operations))
    assert run("tx", "build", "--operations-file", "operations.json", "--out", "t.json").exit_code == ExitCode.USAGE
    built = run("tx", "build", "--operations-file", "operations.json", "--cosigner", "org1", "--out", "t.json")
    assert built.exit_code == ExitCode.OK, built.stderr
    shown = run("tx", "show", "t.json").stdout
    assert "1. org0 creates the stream a; may write to it: org0 alone" in shown
    assert "2. org1 creates the stream b; may write to it: org1 alone" in shown


def test_accounts_are_explained_with_their_keys_and_threshold(run: Run, profile: Path, network: Network) -> None:
    keys = sorted(network.founders[index].operator_key.public_key.hex() for index in (1, 2))
    arguments = ("account", "add", "board", "--public-key", keys[0], "--public-key", keys[1], "--threshold", "2")
    assert run(*arguments, "--role", "operator", "--out", "t.json").exit_code == ExitCode.OK
    sentence = f"org0 adds the account board, with the roles operator; 2 of 2 keys must sign: {keys[0]}, {keys[1]}"
    assert sentence in run("tx", "show", "t.json").stdout


def test_a_key_with_a_wrong_passphrase_signs_nothing(run: Run, profile: Path) -> None:
    for name, text in (("secret", "right"), ("wrong", "wrong")):
        Path(name).write_text(text)
        Path(name).chmod(0o600)
    assert run("key", "new", "ann", "--passphrase-file", "secret").exit_code == ExitCode.OK
    run("stream", "create", "notes", "--out", "t.json")
    arguments = ("tx", "sign", "t.json", "--key-file", "org0", "--key-file", "ann", "--passphrase-file")
    assert run(*arguments, "wrong").exit_code == ExitCode.KEY
    assert json.loads(Path("t.json").read_bytes())["signatures"] == []
    assert run(*arguments, "secret").exit_code == ExitCode.OK
    assert len(json.loads(Path("t.json").read_bytes())["signatures"]) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_command(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == ExitCode.OK
    assert "_QUORUM_WALLET_COMPLETE" in result.stdout
