"""Assets in the wallet: amounts as people write them, decimals that are proved, and every verb against a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import AMOUNT_MAX
from ledger.operations.table import OPERATIONS, parse_operation
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always
from wallet.amounts import to_text, to_units
from wallet.exit_codes import ExitCode, WalletError
from wallet.explain import operation_sentence


@pytest.mark.parametrize(
    ("amount", "decimals", "units"),
    [
        ("12.50", 2, 1_250),
        ("12.5", 2, 1_250),
        ("12", 2, 1_200),
        ("0.01", 2, 1),
        ("007", 0, 7),
        ("1", 18, 10**18),
        ("0.000000000000000001", 18, 1),
        ("340282366920938463463374607431768211455", 0, AMOUNT_MAX),
        ("3402823669209384634633746074317682114.55", 2, AMOUNT_MAX),
    ],
)
def test_an_amount_in_smallest_units(amount: str, decimals: int, units: int) -> None:
    assert to_units(amount, decimals, what="euro") == str(units)


@pytest.mark.parametrize(
    ("amount", "decimals", "said"),
    [
        *((text, 2, "is no amount") for text in ("", ".", "5.", ".5", "1,50", "1 000", "1_0", "-1", "+1", "1e3", "٣")),
        *((text, 2, "is no amount") for text in ("0x1", "1.0.0", " 1", "1\n", "twelve", "9" * 40, "1." + "9" * 40)),
        ("1.005", 2, "euro has 2 decimals, and 1.005 has 3"),
        ("1.500", 2, "euro has 2 decimals"),
        ("1.0", 0, "euro has 0 decimals"),
        ("0", 2, "is from 0.01 to 3402823669209384634633746074317682114.55"),
        ("0.00", 2, "is from 0.01 to"),
        ("340282366920938463463374607431768211456", 0, "is from 1 to"),
        ("340282366920938463463374607431768211455", 1, "is from 0.1 to"),
    ],
)
def test_what_is_no_amount(amount: str, decimals: int, said: str) -> None:
    with pytest.raises(WalletError, match=said) as caught:
        to_units(amount, decimals, what="euro")
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.remedy


@given(st.integers(1, AMOUNT_MAX), st.integers(0, 18))
def test_what_is_shown_can_be_typed_again(units: int, decimals: int) -> None:
    text = to_text(units, decimals)
    assert to_units(text, decimals, what="euro") == str(units)
    assert len(text.partition(".")[2]) == decimals


def test_nothing_is_shown_as_nothing() -> None:
    assert (to_text(0, 0), to_text(0, 2), to_text(5, 3)) == ("0", "0.00", "0.005")


@pytest.fixture
def euro(run: Run, profile: Path, node: FakeNode) -> str:
    """The options that name a node where euro is defined (2 decimals, at most 1000.00), and org1 holds 40.00."""
    asked = ("--node", node.url)
    defined = run("asset", "define", "euro", "--decimals", "2", "--cap", "1000", "--issuer", "org0", *asked)
    assert defined.exit_code == ExitCode.OK, defined.stderr
    issued = run("asset", "issue", "euro", "--to", "org1", "--amount", "40", *asked)
    assert issued.exit_code == ExitCode.OK, issued.stderr
    assert "40 of euro is 4000 in smallest units (2 decimals, proved by its definition)" in issued.stderr
    return node.url


def as_org1(run: Run, url: str, *arguments: str) -> Result:
    return run(*arguments, "--account", "org1", "--key-file", "org1", "--node", url)


def balances(node: FakeNode) -> dict[str, int]:
    held = {name: node.network.state.balance(name, "euro") for name in ("org0", "org1", "org2")}
    return {name: balance.amount for name, balance in held.items() if balance is not None}


def test_a_transfer_is_paid_and_its_receipt_says_so(run: Run, audit: Run, node: FakeNode, euro: str) -> None:
    sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "12.50", "--receipt", "paid.json")
    assert sent.exit_code == ExitCode.OK, sent.stderr
    assert balances(node) == {"org1": 2_750, "org2": 1_250}
    proved = audit("verify", "paid.json")
    assert "org1 transfers 1250 smallest units of euro to org2" in proved.stdout
    audited = audit("ledger", euro)
    assert audited.exit_code == ExitCode.OK, audited.stderr


def test_an_asset_is_burnt_and_its_holders_are_frozen(run: Run, node: FakeNode, euro: str) -> None:
    assert as_org1(run, euro, "asset", "burn", "euro", "--amount", "0.01").exit_code == ExitCode.OK
    assert balances(node) == {"org1": 3_999}
    assert run("asset", "freeze-holder", "euro", "org1", "--node", euro).exit_code == ExitCode.OK
    refused = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "1")
    assert refused.exit_code == ExitCode.REJECTED
    assert "Error [holder_frozen]" in refused.stderr
    assert "Ask the asset's owner to unfreeze the holder" in refused.stderr
    assert run("asset", "unfreeze-holder", "euro", "org1", "--node", euro).exit_code == ExitCode.OK
    assert as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "1").exit_code == ExitCode.OK


def test_reading_shows_people_decimals_and_programs_units(run: Run, euro: str) -> None:
    shown = run("asset", "show", "euro", "--node", euro).stdout
    assert "supply     40.00" in shown
    assert "cap        1000.00" in shown
    assert json.loads(run("asset", "show", "euro", "--node", euro, "--output", "json").stdout)["supply"] == "4000"
    assert "40.00" in run("asset", "list", "--node", euro).stdout
    assert "40.00" in run("asset", "holders", "euro", "--node", euro).stdout
    (holder,) = json.loads(run("asset", "holders", "euro", "--node", euro, "--output", "json").stdout)
    assert (holder["account"], holder["amount"], holder["decimals"]) == ("org1", "4000", 2)
    assert "40.00" in run("balance", "org1", "--node", euro).stdout
    assert "balance    40.00" in run("balance", "org1", "--asset", "euro", "--node", euro).stdout
    assert "balance    0.00" in run("balance", "--asset", "euro", "--node", euro).stdout, "of the profile's account"
    nothing = run("balance", "--node", euro)
    assert (nothing.exit_code, nothing.stdout) == (ExitCode.OK, "")
    assert "org0 holds nothing." in nothing.stderr


def test_an_asset_that_is_not_there_is_not_found(run: Run, node: FakeNode, euro: str) -> None:
    for command in (("transfer", "eruo", "--to", "org2", "--amount", "1"), ("asset", "show", "eruo")):
        result = run(*command, "--node", euro)
        assert result.exit_code == ExitCode.NOT_FOUND
        assert "no asset eruo" in result.stderr
    assert len(node.network.blocks) == 2, "nothing was sent"


def test_decimals_that_are_said_are_not_asked_for(run: Run, node: FakeNode, euro: str) -> None:
    before = len(node.requests)
    sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "7", "--decimals", "0")
    assert sent.exit_code == ExitCode.OK, sent.stderr
    assert "7 of euro is 7 in smallest units (0 decimals, as you say)" in sent.stderr
    assert balances(node)["org2"] == 7
    assert all("assets" not in path for _, path, _ in node.requests[before:])


def test_a_node_that_lies_about_decimals_is_found_out(run: Run, node: FakeNode, euro: str) -> None:
    """With 4 decimals 12.50 would be a hundred times as much."""
    lie = {**node.network.state.asset("euro").to_json(), "decimals": 4, "height": 2}  # type: ignore[union-attr]
    node.next("GET", "/v1/assets/euro", always(lambda: web.json_response(lie)))
    sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "12.50")
    assert sent.exit_code == ExitCode.VERIFICATION_FAILED
    assert "decimals_unproved" in sent.stderr
    assert "the node states 4, and what it sends to prove it says 2" in sent.stderr
    assert balances(node) == {"org1": 4_000}


def test_only_the_applied_definition_of_that_asset_proves_its_decimals(run: Run, node: FakeNode, euro: str) -> None:
    assert run("asset", "define", "euro", "--decimals", "4", "--node", euro).exit_code == ExitCode.REJECTED
    assert run("asset", "define", "gold", "--decimals", "4", "--node", euro).exit_code == ExitCode.OK
    lie = {**node.network.state.asset("euro").to_json(), "decimals": 4, "height": 2}  # type: ignore[union-attr]
    for block in node.network.blocks[2:]:
        (failed_or_other,) = block.transactions
        items = {"items": [{"id": failed_or_other.id.hex()}], "next_cursor": None}
        node.next("GET", "/v1/assets/euro", always(lambda: web.json_response(lie)))
        node.next("GET", "/v1/transactions", always(lambda items=items: web.json_response(items)))
        sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "12.50")
        assert sent.exit_code == ExitCode.VERIFICATION_FAILED
        assert "decimals_unproved" in sent.stderr
    node.next("GET", "/v1/transactions", always(lambda: web.json_response({"items": [], "next_cursor": None})))
    sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "12.50")
    assert "the node does not name its definition" in sent.stderr
    assert balances(node) == {"org1": 4_000}


def test_without_a_genesis_file_it_is_said_that_decimals_are_not_proved(run: Run, node: FakeNode, euro: str) -> None:
    run("config", "set", "genesis")
    sent = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "1")
    assert sent.exit_code == ExitCode.OK, sent.stderr
    assert "(2 decimals, as the node states, not proved)" in sent.stderr
    assert balances(node) == {"org1": 3_900, "org2": 100}
    lie = {"name": "euro", "decimals": 4}
    node.next("GET", "/v1/assets/euro", always(lambda: web.json_response(lie)))
    quiet = as_org1(run, euro, "transfer", "euro", "--to", "org2", "--amount", "0.01", "--quiet")
    said = "Warning: 0.01 of euro is 100 in smallest units (4 decimals, as the node states, not proved)\n"
    assert quiet.stderr == said, "what a node may lie about is said even to who wants no hints"
    arguments = ("transfer", "euro", "--to", "org2", "--amount", "1", "--decimals", "2", "--account", "org1")
    assert run(*arguments, "--out", "t.json").exit_code == ExitCode.OK
    shown = run("tx", "show", "t.json", "--online", "--node", euro).stdout
    assert "Warning: the decimals of euro are as the node states, not proved; what is signed are smallest" in shown


@pytest.mark.usefixtures("offline", "profile")
def test_a_transfer_is_built_explained_and_signed_offline(run: Run) -> None:
    arguments = ("transfer", "euro", "--to", "org2", "--amount", "12.50", "--decimals", "2", "--account", "org1")
    assert run(*arguments, "--out", "t.json").exit_code == ExitCode.OK
    (operation,) = json.loads(Path("t.json").read_bytes())["body"]["operations"]
    assert operation == {"type": "asset.transfer", "by": "org1", "asset": "euro", "to": "org2", "amount": "1250"}
    assert "1. org1 transfers 1250 smallest units of euro to org2" in run("tx", "show", "t.json").stdout
    signed = run("tx", "sign", "t.json", "--key-file", "org1")
    assert signed.exit_code == ExitCode.OK
    assert "1. org1 transfers 1250 smallest units of euro to org2" in signed.stderr
    built = run("asset", "define", "euro", "--decimals", "2", "--cap", "5", "--out", "d.json")
    assert built.exit_code == ExitCode.OK, built.stderr
    assert (
        "1. org0 defines the asset euro, with 2 decimals, of which there may be at most 5.00 euro "
        "(500 smallest units of euro); may issue it: org0 alone"
    ) in run("tx", "show", "d.json").stdout


def test_online_an_explanation_says_amounts_as_people_write_them(run: Run, euro: str) -> None:
    arguments = ("transfer", "euro", "--to", "org2", "--amount", "0.01", "--decimals", "2", "--account", "org1")
    assert run(*arguments, "--out", "t.json").exit_code == ExitCode.OK
    shown = run("tx", "show", "t.json", "--online", "--node", euro)
    assert "1. org1 transfers 0.01 euro (1 smallest unit of euro) to org2" in shown.stdout
    assert "Warning" not in shown.stdout
    operations = [
        {"type": "asset.define", "name": "tin", "decimals": 1},
        {"type": "asset.issue", "asset": "tin", "to": "org1", "amount": "15"},
        {"type": "asset.burn", "asset": "gold", "amount": "15"},
    ]
    Path("o.json").write_text(json.dumps(operations))
    assert run("tx", "build", "--operations-file", "o.json", "--out", "b.json").exit_code == ExitCode.OK
    shown = run("tx", "show", "b.json", "--online", "--node", euro)
    assert shown.exit_code == ExitCode.OK, shown.stderr
    assert "2. org0 issues 1.5 tin (15 smallest units of tin)" in shown.stdout, "its definition stands before it"
    assert "3. org0 burns 15 smallest units of gold, of what it holds" in shown.stdout, "nobody knows gold"


@pytest.mark.parametrize("type_name", OPERATIONS)
def test_every_operation_has_a_sentence_of_its_own(type_name: str) -> None:
    example = OPERATIONS[type_name].example
    sentence = operation_sentence(parse_operation(dict(example)))
    assert sentence.startswith(f"{example['by']} ")
    assert f"does {type_name}" not in sentence
    for name, value in example.items():
        if isinstance(value, str) and name not in ("type", "by"):
            assert value in sentence, f"{name} is not said"


def test_a_streams_owner_changes_its_writers_and_closes_it(run: Run, node: FakeNode, profile: Path) -> None:
    assert run("stream", "create", "notes", "--node", node.url).exit_code == ExitCode.OK
    changed = run("stream", "set-writers", "notes", "--writer", "org2", "--writer", "org1", "--node", node.url)
    assert changed.exit_code == ExitCode.OK, changed.stderr
    stream = node.network.state.stream("notes")
    assert stream is not None
    assert stream.writers == {"org1", "org2"}
    asked = run("stream", "freeze", "notes", "--node", node.url, stdin="n\n")
    assert asked.exit_code == ExitCode.UNEXPECTED
    assert "for good?" in asked.stderr
    assert len(node.network.blocks) == 2, "nothing was sent"
    assert run("stream", "freeze", "notes", "--node", node.url, stdin="y\n").exit_code == ExitCode.OK
    again = run("stream", "freeze", "notes", "--yes", "--node", node.url)
    assert again.exit_code == ExitCode.REJECTED
    assert "stream_frozen" in again.stderr
    (listed,) = json.loads(run("stream", "list", "--node", node.url, "--output", "json").stdout)
    assert (listed["name"], listed["frozen"]) == ("notes", True)


@pytest.mark.usefixtures("offline", "profile")
def test_a_stream_is_frozen_offline_without_a_question(run: Run) -> None:
    assert run("stream", "freeze", "notes", "--out", "t.json").exit_code == ExitCode.OK
    assert "1. org0 freezes the stream notes FOR GOOD" in run("tx", "show", "t.json").stdout
    arguments = ("stream", "set-writers", "notes", "--writer", "b", "--writer", "a", "--out", "w.json")
    assert run(*arguments).exit_code == ExitCode.OK
    said = "1. org0 replaces the writers of the stream notes; may write to it then: a, b"
    assert said in run("tx", "show", "w.json").stdout
