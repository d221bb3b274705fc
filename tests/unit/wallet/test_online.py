"""Sending and following transactions: every outcome is definite, and no failure of a node loses a transaction."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always, problem
from tests.unit.wallet.network import Network
from wallet.exit_codes import ExitCode
from wallet.moments import rfc3339

UNKNOWN_ID = "ab" * 32


@pytest.fixture
def dead_url() -> str:
    """The address of a node that does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def build(run: Run, path: Path, *options: str) -> str:
    """A signed transaction file; returns its id."""
    assert run("stream", "create", "notes", "--out", str(path), *options).exit_code == ExitCode.OK
    signed = run("tx", "sign", str(path))
    assert signed.exit_code == ExitCode.OK, signed.stderr
    shown = run("tx", "show", str(path), "--output", "json")
    return str(json.loads(shown.stdout)["id"])


def test_a_node_whose_time_is_far_ahead_gets_nothing_that_it_could_keep(
    run: Run, profile: Path, node: FakeNode
) -> None:
    time_ms = node.network.head_time_ms
    for ahead_ms, exit_code in ((86_400_000, ExitCode.VERIFICATION_FAILED), (300_000, ExitCode.OK)):
        head = {"height": 0, "block_hash": "00" * 32, "header": {"time_ms": time_ms + ahead_ms}}
        for _ in range(2):
            node.next("GET", "/v1/blocks/latest", always(lambda head=head: web.json_response(head)))
        sent = run("stream", "create", "notes", "--node", node.url)
        assert sent.exit_code == exit_code, sent.stderr
        proposed = run("proposal", "create", "suspend", "org3", "--yes", "--node", node.url)
        assert proposed.exit_code == exit_code, proposed.stderr
        node.script.clear()
        if exit_code:
            assert "Error [ledger_time_ahead]" in sent.stderr
            assert "23 hours ahead of this machine's clock" in sent.stderr
            assert node.count("POST", "/v1/transactions") == 0
    assert len(node.network.blocks) == 2


def test_a_record_is_sent_and_what_is_printed_is_verified(run: Run, profile: Path, node: FakeNode) -> None:
    assert run("stream", "create", "invoices", "--node", node.url).exit_code == ExitCode.OK
    arguments = ("record", "append", "invoices", "--key", "INV-7", "--json", '{"amount":"12.00"}')
    result = run(*arguments, "--node", node.url, "--receipt", "inv.json", "--output", "json")

    assert result.exit_code == ExitCode.OK, result.stderr
    printed = json.loads(result.stdout)
    assert (printed["state"], printed["result"], printed["height"]) == ("committed", "applied", 2)
    assert printed["signers"] == ["v0", "v1", "v2"]
    assert printed["verified"] is True
    assert f"Submitting {printed['id']}" in result.stderr
    assert Path("inv.json").read_bytes() == node.network.receipt(printed["id"])
    assert run("receipt", "verify", "inv.json").exit_code == ExitCode.OK


def test_without_a_genesis_file_the_result_says_that_it_is_not_verified(
    run: Run, profile: Path, node: FakeNode
) -> None:
    run("config", "set", "genesis")
    result = run("stream", "create", "invoices", "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert "no: no genesis file is pinned" in result.stdout
    assert "v0, v1, v2" in result.stdout


def test_nothing_is_signed_when_no_chain_is_pinned(run: Run, profile: Path, node: FakeNode) -> None:
    run("config", "set", "genesis")
    run("config", "set", "genesis_hash")
    result = run("stream", "create", "invoices", "--node", node.url)
    assert result.exit_code == ExitCode.USAGE
    assert "not_pinned" in result.stderr
    assert node.requests == []


def test_a_failed_operation_is_rejected_with_its_code_and_remedy(run: Run, profile: Path, node: FakeNode) -> None:
    result = run("record", "append", "nowhere", "--json", "1", "--node", node.url, "--output", "json")
    assert result.exit_code == ExitCode.REJECTED
    assert json.loads(result.stdout)["result"] == "stream_unknown"
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (error["code"], error["exit_code"], error["height"]) == ("stream_unknown", 11, 1)
    assert "create the stream first" in error["remedy"]


def test_a_refusal_of_the_node_is_reported_with_the_nodes_words(run: Run, profile: Path, node: FakeNode) -> None:
    refusal = problem(403, "sender_unknown", "no account \x1b]0;pwned\x07")
    node.next("POST", "/v1/transactions", always(lambda: refusal))
    result = run("stream", "create", "notes", "--node", node.url)
    assert result.exit_code == ExitCode.REJECTED
    assert "[sender_unknown]" in result.stderr
    assert "do better" in result.stderr
    assert "\\u001b]0;pwned\\u0007" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_dead_node_is_passed_over(run: Run, profile: Path, node: FakeNode, dead_url: str) -> None:
    result = run("stream", "create", "notes", "--node", dead_url, "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert len(node.network.blocks) == 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda: web.Response(status=500, text="oops"),
        lambda: web.Response(status=502, text="<html>bad gateway</html>"),
        lambda: web.Response(text="not json"),
        lambda: web.json_response({"id": "ab" * 32, "state": "committed", "result": "applied", "height": 1}),
        lambda: web.json_response(["a list"]),
    ],
    ids=["500", "502", "no json", "another id", "no object"],
)
def test_a_node_without_a_usable_answer_is_passed_over(
    run: Run, profile: Path, node: FakeNode, network: Network, broken: object
) -> None:
    assert callable(broken)
    with FakeNode(network) as bad:
        bad.next("POST", "/v1/transactions", always(broken))
        result = run("stream", "create", "notes", "--node", bad.url, "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert bad.count("POST", "/v1/transactions") == 1
    assert node.count("POST", "/v1/transactions") == 1


def test_a_redirect_is_not_followed(run: Run, profile: Path, node: FakeNode, network: Network) -> None:
    build(run, Path("t.json"))
    with FakeNode(network) as bad:
        elsewhere = {"Location": f"{node.url}/v1/transactions"}
        bad.next("POST", "/v1/transactions", always(lambda: web.Response(status=307, headers=elsewhere)))
        result = run("tx", "submit", "t.json", "--node", bad.url)
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    assert node.requests == []


@pytest.mark.parametrize("status", [400, 403, 410, 418])
def test_a_node_that_refuses_to_answer_has_rejected_nothing(
    run: Run, profile: Path, node: FakeNode, status: int
) -> None:
    """Whoever makes another transaction because of exit code 11 would pay twice."""
    transaction_id = build(run, Path("t.json"))
    for command in (("tx", "status"), ("tx", "wait"), ("receipt", "get")):
        path = f"/v1/transactions/{transaction_id}" + ("/receipt" if command[0] == "receipt" else "")
        node.next("GET", path, *[always(lambda: problem(status, "no", "not for you"))] * 2)
        result = run(*command, transaction_id, "--node", node.url, "--timeout", "1")
        assert result.exit_code == ExitCode.NODE_UNREACHABLE, command
        assert "not for you" in result.stderr
        node.script.clear()


def test_a_refusal_after_a_silent_node_says_that_the_outcome_is_open(
    run: Run, profile: Path, node: FakeNode, network: Network
) -> None:
    build(run, Path("t.json"))
    with FakeNode(network) as silent:
        silent.next("POST", "/v1/transactions", always(lambda: web.Response(status=504)))
        node.next("POST", "/v1/transactions", always(lambda: problem(403, "account_suspended", "no")))
        result = run("tx", "submit", "t.json", "--node", silent.url, "--node", node.url)
    assert result.exit_code == ExitCode.REJECTED
    assert f"{silent.url} may have accepted it" in result.stderr


def test_an_answer_beyond_its_bound_is_not_read(run: Run, profile: Path, node: FakeNode) -> None:
    node.next("GET", "/v1/blocks/latest", always(lambda: web.Response(body=bytes(9 * 1024 * 1024))))
    result = run("stream", "create", "notes", "--node", node.url)
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    assert "more than" in result.stderr


def test_no_node_at_all_exits_14_and_never_loses_the_id(run: Run, profile: Path, dead_url: str) -> None:
    identifier = build(run, Path("t.json"))
    result = run("tx", "submit", "t.json", "--node", dead_url, "--output", "json")
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert error["id"] == identifier
    assert f"tx wait {identifier}" in error["remedy"]


def test_a_node_that_does_not_answer_in_time_is_unreachable(run: Run, profile: Path, node: FakeNode) -> None:
    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("the client gave up before")

    node.next("GET", "/v1/status", never)
    result = run("status", "--node", node.url, "--timeout", "0.3")
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    assert "no answer within 0.3 s" in result.stderr


def test_a_busy_node_is_asked_again_after_its_retry_after(run: Run, profile: Path, node: FakeNode) -> None:
    busy = always(lambda: problem(429, "sender_mempool_full", "full", headers={"Retry-After": "0"}))
    node.next("POST", "/v1/transactions", busy, busy)
    result = run("stream", "create", "notes", "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert node.count("POST", "/v1/transactions") == 3
    assert "busy; trying again in 0 s" in result.stderr


def test_a_node_that_stays_busy_beyond_the_timeout_is_reported_as_such(run: Run, profile: Path, node: FakeNode) -> None:
    busy = always(lambda: problem(503, "mempool_full", "the mempool is full", headers={"Retry-After": "30"}))
    node.next("POST", "/v1/transactions", busy)
    result = run("stream", "create", "notes", "--node", node.url, "--timeout", "5")
    assert result.exit_code == ExitCode.NODE_UNREACHABLE
    assert "[mempool_full]" in result.stderr


def test_no_wait_exits_13_with_the_id(run: Run, profile: Path, node: FakeNode) -> None:
    node.hold = True
    result = run("stream", "create", "notes", "--node", node.url, "--no-wait")
    assert result.exit_code == ExitCode.PENDING
    (identifier,) = node.pending
    assert identifier in result.stdout
    assert f"tx wait {identifier}" in result.stderr
    assert "Prefer" not in node.requests[-1][2]


def test_waiting_ends_with_13_when_time_is_over(run: Run, profile: Path, node: FakeNode) -> None:
    node.hold = True
    result = run("stream", "create", "notes", "--node", node.url, "--timeout", "1.2")
    assert result.exit_code == ExitCode.PENDING
    posts = [headers for method, _, headers in node.requests if method == "POST"]
    assert posts[0]["Prefer"] == "wait=1"


def test_a_transaction_that_the_node_lost_is_handed_in_again(run: Run, profile: Path, node: FakeNode) -> None:
    identifier = build(run, Path("t.json"))
    node.next(
        "POST",
        "/v1/transactions",
        always(lambda: web.json_response({"id": identifier, "state": "pending"}, status=202)),
    )
    result = run("tx", "submit", "t.json", "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert node.count("POST", "/v1/transactions") == 2
    assert len(node.network.blocks) == 1


def test_submitting_the_same_file_again_acts_once(run: Run, profile: Path, node: FakeNode) -> None:
    build(run, Path("t.json"))
    first = run("tx", "submit", "t.json", "--node", node.url)
    second = run("tx", "submit", "t.json", "--node", node.url)
    assert (first.exit_code, second.exit_code) == (ExitCode.OK, ExitCode.OK)
    assert first.stdout == second.stdout
    assert len(node.network.blocks) == 1


@pytest.mark.parametrize("command", ["status", "wait"])
def test_an_unknown_transaction_is_expired_once_ledger_time_passed_its_deadline(
    run: Run, profile: Path, node: FakeNode, command: str
) -> None:
    identifier = build(run, Path("t.json"), "--valid-for", "60s")
    early = run("tx", "status", "t.json", "--node", node.url)
    assert early.exit_code == ExitCode.NOT_FOUND
    assert "transaction_unknown" in early.stderr

    node.network.commit([], later_ms=600_000)
    late = run("tx", command, "t.json", "--node", node.url)
    assert late.exit_code == ExitCode.REJECTED
    assert "[expired]" in late.stderr
    assert f"is the word of {node.url}, and cannot be proved" in late.stderr
    # The id alone does not tell the deadline.
    assert run("tx", "status", identifier, "--node", node.url).exit_code == ExitCode.NOT_FOUND


def test_status_asks_every_node_before_it_says_unknown(
    run: Run, profile: Path, node: FakeNode, network: Network, dead_url: str
) -> None:
    identifier = build(run, Path("t.json"))
    assert run("tx", "submit", "t.json", "--node", node.url).exit_code == ExitCode.OK
    with FakeNode(Network()) as behind:
        result = run("tx", "status", identifier, "--node", dead_url, "--node", behind.url, "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert run("tx", "status", UNKNOWN_ID, "--node", node.url).exit_code == ExitCode.NOT_FOUND


def test_a_node_that_contradicts_its_own_receipt_is_caught(run: Run, profile: Path, node: FakeNode) -> None:
    build(run, Path("failing.json"))
    assert run("tx", "submit", "failing.json", "--node", node.url).exit_code == ExitCode.OK
    # The same stream again: recorded as failed, but the node calls it applied.
    identifier = build(run, Path("again.json"))
    lie = {"id": identifier, "state": "committed", "result": "applied", "height": 2, "index": 0}
    run("tx", "submit", "again.json", "--node", node.url)
    node.next("GET", f"/v1/transactions/{identifier}", always(lambda: web.json_response(lie)))
    result = run("tx", "status", identifier, "--node", node.url)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "node_contradicts_receipt" in result.stderr


def test_what_is_printed_as_verified_is_what_the_receipt_proves(run: Run, profile: Path, node: FakeNode) -> None:
    identifier = build(run, Path("t.json"))
    assert run("tx", "submit", "t.json", "--node", node.url).exit_code == ExitCode.OK
    lie = {"id": identifier, "state": "committed", "result": "applied", "height": 1, "index": 7}
    lie |= {"block_hash": "ab" * 32, "time": "2020-01-01T00:00:00Z"}
    node.next("GET", f"/v1/transactions/{identifier}", always(lambda: web.json_response(lie)))
    printed = json.loads(run("tx", "status", identifier, "--node", node.url, "--output", "json").stdout)
    assert printed["verified"] is True
    block = node.network.blocks[0]
    assert (printed["index"], printed["block_hash"]) == (0, block.block_hash.hex())
    assert printed["time"] == rfc3339(block.header.time_ms)


def test_a_receipt_under_another_genesis_fails_verification(run: Run, profile: Path, node: FakeNode) -> None:
    identifier = build(run, Path("t.json"))
    run("tx", "submit", "t.json", "--node", node.url)
    stranger = Network()
    stranger.commit([])
    Path("other.json").write_bytes(stranger.genesis.document)
    assert stranger.genesis.chain != node.network.genesis.chain
    arguments = ("receipt", "get", identifier, "--node", node.url, "--genesis", "other.json", "--genesis-hash")
    result = run(*arguments, stranger.genesis.chain.hex())
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert not Path(f"{identifier}.receipt.json").exists()


def test_receipt_get_refuses_the_receipt_of_another_transaction(run: Run, profile: Path, node: FakeNode) -> None:
    identifier = build(run, Path("t.json"))
    run("tx", "submit", "t.json", "--node", node.url)
    receipt = node.network.receipt(identifier)
    node.next("GET", f"/v1/transactions/{UNKNOWN_ID}/receipt", always(lambda: web.Response(body=receipt)))
    assert run("receipt", "get", UNKNOWN_ID, "--node", node.url).exit_code == ExitCode.VERIFICATION_FAILED
    assert run("receipt", "get", identifier, "--node", node.url, "--out", "good.json").exit_code == ExitCode.OK
    assert Path("good.json").read_bytes() == receipt


def test_genesis_pin_refuses_another_hash_and_changes_nothing(run: Run, home: Path, node: FakeNode) -> None:
    result = run("genesis", "pin", node.url, "--hash", "00" * 32)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "genesis_differs" in result.stderr
    assert list(home.iterdir()) == []


def test_genesis_pin_makes_the_profile_ready(run: Run, home: Path, node: FakeNode) -> None:
    chain = node.network.genesis.chain.hex()
    result = run("genesis", "pin", node.url, "--hash", chain.upper())
    assert result.exit_code == ExitCode.OK, result.stderr
    assert run("config", "get", "genesis_hash").stdout.strip() == chain
    assert run("config", "get", "nodes").stdout.strip() == node.url
    assert Path(run("config", "get", "genesis").stdout.strip()).read_bytes() == node.network.genesis.document
    assert run("genesis", "pin", node.url, "--hash", chain, "--profile", "second").exit_code == ExitCode.OK
    assert run("config", "get", "genesis_hash", "--profile", "second").stdout.strip() == chain


def test_genesis_pin_without_a_hash_asks(run: Run, home: Path, node: FakeNode) -> None:
    refused = run("genesis", "pin", node.url, stdin="n\n")
    assert refused.exit_code == ExitCode.UNEXPECTED
    assert "The answer was no" in refused.stderr
    unanswered = run("genesis", "pin", node.url, stdin="")
    assert unanswered.exit_code == ExitCode.UNEXPECTED
    assert "say --yes" in unanswered.stderr
    assert list(home.iterdir()) == []
    assert run("genesis", "pin", node.url, stdin="y\n").exit_code == ExitCode.OK


def test_genesis_fetch_never_overwrites(run: Run, home: Path, node: FakeNode) -> None:
    assert run("genesis", "fetch", node.url).exit_code == ExitCode.OK
    assert Path("testnet.genesis.json").read_bytes() == node.network.genesis.document
    again = run("genesis", "fetch", node.url)
    assert again.exit_code == ExitCode.USAGE
    assert "file_exists" in again.stderr


def test_several_parties_sign_and_tx_show_online_says_what_is_missing(run: Run, profile: Path, node: FakeNode) -> None:
    assert run("stream", "create", "notes", "--cosigner", "org1", "--out", "t.json").exit_code == ExitCode.OK
    assert run("tx", "sign", "t.json", "--key-file", "org2").exit_code == ExitCode.OK
    shown = run("tx", "show", "t.json", "--online", "--node", node.url)
    assert "org0 needs 1 of its 1 keys and has 0: 1 missing." in shown.stdout
    assert "org1 needs 1 of its 1 keys and has 0: 1 missing." in shown.stdout
    assert "belongs to none of them" in shown.stdout

    assert run("stream", "create", "notes", "--cosigner", "org1", "--out", "u.json").exit_code == ExitCode.OK
    assert run("tx", "sign", "u.json", "--key-file", "org0", "--key-file", "org1").exit_code == ExitCode.OK
    complete = run("tx", "show", "u.json", "--online", "--node", node.url, "--output", "json")
    assert json.loads(complete.stdout)["missing"] == {"org0": 0, "org1": 0}
    assert run("tx", "submit", "u.json", "--node", node.url).exit_code == ExitCode.OK


def test_lists_follow_their_cursor_up_to_the_limit_and_escape_what_others_wrote(
    run: Run, profile: Path, node: FakeNode
) -> None:
    def page(start: int, cursor: str | None) -> web.Response:
        items = [{"revision": start + n, "key": "k", "content": {"t": "\x1b[2J\x9b31m\u202e"}} for n in range(2)]
        return web.json_response({"items": items, "next_cursor": cursor, "head": {}})

    path = "/v1/streams/notes/records"
    replies = (always(lambda: page(1, "c1")), always(lambda: page(3, "c2")))
    node.next("GET", path, *replies)
    listed = run("record", "list", "notes", "--limit", "3", "--node", node.url, "--output", "jsonl")
    assert [json.loads(line)["revision"] for line in listed.stdout.splitlines()] == [1, 2, 3]
    assert listed.stdout.isascii()
    assert "\x1b" not in listed.stdout

    node.next("GET", path, *replies)
    table = run("record", "list", "notes", "--limit", "3", "--node", node.url)
    assert table.exit_code == ExitCode.OK
    assert "\\u001b[2J\\u009b31m\\u202e" in table.stdout
    assert not any(character in table.stdout for character in "\x1b\x9b\u202e")


def test_what_is_not_there_exits_12(run: Run, profile: Path, node: FakeNode) -> None:
    result = run("account", "show", "nobody", "--node", node.url)
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "[account_unknown]" in result.stderr


def test_status_is_words_for_people_and_everything_for_programs(run: Run, profile: Path, node: FakeNode) -> None:
    answer = {"network": "testnet", "chain": "ab", "explanation": "idle\x1b[2J", "peers": [{"validator": "v1"}, {}, 3]}
    node.next("GET", "/v1/status", *[always(lambda: web.json_response(answer))] * 2)
    text = run("status", "--node", node.url).stdout
    assert "linked to  v1, a follower" in text
    assert "idle\\u001b[2J" in text
    assert json.loads(run("status", "--node", node.url, "--output", "json").stdout) == answer


def test_accounts_are_added_and_their_keys_replaced(run: Run, profile: Path, node: FakeNode, network: Network) -> None:
    added = run("account", "add", "ann.org0", "--public-key", "org2", "--node", node.url)
    assert added.exit_code == ExitCode.OK, added.stderr
    replaced = run(
        *("account", "keys", "--account", "ann.org0", "--key-file", "org2", "--node", node.url),
        *("--public-key", "org1", "--public-key", "org2", "--threshold", "2"),
    )
    assert replaced.exit_code == ExitCode.OK, replaced.stderr
    account = network.state.account("ann.org0")
    assert account is not None
    assert (len(account.keys), account.threshold) == (2, 2)
