"""quorum-audit ledger: a whole chain, from a node or from an export; resumed where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.audit import ChainAudit
from ledger.claims import answer
from ledger.crypto import digest, tag, verify
from ledger.export_reading import open_exported_block, split_blocks, split_lines
from ledger.operations.streams import StreamCreate
from ledger.primitives import ZERO_DIGEST
from ledger.transaction import assemble, build_body, parse_transaction, sign_body
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode
from tests.unit.wallet.network import Network
from wallet.auditing import running, store, workers
from wallet.auditing.store import AuditStore
from wallet.exit_codes import ExitCode


@pytest.fixture
def chain(run: Run, profile: Path, node: FakeNode) -> Network:
    """Ten blocks, a record in the second."""
    assert run("stream", "create", "notes", "--node", node.url).exit_code == ExitCode.OK
    assert run("record", "append", "notes", "--json", '"hello"', "--node", node.url).exit_code == ExitCode.OK
    for _ in range(8):
        node.network.commit([])
    return node.network


@pytest.fixture
def file(chain: Network) -> Path:
    """The chain as an export."""
    path = Path("chain.jsonl")
    path.write_bytes(chain.export())
    return path


def audits(home: Path) -> list[Path]:
    """What is kept of audits that did not come to their end."""
    return sorted((home / "audits").glob("*"))


def state_of(path: Path, chain: Network, source: str) -> int:
    """The height up to which an audit is kept at `path`."""
    kept = AuditStore(path, chain.genesis, source)
    kept.close()
    return kept.progress.height


def test_a_whole_ledger_holds_and_nothing_is_left_behind(
    audit: Run, node: FakeNode, chain: Network, home: Path
) -> None:
    printed = json.loads(audit("ledger", node.url, "--output", "json").stdout)
    assert (printed["height"], printed["block_hash"]) == chain.head
    assert (printed["transactions"], printed["from_height"]) == (2, 1)
    partial = json.loads(audit("ledger", node.url, "--to-height", "3", "--output", "json").stdout)
    assert partial["height"] == 3
    assert audits(home) == []


@pytest.mark.usefixtures("profile")
def test_an_export_is_audited_without_any_network(
    audit: Run, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", None)
    for _ in range(3):
        network.commit([])
    Path("chain.jsonl").write_bytes(network.export())
    printed = json.loads(audit("ledger", "chain.jsonl", "--output", "json").stdout)
    assert (printed["height"], printed["block_hash"]) == network.head


@pytest.mark.parametrize("height", [1, 2, 7])
def test_a_wrong_block_is_named_with_its_height(audit: Run, node: FakeNode, chain: Network, height: int) -> None:
    lines = chain.lines(height)
    node.lies[height] = lines.replace(b'"proposer":"v', b'"proposer":"w')
    assert node.lies[height] != lines
    result = audit("ledger", node.url, "--output", "json")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    error = json.loads(result.stderr)["error"]
    assert error["detail"].startswith(f"Block {height} does not verify: its commit record: ")
    assert error["height"] == height
    assert result.stdout == ""


def test_a_body_with_another_signature_is_noticed(audit: Run, node: FakeNode, chain: Network) -> None:
    (transaction,) = chain.blocks[1].transactions
    body, _, _ = transaction.envelope.removeprefix(b'{"body":').rpartition(b',"signatures":')
    other = assemble(body, [sign_body(body, chain.founders[1].operator_key)])
    assert parse_transaction(other) != transaction
    node.lies[2] = chain.lines(2).replace(transaction.envelope, other)
    result = audit("ledger", node.url)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 2" in result.stderr


def test_a_missing_transaction_is_noticed(audit: Run, node: FakeNode, chain: Network) -> None:
    node.lies[1] = chain.lines(1).splitlines(keepends=True)[0]
    result = audit("ledger", node.url)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 1 does not verify: its body: 0 transactions, and the header counts 1" in result.stderr


def test_a_node_that_claims_blocks_and_has_none_is_no_answer(audit: Run, node: FakeNode, chain: Network) -> None:
    node.lies.update(dict.fromkeys(range(1, 4), b""))
    result = audit("ledger", node.url, "--output", "json")
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    assert json.loads(result.stderr)["error"]["code"] == "node_answer_malformed"


def test_a_node_that_cannot_be_asked_exits_14(audit: Run, profile: Path) -> None:
    assert audit("ledger", "http://127.0.0.1:1").exit_code == ExitCode.NODE_UNREACHABLE


def test_the_chain_must_have_the_block_that_is_pinned(audit: Run, node: FakeNode, chain: Network, home: Path) -> None:
    Path("pin.json").write_bytes(chain.checkpoint(6).document)
    pinned = ("--genesis", str(home / "genesis.json"), "--checkpoint", "pin.json")
    assert audit("ledger", node.url, *pinned).exit_code == ExitCode.OK
    fork = chain.fork()
    fork.forget(5)
    fork.commit([], later_ms=7)
    Path("pin.json").write_bytes(fork.checkpoint(6).document)
    result = audit("ledger", node.url, *pinned)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 6 does not verify: its block hash: it is not that of the pinned checkpoint" in result.stderr
    result = audit("ledger", node.url, *pinned, "--restart", "--to-height", "5", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (10, "checkpoint_not_reached")
    assert audit("ledger", node.url, "--genesis", str(home / "genesis.json"), "--state", "mine").exit_code == 0
    assert audit("ledger", node.url, *pinned, "--state", "mine").exit_code == ExitCode.USAGE


# ---- stopped, and going on


def test_an_audit_that_was_stopped_goes_on_where_it_stopped(
    audit: Run, node: FakeNode, chain: Network, home: Path
) -> None:
    node.lies[6] = b"{}\n"
    assert audit("ledger", node.url).exit_code == ExitCode.VERIFICATION_FAILED
    (kept,) = audits(home)
    assert state_of(kept, chain, node.url) == 5
    node.lies.clear()
    node.requests.clear()
    result = audit("ledger", node.url, "--output", "json")
    printed = json.loads(result.stdout)
    assert (printed["height"], printed["from_height"]) == (10, 6)
    assert node.count("GET", "/v1/export") == 2, "heights 6 to 8, and 9 to 10"
    assert audits(home) == []


def test_with_a_state_of_its_own_an_audit_looks_at_what_is_new(audit: Run, node: FakeNode, chain: Network) -> None:
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    for _ in range(3):
        chain.commit([])
    printed = json.loads(audit("ledger", node.url, "--state", "mine", "--output", "json").stdout)
    assert (printed["height"], printed["from_height"]) == (13, 11)
    again = json.loads(audit("ledger", node.url, "--state", "mine", "--restart", "--output", "json").stdout)
    assert (again["height"], again["from_height"]) == (13, 1)


def test_a_node_that_took_blocks_back_is_found_out(audit: Run, node: FakeNode, chain: Network) -> None:
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    chain.forget(2)
    result = audit("ledger", node.url, "--state", "mine", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (10, "rolled_back")


def test_a_node_that_rewrote_its_newest_block_is_found_out(audit: Run, node: FakeNode, chain: Network) -> None:
    """It is no longer than it was, so that no next block shows it."""
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    audited = chain.head[1]
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    chain.forget(1)
    chain.commit([], later_ms=7)
    result = audit("ledger", node.url, "--state", "mine", "--output", "json")
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (result.exit_code, error["code"], error["height"]) == (10, "another_block", 10)
    assert audited in error["detail"]
    assert chain.head[1] in error["detail"]


def test_a_file_that_changed_where_it_was_audited_is_not_gone_on_with(audit: Run, file: Path, chain: Network) -> None:
    whole = chain.export()
    file.write_bytes(whole.replace(b'"proposer":"v0"', b'"proposer":"v9"'))
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.VERIFICATION_FAILED
    file.write_bytes(whole)
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.OK
    chain.commit([])
    file.write_bytes(chain.export())
    printed = json.loads(audit("ledger", str(file), "--state", "mine", "--output", "json").stdout)
    assert (printed["height"], printed["from_height"]) == (11, 11)
    chain.commit([])
    file.write_bytes(chain.export().replace(b"hello", b"hallo"))
    result = audit("ledger", str(file), "--state", "mine", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (2, "source_changed")
    result = audit("ledger", str(file), "--state", "mine", "--restart")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 2 does not verify: transaction 0" in result.stderr


def test_a_state_is_of_one_chain_and_one_source(audit: Run, node: FakeNode, file: Path, chain: Network) -> None:
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    result = audit("ledger", str(file), "--state", "mine")
    assert result.exit_code == ExitCode.USAGE
    assert f"it is of an audit of {node.url}" in result.stderr
    Path("notes.txt").write_text("not a database at all, but a text of some length that somebody needs\n" * 100)
    before = Path("notes.txt").read_bytes()
    result = audit("ledger", str(file), "--state", "notes.txt")
    assert result.exit_code == ExitCode.USAGE
    assert Path("notes.txt").read_bytes() == before


def test_two_audits_do_not_share_a_state(audit: Run, file: Path, chain: Network) -> None:
    first = AuditStore(Path("mine"), chain.genesis, str(file.resolve()))
    try:
        result = audit("ledger", str(file), "--state", "mine")
    finally:
        first.close()
    assert result.exit_code == ExitCode.USAGE
    assert "locked" in result.stderr


# ---- a state that somebody changed


def replaced(key: str, old: str, new: str) -> str:
    """An edit of one value."""
    value = f"CAST(replace(CAST(value AS TEXT), '{old}', '{new}') AS BLOB)"
    return f"UPDATE row SET value = {value} WHERE key = CAST('{key}' AS BLOB)"


EDITS = {
    "a value of the state": replaced("vaccount/org0", "org0", "org1"),
    "a row of state too few": "DELETE FROM row WHERE key = CAST('vaccount/org3' AS BLOB)",
    "a row of state too many": "INSERT INTO row VALUES (CAST('vaccount/zed' AS BLOB), CAST('{}' AS BLOB))",
    "a node of the trie": "DELETE FROM row WHERE key IN (SELECT max(key) FROM row WHERE key >= X'74' AND key < X'75')",
    "the height": replaced("mmark", '"height":10', '"height":9'),
    "the state root": replaced("mmark", '"state_root":"', '"state_root":"0'),
    "the log": replaced("mmark", '"log":["', '"log":["0'),
    "the signatures": replaced("mrecord", '"signature":"', '"signature":"0'),
    "no signatures": "DELETE FROM row WHERE key = CAST('mrecord' AS BLOB)",
    "no bytes": "UPDATE row SET value = 'text' WHERE key = CAST('vaccount/org0' AS BLOB)",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_nothing_goes_on_from_an_edited_state(audit: Run, file: Path, edit: str) -> None:
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.OK
    database = sqlite3.connect("mine")
    with database:
        assert database.execute(edit).rowcount == 1
    database.close()
    result = audit("ledger", str(file), "--state", "mine", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (2, "audit_state"), result.output
    assert audit("ledger", str(file), "--state", "mine", "--restart").exit_code == ExitCode.OK


@pytest.mark.parametrize(
    "instead", [b"", bytes(4), bytes(5), b"x"], ids=["nothing", "half a row", "an empty node", "no node"]
)
def test_no_rows_can_be_left_out_of_a_state(audit: Run, file: Path, chain: Network, instead: bytes) -> None:
    """Rows that are alone below a node of the trie, with that node: all others are proved without it."""
    write(chain, *(f"stream-{number}" for number in range(40)))  # more keys than one row of the trie has
    file.write_bytes(chain.export())
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.OK
    database = sqlite3.connect("mine")
    with database:
        rows = dict(database.execute("SELECT key, value FROM row"))
        names = {digest(tag("state-key"), key[1:]): key for key in rows if key.startswith(b"v")}
        node = next(  # a page with leaves only, and not the root
            key for key, value in rows.items() if key.startswith(b"t") and len(key) > 9 and value[:2] == value[2:4]
        )
        leaves = [rows[node][at : at + 32] for at in range(4, len(rows[node]) - 1, 64)]
        assert len(leaves) >= 2
        gone = [names[leaf] for leaf in leaves] + [node]
        database.executemany("DELETE FROM row WHERE key = ?", [(key,) for key in gone])
        if instead:
            database.execute("INSERT INTO row VALUES (?, ?)", (node, instead))
    database.close()
    chain.commit([])
    file.write_bytes(chain.export())
    result = audit("ledger", str(file), "--state", "mine", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (2, "audit_state"), result.output


def test_a_state_with_other_versions_is_still_that_state(run: Run, audit: Run, node: FakeNode, chain: Network) -> None:
    """Versions of the trie's rows are not hashed: they only say where these are."""
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    database = sqlite3.connect("mine")
    with database:
        (mark,) = database.execute("SELECT value FROM row WHERE key = CAST('mmark' AS BLOB)").fetchone()
        version = json.loads(mark)["trie_version"]
        moved = b"t" + (10**6).to_bytes(8, "big"), b"t" + version.to_bytes(8, "big")
        assert database.execute("UPDATE row SET key = ? WHERE key = ?", moved).rowcount == 1
        database.execute(replaced("mmark", f'"trie_version":{version}', '"trie_version":1000000'))
    database.close()
    assert run("stream", "create", "more", "--node", node.url).exit_code == ExitCode.OK
    result = audit("ledger", node.url, "--state", "mine", "--output", "json")
    assert result.exit_code == ExitCode.OK, result.output
    assert json.loads(result.stdout)["height"] == 11


def test_a_state_of_another_format_is_not_misread(audit: Run, file: Path) -> None:
    """Format 1: every node of the trie had a row of its own."""
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.OK
    database = sqlite3.connect("mine")
    database.execute("PRAGMA user_version = 1")
    database.close()
    result = audit("ledger", str(file), "--state", "mine")
    assert result.exit_code == ExitCode.USAGE
    assert "it has format 1; this software knows 2" in result.stderr
    assert audit("ledger", str(file), "--state", "mine", "--restart").exit_code == ExitCode.OK


def test_a_damaged_state_is_an_error_that_says_what_to_do(audit: Run, file: Path) -> None:
    assert audit("ledger", str(file), "--state", "mine").exit_code == ExitCode.OK
    whole = Path("mine").read_bytes()
    for position in range(0, len(whole), 997):
        Path("mine").write_bytes(whole[:position] + bytes(200) + whole[position + 200 :])
        result = audit("ledger", str(file), "--state", "mine")
        assert result.exit_code in (ExitCode.OK, ExitCode.USAGE), f"{position}: {result.output}"
        assert "--restart" in result.stderr or result.exit_code == ExitCode.OK


def test_a_full_disk_ends_an_audit_which_goes_on_when_there_is_room(
    audit: Run, node: FakeNode, chain: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit("ledger", node.url, "--state", "mine").exit_code == ExitCode.OK
    for _ in range(2):
        chain.commit([])

    def open_full(path: Path) -> sqlite3.Connection:
        database = open_state(path)
        database.execute("PRAGMA max_page_count = 1")
        return database

    open_state = store._open
    with monkeypatch.context() as during:
        during.setattr(store, "_open", open_full)
        for number in range(60):
            write(chain, f"stream-{number}")
        result = audit("ledger", node.url, "--state", "mine", "--quiet", "--output", "json")
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["code"]) == (2, "audit_state")
    assert "full" in error["detail"]
    printed = json.loads(audit("ledger", node.url, "--state", "mine", "--output", "json").stdout)
    assert (printed["height"], printed["from_height"]) == (72, 11)


def write(chain: Network, *streams: str) -> None:
    """A block that creates streams."""
    body = build_body(
        chain=chain.genesis.chain,
        sender="org0",
        nonce=streams[0].encode().rjust(16, b"0"),
        valid_until_ms=chain.head_time_ms + 60_000,
        operations=[StreamCreate(by="org0", name=stream) for stream in streams],
    )
    chain.submit(assemble(body, [sign_body(body, chain.founders[0].operator_key)]))


# ---- on all cores


def test_an_id_is_known_before_it_is_written_and_after(chain: Network) -> None:
    kept = AuditStore(Path("ids"), chain.genesis, "here")
    audited = ChainAudit(kept)
    (text,) = split_blocks(split_lines(chain.lines(1)), 1)
    opened = open_exported_block(text, context=audited.context, validators=audited.validators, verify_signature=verify)
    (transaction,) = opened.transactions
    assert not kept.transaction_committed(transaction.id)
    audited.append_opened(opened)
    assert kept.transaction_committed(transaction.id)
    kept.write(ZERO_DIGEST)
    assert kept.transaction_committed(transaction.id)
    kept.close()
    again = AuditStore(Path("ids"), chain.genesis, "here")
    assert again.transaction_committed(transaction.id)
    again.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are used however few transactions there are, and every block is a batch."""
    monkeypatch.setattr(running, "AUDIT_ALONE_TRANSACTIONS_MAX", -1)
    monkeypatch.setattr("wallet.auditing.sources.AUDIT_BATCH_BYTES", 1)


def let_workers(monkeypatch: pytest.MonkeyPatch, verifying: Callable[[bytes], bytes]) -> None:
    """Have workers answer with `verifying` of this module."""
    program = f"from {verifying.__module__} import {verifying.__name__} as verifying; {workers.PROGRAM}"
    monkeypatch.setattr(workers, "PROGRAM", program.replace("main()", "main(verifying)"))


@pytest.mark.usefixtures("few")
def test_workers_find_what_one_process_finds(audit: Run, node: FakeNode, chain: Network) -> None:
    alone = audit("ledger", node.url, "--workers", "0", "--output", "json")
    together = audit("ledger", node.url, "--workers", "2", "--output", "json")
    assert together.exit_code == ExitCode.OK, together.output
    assert together.stdout == alone.stdout
    node.lies[7] = chain.lines(7).replace(b'"proposer":"v', b'"proposer":"w')
    node.lies[9] = b"{}\n"
    errors = [audit("ledger", node.url, "--workers", workers, "--restart").stderr for workers in ("0", "2")]
    assert errors[0] == errors[1]
    assert "Block 7 does not verify" in errors[0]


@pytest.mark.usefixtures("chain")
def test_a_small_audit_starts_no_workers(audit: Run, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PROGRAM", "not to be started")
    monkeypatch.setattr(running, "AUDIT_ALONE_TRANSACTIONS_MAX", 2)
    assert "Warning" not in audit("ledger", node.url, "--workers", "1").stderr
    monkeypatch.setattr(running, "AUDIT_ALONE_TRANSACTIONS_MAX", 1)
    assert "Warning: A process that verified" in audit("ledger", node.url, "--workers", "1").stderr


def once(name: str) -> bool:
    """Whether the calling process is the first that asks, of all in this directory."""
    try:
        with Path(name).open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


def kill_all(job: bytes) -> bytes:
    """Die like who is killed for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return answer(job)


def kill_one(job: bytes) -> bytes:
    """One dies, and the other works."""
    return kill_all(job) if once("lost") else answer(job)


def stop_all(job: bytes) -> bytes:
    """Hang for ever, and look alive."""
    once("lost")
    os.kill(os.getpid(), signal.SIGSTOP)
    return answer(job)


def stop_one(job: bytes) -> bytes:
    """One hangs, and the other works."""
    return stop_all(job) if once("lost") else answer(job)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("tampered", [False, True], ids=["good", "tampered"])
@pytest.mark.parametrize("fault", [kill_all, kill_one, stop_all, stop_one])
def test_what_a_worker_that_dies_or_hangs_had_is_verified_here(
    audit: Run,
    node: FakeNode,
    chain: Network,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[bytes], bytes],
    *,
    tampered: bool,
) -> None:
    if tampered:
        lines = chain.lines(7)
        start = lines.index(b'"signature":"') + len(b'"signature":"') + 40
        node.lies[7] = lines[:start] + (b"1" if lines[start : start + 1] == b"0" else b"0") + lines[start + 1 :]
    alone = audit("ledger", node.url, "--workers", "0", "--output", "json", "--restart")
    let_workers(monkeypatch, fault)
    monkeypatch.setattr(
        "wallet.auditing.workers.AUDIT_WORKER_QUIET_SECONDS_MAX", 2 if fault in (stop_all, stop_one) else 60
    )
    together = audit("ledger", node.url, "--workers", "2", "--output", "json", "--restart")
    assert (together.exit_code, together.stdout) == (alone.exit_code, alone.stdout)
    assert together.exit_code == (ExitCode.VERIFICATION_FAILED if tampered else ExitCode.OK)
    said = together.stderr.removesuffix(alone.stderr)
    why = "did not answer for 2 s and was ended" if fault in (stop_all, stop_one) else "ended"
    if not tampered:  # otherwise it may have ended before all were missed
        assert f"Warning: A process that verified for the audit {why}; the audit verifies itself" in said
    lost = Path("lost")  # there is none when the machine is so slow that it was ended before it began
    assert not lost.exists() or not is_running(int(lost.read_text()))
    assert children() == []


def test_a_worker_that_gets_on_is_not_quiet() -> None:
    """However long all of it takes, and however often it is looked at while it has nothing to do."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        worker = workers._Worker(process)
        assert all(worker.gets_on() for _ in range(100)), "it has nothing to do"
        worker.tasks.append(workers._Task(b"", 1, asyncio.new_event_loop().create_future()))
        for _ in range(30):
            assert all(worker.gets_on() for _ in range(workers._LOOKS - 1))
            worker.steps += 1
        assert [worker.gets_on() for _ in range(workers._LOOKS + 1)][-1] is False


def say_nothing(job: bytes) -> bytes:
    """What a worker out of its mind answers."""
    return b""


def say_yes_too_often(job: bytes) -> bytes:
    """More than was asked."""
    return answer(job) + b"\1"


def deny_all(job: bytes) -> bytes:
    """Nothing verifies."""
    return bytes(len(answer(job)))


@pytest.mark.usefixtures("chain", "few")
@pytest.mark.parametrize("wrong", [say_nothing, say_yes_too_often, deny_all])
def test_what_a_worker_does_not_confirm_is_verified_here(
    audit: Run, node: FakeNode, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[bytes], bytes]
) -> None:
    alone = audit("ledger", node.url, "--workers", "0", "--output", "json")
    let_workers(monkeypatch, wrong)
    together = audit("ledger", node.url, "--workers", "1", "--output", "json")
    assert together.exit_code == ExitCode.OK, together.output
    assert together.stdout == alone.stdout


@pytest.mark.parametrize("height", [1, 2, 5, 10])
def test_a_signature_that_was_tampered_with_is_found_wherever_it_stands(
    audit: Run, node: FakeNode, chain: Network, monkeypatch: pytest.MonkeyPatch, height: int
) -> None:
    """In the certificate, in the middle of what workers verify; whatever else the block has stays as it is."""
    monkeypatch.setattr(running, "AUDIT_ALONE_TRANSACTIONS_MAX", -1)
    monkeypatch.setattr("wallet.auditing.sources.AUDIT_BATCH_BYTES", 3_000)  # some blocks
    lines = chain.lines(height)
    start = lines.index(b'"signature":"') + len(b'"signature":"') + 40
    digit = lines[start : start + 1]
    node.lies[height] = lines[:start] + (b"1" if digit == b"0" else b"0") + lines[start + 1 :]
    errors = [audit("ledger", node.url, "--workers", workers, "--restart").stderr for workers in ("0", "2")]
    assert errors[0] == errors[1]
    assert f"Block {height} does not verify: its commit record: the signature of validator" in errors[0]


# ---- exports


def test_a_node_is_exported_and_the_file_is_audited(audit: Run, node: FakeNode, chain: Network) -> None:
    printed = json.loads(audit("export", node.url, "out.jsonl", "--output", "json").stdout)
    assert (printed["height"], printed["block_hash"], printed["transactions"]) == (*chain.head, 2)
    assert Path("out.jsonl").read_bytes() == chain.export()
    assert audit("ledger", "out.jsonl").exit_code == ExitCode.OK
    partial = audit("export", node.url, "part.jsonl", "--to-height", "4")
    assert partial.exit_code == ExitCode.OK
    assert json.loads(audit("ledger", "part.jsonl", "--output", "json").stdout)["height"] == 4


def test_an_export_with_fewer_blocks_than_it_says_does_not_hold(audit: Run, file: Path, chain: Network) -> None:
    """A fork that is cut off below the block that the auditor has pinned, under a manifest that hides it."""
    whole = chain.export()
    pinned = chain.checkpoint(10).document
    for _ in range(2):
        chain.forget(2)
        chain.commit([], later_ms=77)
    assert chain.head[0] == 8
    file.write_bytes(chain.export().replace(b'{"blocks":8,', b'{"blocks":10,'))
    Path("pin.json").write_bytes(pinned)
    for more in ((), ("--checkpoint", "pin.json"), ("--to-height", "9"), ("--to-height", "8")):
        result = audit("ledger", str(file), *more)
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, more
        assert "Block 9 does not verify: its first line: it is missing, and the manifest says 10" in result.stderr
    file.write_bytes(chain.export().replace(b'{"blocks":8,', b'{"blocks":7,'))
    result = audit("ledger", str(file), "--restart")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 8 does not verify: its first line: the manifest says that there are 7" in result.stderr
    file.write_bytes(whole)
    assert audit("ledger", str(file), "--restart").exit_code == ExitCode.OK


def test_an_export_overwrites_nothing_and_leaves_nothing_half_written(
    audit: Run, node: FakeNode, chain: Network
) -> None:
    Path("out.jsonl").write_text("mine")
    assert audit("export", node.url, "out.jsonl").exit_code == ExitCode.USAGE
    assert Path("out.jsonl").read_text() == "mine"
    lies = {
        "its block hash": lambda lines: lines[:15] + bytes((lines[15] ^ 1,)) + lines[16:],
        "its commit record": lambda lines: lines.replace(b'"round":0', b'"round":x'),
        "its header": lambda lines: chain.lines(8),
        "its body": lambda lines: lines.splitlines(keepends=True)[0],
        "its leaves": lambda lines: lines.replace(b'"result":"applied"', b'"result":"appliex"'),
        "transaction 0": lambda lines: lines.replace(b',"leaf":', b',"lead":'),
        "its first line": lambda lines: b"\n",
    }
    before = sorted(Path().iterdir())
    for item, lie in lies.items():
        node.lies = {2: lie(chain.lines(2))}
        result = audit("export", node.url, "other.jsonl", "--output", "json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, item
        assert (json.loads(result.stderr)["error"]["height"], json.loads(result.stderr)["error"]["item"]) == (2, item)
        assert sorted(Path().iterdir()) == before


# ---- killed

KILLED = """
import os, signal, sys
from pathlib import Path
from wallet.auditing import running, sources
from wallet.auditing.store import AuditStore
from wallet.audit_cli import main
if __name__ == "__main__":
    sources.AUDIT_BATCH_BYTES = 1
    running.AUDIT_ALONE_TRANSACTIONS_MAX = -1
    AuditStore.crowded = True  # written after every block
    write, left = AuditStore.write, 6
    def counted(self, *args, **named):
        global left
        if left == 0:
            print(Path("/proc/self/task", str(os.getpid()), "children").read_text(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        write(self, *args, **named)
    AuditStore.write = counted
    main()
"""


def test_a_killed_audit_goes_on_and_leaves_no_worker_behind(audit: Run, file: Path, chain: Network, home: Path) -> None:
    Path("killed.py").write_text(KILLED)
    command = [sys.executable, "killed.py", "ledger", str(file), "--workers", "1", "--state", "mine"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert ended.returncode == -signal.SIGKILL, ended
    (worker,) = map(int, ended.stdout.split())
    deadline = time.monotonic() + 60
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    printed = json.loads(audit("ledger", str(file), "--state", "mine", "--output", "json").stdout)
    assert (printed["height"], printed["from_height"]) == (10, 6)


def children() -> list[int]:
    """The processes that this one has started and not waited for."""
    return [int(name) for tasks in Path("/proc/self/task").glob("*/children") for name in tasks.read_text().split()]


def is_running(process: int) -> bool:
    """Whether there is such a process, and it is more than a name that nobody has asked for."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status
