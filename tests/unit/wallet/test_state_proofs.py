"""quorum-audit verify on a state proof: what it proves in words, that nothing can be bent, and no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.rows.accounts import account_key
from ledger.rows.streams import latest_key, stream_key
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain
from tests.unit.wallet.conftest import Run
from wallet.exit_codes import ExitCode
from wallet.state_proofs import key_sentence


@pytest.fixture
def chain(home: Path) -> MemoryChain:
    """A chain, with the files of it beside the home that the fixture makes the working directory."""
    assert home.parent == Path.cwd()
    chain = sample_chain()
    Path("g.json").write_bytes(chain.genesis.document)
    Path("stream.json").write_bytes(chain.state_proof(stream_key("notes")))
    Path("nobody.json").write_bytes(chain.state_proof(account_key("nobody")))
    return chain


@pytest.mark.usefixtures("offline")
def test_it_says_what_is_proved(audit: Run, chain: MemoryChain) -> None:
    text = audit("verify", "stream.json", "--genesis", "g.json").stdout
    assert "stream/notes" in text
    assert "the stream notes" in text
    assert '"count":3' in text
    printed = json.loads(audit("verify", "stream.json", "--genesis", "g.json", "--output", "json").stdout)
    assert (printed["verified"], printed["kind"]) == (True, "quorum-ledger/state-proof")
    assert (printed["key"], printed["value"]["count"], printed["height"]) == ("stream/notes", 3, 3)
    assert printed["block_hash"] == chain.tip.block_hash.hex()
    assert printed["signers"] == ["v0", "v1", "v2"]


@pytest.mark.usefixtures("offline", "chain")
def test_it_says_that_nothing_was_there(audit: Run) -> None:
    assert "nothing: there was no such row" in audit("verify", "nobody.json", "--genesis", "g.json").stdout
    printed = json.loads(audit("verify", "nobody.json", "--genesis", "g.json", "--output", "json").stdout)
    assert (printed["verified"], printed["key"], printed["value"]) == (True, "account/nobody", None)


@pytest.mark.usefixtures("offline")
def test_any_flipped_byte_exits_10(audit: Run, chain: MemoryChain) -> None:
    data = chain.state_proof(latest_key("notes", "k"))
    for position in range(0, len(data), 101):
        Path("damaged.json").write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        result = audit("verify", "damaged.json", "--genesis", "g.json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, f"byte {position}: {result.output}"
        assert result.stdout == ""


@pytest.mark.usefixtures("offline", "chain")
def test_a_proof_of_another_chain_exits_10(audit: Run) -> None:
    Path("other.json").write_bytes(sample_chain(5).state_proof(stream_key("notes")))
    assert audit("verify", "other.json", "--genesis", "g.json").exit_code == ExitCode.VERIFICATION_FAILED


def test_every_key_of_the_state_has_its_words(chain: MemoryChain) -> None:
    for key in chain.rows:
        assert "no rule" not in key_sentence(key.decode()), key
    for key, words in (
        ("proposal/00000000000000000012", "proposal 12"),
        ("evidence/v1/00000000000000000007", "evidence against the validator v1 about height 7"),
        ("balance/acme/euro", "what acme holds of euro"),
        ("candidate/v7", "the candidate v7 for the validator set"),
        ("latest/notes/" + "0a" * 32, "the newest record in notes of the entity key with the hash " + "0a" * 32),
        ("proposal/12", "a key that no rule of this software writes"),
        ("evidence/v1/7", "a key that no rule of this software writes"),
        ("account/Acme", "a key that no rule of this software writes"),
        ("account/", "a key that no rule of this software writes"),
        ("administrators/", "a key that no rule of this software writes"),
        ("latest/notes/k", "a key that no rule of this software writes"),
        ("validator-key/" + "0A" * 32, "a key that no rule of this software writes"),
        ("balance/acme", "a key that no rule of this software writes"),
        ("x/", "a key that no rule of this software writes"),
        ("x", "a key that no rule of this software writes"),
        ("", "a key that no rule of this software writes"),
    ):
        assert key_sentence(key) == words
