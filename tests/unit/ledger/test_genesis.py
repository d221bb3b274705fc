"""Genesis: assembled from cards, known by its hash, and refused in every way in which it can be wrong."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from ledger.block import block_hash
from ledger.encoding import Json, decode_object, encode
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.genesis import Operator, encode_card, genesis_block, make_card, parse_card, parse_genesis
from ledger.limits import GENESIS_BYTES_MAX, GENESIS_TIME_MS_MAX
from ledger.parameters import Parameters
from ledger.roles import Role
from ledger.rows.accounts import Account
from ledger.state import State
from ledger.validators import Quorum, QuorumRule
from tests.unit.ledger.founders import founder, genesis_of, signing_key


def document_of(data: bytes) -> dict[str, Json]:
    return decode_object(data, bytes_max=GENESIS_BYTES_MAX)


def test_four_organisations_found_a_network_from_their_cards() -> None:
    genesis = genesis_of(4)
    assert [v.name for v in genesis.validators.validators] == ["v0", "v1", "v2", "v3"]
    assert (genesis.validators.quorum, genesis.validators.tolerance.stopped) == (3, 1)
    roles = {account.name: account.roles for account in genesis.accounts}
    assert roles["org0"] == (Role.ADMINISTRATOR, Role.OPERATOR)
    assert roles["org3"] == (Role.OPERATOR,)
    assert parse_genesis(genesis.document) == genesis


def test_the_block_of_genesis_follows_from_the_document_alone() -> None:
    genesis = genesis_of(4)
    block = genesis_block(genesis)
    header = block.tip.header
    assert (header.height, header.chain, header.log_size) == (0, genesis.chain, 0)
    assert header.validators_hash == header.next_validators_hash == genesis.validators.hash
    assert header.state_root == block.trie.root.hash
    assert block.tip.block_hash == block_hash(block.tip.header_bytes)
    assert genesis_block(genesis) == block


def test_the_salt_and_every_field_change_the_identity() -> None:
    chains = {genesis_of(4).chain, genesis_of(3).chain, genesis_of(4, quorum=Quorum(QuorumRule.FIXED, 4)).chain}
    chains.add(genesis_of(4, parameters=Parameters(sender_quota=5)).chain)
    document = document_of(genesis_of(4).document)
    document["salt"] = "ff" * 16
    chains.add(parse_genesis(encode(document)).chain)
    assert len(chains) == 5


def test_an_account_that_operates_nothing_may_be_the_administrator() -> None:
    council = Account("council", (signing_key("council").public_key,), 1, (Role.ADMINISTRATOR,))
    genesis = genesis_of(1, further_accounts=(council,))
    assert {a.name: a.roles for a in genesis.accounts}["council"] == (Role.ADMINISTRATOR,)


def test_a_card_travels_as_a_file_and_its_proofs_are_checked() -> None:
    card = founder(0).card
    data = encode_card(card)
    assert parse_card(data) == card
    document = document_of(data)
    other = document_of(encode_card(founder(1).card))
    document["proofs"] = other["proofs"]
    with pytest.raises(VerificationError, match="proof of possession of the consensus key of v0"):
        parse_card(encode(document))


def test_nobody_can_put_anothers_validator_under_their_own_account() -> None:
    document = document_of(encode_card(founder(0).card))
    operator = Operator("mallory", (signing_key("mallory").public_key,), 1)
    document["operator"] = operator.to_json()
    document["validator"]["operator"] = "mallory"  # type: ignore[index, call-overload]
    with pytest.raises(VerificationError, match="proof of possession"):
        parse_card(encode(document))


def test_a_card_needs_three_distinct_keys() -> None:
    keys = founder(0)
    with pytest.raises(MalformedError, match="must be distinct"):
        make_card(
            name="v0",
            address="127.0.0.1:1",
            operator=keys.card.operator,
            consensus_key=keys.consensus_key,
            node_key=keys.consensus_key,
            cosigning_key=keys.cosigning_key,
        )


Change = Callable[[dict[str, Json]], None]


def put(field: str, value: Json) -> Change:
    return lambda document: document.__setitem__(field, value)


def drop_operator(document: dict[str, Json]) -> None:
    document["accounts"] = document["accounts"][1:]  # type: ignore[index]


def without_administrator(document: dict[str, Json]) -> None:
    for account in document["accounts"]:  # type: ignore[union-attr]
        account["roles"] = ["operator"]  # type: ignore[index, call-overload]


def other_keys(document: dict[str, Json]) -> None:
    document["accounts"][1]["keys"] = [signing_key("other").public_key.hex()]  # type: ignore[index, call-overload]


def suspended_administrator(document: dict[str, Json]) -> None:
    document["accounts"][0]["suspended"] = True  # type: ignore[index, call-overload]


def same_card_twice(document: dict[str, Json]) -> None:
    document["cards"][1] = document["cards"][0]  # type: ignore[index, call-overload]


def reversed_accounts(document: dict[str, Json]) -> None:
    document["accounts"].reverse()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("kind", "invoice"), "not a quorum-ledger/genesis document"),
        (put("version", 2), "reads version 1"),
        (put("version", True), "reads version 1"),
        (put("salt", "00"), "salt must be 32"),
        (put("time_ms", GENESIS_TIME_MS_MAX + 1), "time_ms must be an integer from 0"),
        (put("network", ""), "network must be a printable ASCII name"),
        (put("network", "a\u0007"), "network must be a printable ASCII name"),
        (put("quorum", 2), r"2 of 4 breaks n/2 < q <= n"),
        (put("quorum", 5), r"5 of 4 breaks n/2 < q <= n"),
        (put("quorum", "two thirds"), "quorum must be"),
        (put("extra", 1), "unknown field 'extra'"),
        (put("parameters", {}), "parameters lacks the field"),
        (put("parameters", {**Parameters().to_json(), "protocol_version": 2}), "knows versions up to 1"),
        (put("cards", []), "cards must be a list of 1"),
        (drop_operator, "the operator of v0 is not an account with the keys of its card"),
        (other_keys, "the operator of v1 is not an account with the keys of its card"),
        (without_administrator, "administrator"),
        (suspended_administrator, "org0 is suspended"),
        (same_card_twice, "the same name"),
        (reversed_accounts, "in order of name"),
    ],
)
def test_what_no_genesis_may_be(change: Change, says: str) -> None:
    document = document_of(genesis_of(4).document)
    change(document)
    with pytest.raises(LedgerError, match=says):
        parse_genesis(encode(document))


def test_genesis_is_canonical_or_it_is_not_genesis() -> None:
    pretty = orjson.dumps(orjson.loads(genesis_of(1).document), option=orjson.OPT_INDENT_2)
    with pytest.raises(MalformedError, match="canonical"):
        parse_genesis(pretty)


def test_the_state_of_genesis_is_read_back_as_it_was_stated() -> None:
    genesis = genesis_of(4)

    class Rows:
        def get(self, key: bytes) -> bytes | None:
            return genesis.state.get(key)

        def range(self, start: bytes, stop: bytes):  # type: ignore[no-untyped-def]
            return iter(sorted(item for item in genesis.state.items() if start <= item[0] < stop))

    state = State(Rows())
    assert state.validators() == genesis.validators
    assert state.parameters() == genesis.parameters
    assert state.account("org2") == genesis.accounts[2]
