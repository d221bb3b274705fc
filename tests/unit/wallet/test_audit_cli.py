"""quorum-audit: what holds is proved, and one wrong bit anywhere is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from ledger.transaction import assemble, parse_transaction
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always
from tests.unit.wallet.network import Network
from wallet.exit_codes import ExitCode


@pytest.fixture
def receipt(run: Run, profile: Path, node: FakeNode) -> bytes:
    """The receipt of a record in block 2."""
    assert run("stream", "create", "notes", "--node", node.url).exit_code == ExitCode.OK
    result = run("record", "append", "notes", "--json", '"hello"', "--receipt", "r.json", "--node", node.url)
    assert result.exit_code == ExitCode.OK, result.stderr
    return Path("r.json").read_bytes()


@pytest.mark.usefixtures("receipt")
def test_a_receipt_says_what_it_proves(audit: Run, home: Path, network: Network) -> None:
    genesis = str(home / "genesis.json")
    printed = json.loads(audit("verify", "r.json", "--genesis", genesis, "--output", "json").stdout)
    assert (printed["verified"], printed["height"], printed["result"]) == (True, 2, "applied")
    assert printed["signers"] == ["v0", "v1", "v2"]
    assert printed["chain"] == network.genesis.chain.hex()
    text = audit("verify", "r.json", "--genesis", genesis).stdout
    assert 'org0 appends a record to the stream notes; content (7 bytes): "hello"' in text


@pytest.mark.usefixtures("receipt", "offline")
def test_a_receipt_needs_no_network(audit: Run) -> None:
    assert audit("verify", "r.json").exit_code == ExitCode.OK


def test_any_flipped_byte_of_a_receipt_exits_10(audit: Run, receipt: bytes) -> None:
    for position in range(0, len(receipt), 37):
        damaged = bytearray(receipt)
        damaged[position] ^= 1
        Path("damaged.json").write_bytes(damaged)
        result = audit("verify", "damaged.json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, f"byte {position}: {result.output}"
        assert result.stdout == ""


def test_a_receipt_that_is_none_exits_10_without_escapes(audit: Run, receipt: bytes) -> None:
    for content in (b"", b"{}", b'{"kind":"\x1b[31m"}', receipt[:-1], receipt + b"\n"):
        Path("damaged.json").write_bytes(content)
        result = audit("verify", "damaged.json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED
        assert "\x1b" not in result.stderr


@pytest.mark.usefixtures("receipt")
def test_nothing_is_verified_without_a_pinned_genesis(audit: Run, run: Run, home: Path) -> None:
    run("config", "set", "genesis")
    result = audit("verify", "r.json")
    assert result.exit_code == ExitCode.USAGE
    assert "--genesis FILE" in result.stderr
    wrong = audit("verify", "r.json", "--genesis", str(home / "genesis.json"), "--genesis-hash", "00" * 32)
    assert wrong.exit_code == ExitCode.VERIFICATION_FAILED


@pytest.mark.usefixtures("receipt")
def test_a_whole_ledger_holds(audit: Run, node: FakeNode) -> None:
    for _ in range(20):
        node.network.commit([])
    printed = json.loads(audit("ledger", node.url, "--output", "json").stdout)
    assert (printed["height"], printed["block_hash"]) == node.network.head
    assert printed["transactions"] == 2
    partial = json.loads(audit("ledger", node.url, "--to-height", "3", "--output", "json").stdout)
    assert partial["height"] == 3


@pytest.mark.usefixtures("receipt")
@pytest.mark.parametrize("height", [1, 2, 7])
def test_a_wrong_block_is_named_with_its_height(audit: Run, node: FakeNode, height: int) -> None:
    for _ in range(8):
        node.network.commit([])
    record = node.network.records[height - 1]
    damaged = record.replace(b'"proposer":"v', b'"proposer":"w')
    assert damaged != record
    node.next("GET", f"/v1/blocks/{height}/certificate", always(lambda: web.Response(body=damaged)))
    result = audit("ledger", node.url, "--output", "json")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert f"Block {height} does not verify" in json.loads(result.stderr)["error"]["detail"]
    assert result.stdout == ""


@pytest.mark.usefixtures("receipt")
def test_a_body_with_another_signature_is_noticed(audit: Run, node: FakeNode) -> None:
    (transaction,) = node.network.blocks[1].transactions
    body, _, _ = transaction.envelope.removeprefix(b'{"body":').rpartition(b',"signatures":')
    other = network_signature(node.network, body)
    swapped = parse_transaction(other)
    assert swapped != transaction
    node.next("GET", "/v1/blocks/2/body", always(lambda: web.Response(body=other + b"\n")))
    result = audit("ledger", node.url)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 2" in result.stderr


@pytest.mark.usefixtures("receipt")
def test_a_missing_transaction_is_noticed(audit: Run, node: FakeNode) -> None:
    node.next("GET", "/v1/blocks/1/body", always(lambda: web.Response(body=b"")))
    result = audit("ledger", node.url)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Block 1" in result.stderr


def test_a_node_that_cannot_be_asked_exits_14(audit: Run, profile: Path) -> None:
    assert audit("ledger", "http://127.0.0.1:1").exit_code == ExitCode.NODE_UNREACHABLE


def network_signature(network: Network, body: bytes) -> bytes:
    """The same body, signed by an account that did not sign it."""
    from ledger.transaction import sign_body

    return assemble(body, [sign_body(body, network.founders[1].operator_key)])
