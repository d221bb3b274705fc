"""quorum-audit: what holds is proved, and one wrong bit anywhere is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.consensus.statements import Statement
from ledger.evidence_file import build_evidence_file
from ledger.operations.evidence import EvidenceRecord
from ledger.pinned_checkpoint import PinnedCheckpoint
from ledger.primitives import Digest
from tests.unit.ledger.accusing import CONTRADICTIONS, X, Y, accuse, two_commits
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.ledger.sample_chain import sample_chain
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode
from tests.unit.wallet.network import Network
from wallet.evidence import evidence_sentence
from wallet.exit_codes import ExitCode
from wallet.explain import operation_sentence


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


# ---- from a checkpoint


@pytest.fixture
def checkpoint(receipt: bytes, node: FakeNode) -> PinnedCheckpoint:
    """A checkpoint after the receipt's block, in a file."""
    node.network.commit([])
    made = node.network.checkpoint(3)
    Path("c3.json").write_bytes(made.document)
    Path("c1.json").write_bytes(node.network.checkpoint(1).document)
    return made


@pytest.mark.usefixtures("checkpoint", "offline")
def test_a_receipt_verifies_against_an_earlier_checkpoint_alone(audit: Run, run: Run) -> None:
    run("config", "set", "genesis")
    run("config", "set", "genesis_hash")
    for command in (audit, run):
        words = ("verify", "r.json") if command is audit else ("receipt", "verify", "r.json")
        text = command(*words, "--checkpoint", "c1.json").stdout
        assert "yes, against the checkpoint of 'testnet' at height 1, " in text
        printed = json.loads(command(*words, "--checkpoint", "c1.json", "--output", "json").stdout)
        assert (printed["verified"], printed["height"], printed["anchor_height"]) == (True, 2, 1)


@pytest.mark.usefixtures("checkpoint")
def test_a_receipt_below_the_checkpoint_is_fetched_again_and_needs_no_signature(
    audit: Run, run: Run, home: Path, node: FakeNode, checkpoint: PinnedCheckpoint
) -> None:
    refused = audit("verify", "r.json", "--checkpoint", "c3.json", "--output", "json")
    assert refused.exit_code == ExitCode.VERIFICATION_FAILED
    error = json.loads(refused.stderr)["error"]
    assert error["code"] == "below_checkpoint"
    assert "receipt get ID --checkpoint" in error["remedy"]
    identifier = json.loads(audit("verify", "r.json", "--output", "json").stdout)["id"]
    got = run("receipt", "get", identifier, "--checkpoint", "c3.json", "--out", "p.json", "--node", node.url)
    assert got.exit_code == ExitCode.OK, got.stderr
    assert Path("p.json").read_bytes() == node.network.receipt(identifier, 3) != Path("r.json").read_bytes()
    text = " ".join(audit("verify", "p.json", "--checkpoint", "c3.json").stdout.split())
    assert f"yes, against the checkpoint of 'testnet' at height 3, {checkpoint.digest.hex()}" in text
    assert "transaction 1 of the 2 in the log of the pinned block 3; no signature was needed" in text
    for pin in (("--checkpoint", "c1.json"), ("--genesis", str(home / "genesis.json"))):
        assert audit("verify", "p.json", *pin).exit_code == ExitCode.VERIFICATION_FAILED


@pytest.mark.usefixtures("checkpoint")
def test_a_profile_may_pin_a_checkpoint_and_a_genesis_that_is_named_goes_before_it(
    audit: Run, run: Run, home: Path, node: FakeNode
) -> None:
    assert run("config", "set", "checkpoint", str(Path("c3.json").absolute())).exit_code == ExitCode.OK
    assert audit("verify", "r.json").exit_code == ExitCode.VERIFICATION_FAILED
    assert audit("verify", "r.json", "--genesis", str(home / "genesis.json")).exit_code == ExitCode.OK
    sent = run("record", "append", "notes", "--json", '"again"', "--receipt", "r4.json", "--node", node.url)
    assert sent.exit_code == ExitCode.OK, sent.stderr
    assert "yes, against the pinned checkpoint: 3 of 4 validators signed, quorum 3" in sent.stdout
    assert audit("verify", "r4.json").exit_code == ExitCode.OK


@pytest.mark.usefixtures("checkpoint")
def test_a_checkpoint_that_is_none_or_of_another_chain_is_not_used(audit: Run, network: Network) -> None:
    Path("none.json").write_bytes(network.genesis.document)
    none = audit("verify", "r.json", "--checkpoint", "none.json")
    assert none.exit_code == ExitCode.USAGE
    assert "is not a checkpoint to pin" in none.stderr
    assert audit("verify", "r.json", "--checkpoint", "missing.json").exit_code == ExitCode.USAGE
    Path("other.json").write_bytes(sample_chain().checkpoint(1).document)
    other = audit("verify", "r.json", "--checkpoint", "other.json")
    assert other.exit_code == ExitCode.VERIFICATION_FAILED
    assert "is of the chain" in other.stderr


# ---- evidence


@pytest.fixture
def evidence(profile: Path, network: Network) -> bytes:
    """The file of evidence that v2 signed two commits at height 1."""
    made = accuse("v2", network.founders[2].consensus_key, network.genesis.chain, two_commits(1))
    data = build_evidence_file(evidence=made, chain=network.genesis.chain, trail=(), record=None)
    Path("e.json").write_bytes(data)
    return data


@pytest.mark.usefixtures("evidence", "offline")
def test_evidence_names_who_when_and_what_in_words(audit: Run, network: Network) -> None:
    text = audit("verify", "e.json").stdout
    lines = dict(line.split(maxsplit=1) for line in text.splitlines() if not line.startswith("and it"))
    assert lines["verified"] == f"yes, against the genesis of 'testnet', {network.genesis.chain.hex()}"
    assert lines["accused"] == "v2, operated by org2"
    assert lines["height"] == "1"
    assert lines["it"] == f"voted to commit the block {X.hex()} in round 0"
    assert f"voted to commit the block {Y.hex()} in round 0" in text
    assert "an honest validator makes one" in lines["but"]
    printed = json.loads(audit("verify", "e.json", "--output", "json").stdout)
    assert (printed["verified"], printed["kind"]) == (True, "quorum-ledger/evidence")
    assert (printed["validator"], printed["operator"], printed["height"]) == ("v2", "org2", 1)
    assert printed["contradiction"] == "two_statements"


@pytest.mark.usefixtures("receipt")
def test_a_file_says_by_itself_which_it_is(audit: Run, evidence: bytes) -> None:
    kinds = [json.loads(audit("verify", name, "--output", "json").stdout)["kind"] for name in ("r.json", "e.json")]
    assert kinds == ["quorum-ledger/receipt", "quorum-ledger/evidence"]
    Path("renamed.json").write_bytes(evidence.replace(b"quorum-ledger/evidence", b"quorum-ledger/receipt"))
    assert audit("verify", "renamed.json").exit_code == ExitCode.VERIFICATION_FAILED


def test_any_flipped_byte_of_evidence_exits_10(audit: Run, evidence: bytes) -> None:
    for position in range(0, len(evidence), 13):
        damaged = bytearray(evidence)
        damaged[position] ^= 1
        Path("damaged.json").write_bytes(damaged)
        result = audit("verify", "damaged.json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, f"byte {position}: {result.output}"
        assert result.stdout == ""


@pytest.mark.usefixtures("evidence")
def test_evidence_of_another_network_proves_nothing(audit: Run, run: Run) -> None:
    other = genesis_of(4)
    Path("other.json").write_bytes(other.document)
    result = audit("verify", "e.json", "--genesis", "other.json", "--genesis-hash", other.chain.hex())
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "another chain" in result.stderr


@pytest.mark.parametrize("statements", CONTRADICTIONS)
def test_every_contradiction_has_words(statements: tuple[Statement, Statement]) -> None:
    made = accuse("v2", founder(2).consensus_key, Digest(bytes(32)), statements)
    sentence = evidence_sentence(made)
    assert sentence.startswith("at height 7, v2 ")
    assert X.hex() in sentence
    assert "honest validator" in sentence
    report = operation_sentence(EvidenceRecord("validator:v1", made))
    assert report == f"validator:v1 records evidence: {sentence}"
    first, _, second = sentence.partition("; it also ")
    assert first.removeprefix("at height 7, v2 ") != second.partition(";")[0], "the two differ in words as well"
