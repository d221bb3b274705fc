"""What the state says, now and at a height: accounts, streams, records, validators, genesis."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from ledger.amounts import Amount
from ledger.limits import AMOUNT_MAX
from ledger.operations.accounts import AccountAdd
from ledger.operations.assets import AssetDefine, AssetFreezeHolder, AssetIssue, AssetTransfer
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend, StreamFreeze, StreamWriters
from ledger.primitives import Digest
from node.storage.memory import MemoryStore
from node.storage.queries import Queries
from tests.unit.ledger.founders import signing_key
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage import chains
from tests.unit.node.storage.chains import append, create_stream, genesis, transaction


async def test_an_account_now_and_at_a_height(api: Api, node: FakeNode) -> None:
    added = AccountAdd(by="org0", name="late", keys=(signing_key("late").public_key,), threshold=1, roles=None)
    node.grow(1)
    node.append(transaction(added, nonce=99))
    account = await api.ok("/v1/accounts/late")
    assert account == {
        "name": "late",
        "keys": [signing_key("late").public_key.hex()],
        "threshold": 1,
        "roles": [],
        "suspended": False,
        "height": 2,
    }
    assert await api.ok("/v1/accounts/late", height=2) == account
    await api.refused("account_unknown", 404, "/v1/accounts/late?height=1")
    assert (await api.ok("/v1/accounts/org0", height=0))["roles"] == ["administrator", "operator"]
    assert [item["name"] for item in (await api.ok("/v1/accounts"))["items"]] == [
        "late",
        "org0",
        "org1",
        "org2",
        "org3",
    ]
    assert len((await api.ok("/v1/accounts", height=1))["items"]) == 4
    assert [item["name"] for item in (await api.ok("/v1/accounts", order="desc", limit=2))["items"]] == ["org3", "org2"]


async def test_a_height_that_is_not_reached_is_unknown(api: Api, node: FakeNode) -> None:
    node.grow(1)
    for path in (
        "/v1/accounts",
        "/v1/accounts/org0",
        "/v1/streams",
        "/v1/streams/invoices",
        "/v1/assets",
        "/v1/validators",
    ):
        assert (await api.get(f"{path}?height=1")).status == 200
        reply = await api.refused("height_unknown", 404, f"{path}?height=2")
        assert reply.headers["Ledger-Height"] == "1"


async def test_the_history_of_an_account(api: Api, node: FakeNode) -> None:
    node.append(transaction(create_stream("a"), nonce=1), transaction(create_stream("b", by=1), nonce=2, sender=1))
    node.append(transaction(append("x", stream="b"), nonce=3, cosigner=1))
    history = (await api.ok("/v1/accounts/org1/history"))["items"]
    assert [(item["height"], item["index"], item["operations"]) for item in history] == [
        (2, 0, ["record.append"]),
        (1, 1, ["stream.create"]),
    ]
    assert history[0]["result"] == "writer_not_allowed"
    assert len((await api.ok("/v1/accounts/org1/history", type="stream.create"))["items"]) == 1
    await api.refused("account_unknown", 404, "/v1/accounts/nobody/history")


async def test_a_stream_and_its_records(api: Api, node: FakeNode) -> None:
    digest = Digest(hashlib.sha256(b"elsewhere").digest())
    node.append(transaction(create_stream(), append("1", key="k"), nonce=1))
    node.append(
        transaction(RecordAppend(by="org0", stream="invoices", content_digest=digest), append("3", key="k"), nonce=2)
    )
    stream = await api.ok("/v1/streams/invoices")
    assert (stream["owner"], stream["writers"], stream["count"], stream["frozen"]) == ("org0", ["org0"], 3, False)
    assert (await api.ok("/v1/streams/invoices", height=1))["count"] == 1
    assert [item["name"] for item in (await api.ok("/v1/streams"))["items"]] == ["invoices"]

    records = (await api.ok("/v1/streams/invoices/records"))["items"]
    assert [item["revision"] for item in records] == [3, 2, 1]
    assert [(item["height"], item["index"], item["operation"]) for item in records] == [(2, 0, 1), (2, 0, 0), (1, 0, 1)]
    assert records[0]["content"] == {"n": "3"}
    assert "content_digest" not in records[0]
    assert records[1]["content_digest"] == digest.hex()
    assert "content" not in records[1]
    assert [item["key"] for item in records] == ["k", None, "k"]
    assert {item["by"] for item in records} == {"org0"}

    keyed = (await api.ok("/v1/streams/invoices/records", key="k", order="asc"))["items"]
    assert [item["revision"] for item in keyed] == [1, 3]
    assert (await api.ok("/v1/streams/invoices/records", key="other"))["items"] == []
    for path in ("/v1/streams/nothing", "/v1/streams/nothing/records"):
        await api.refused("stream_unknown", 404, path)


async def test_an_asset_now_and_at_a_height(api: Api, node: FakeNode) -> None:
    node.append(transaction(AssetDefine("org0", "euro", 2, Amount(500), ("org0", "org1")), nonce=1))
    node.append(transaction(AssetIssue("org1", "euro", "org2", Amount(400)), AssetDefine("org1", "x", 0), sender=1))
    node.append(
        transaction(AssetDefine("org0", "gold", 0), AssetIssue("org0", "gold", "org0", Amount(AMOUNT_MAX)), nonce=3)
    )
    node.append(transaction(AssetIssue("org1", "euro", "org2", Amount(400)), sender=1, nonce=4))
    euro = await api.ok("/v1/assets/euro")
    assert euro == {
        "name": "euro",
        "owner": "org0",
        "decimals": 2,
        "cap": "500",
        "issuers": ["org0", "org1"],
        "supply": "400",
        "height": 4,
    }
    assert (await api.ok("/v1/assets/euro", height=1))["supply"] == "0"
    gold = await api.ok("/v1/assets/gold")
    assert (gold["cap"], gold["supply"], gold["issuers"]) == (None, str(AMOUNT_MAX), ["org0"])
    assert [item["name"] for item in (await api.ok("/v1/assets"))["items"]] == ["euro", "gold"]
    assert [item["name"] for item in (await api.ok("/v1/assets", height=1))["items"]] == ["euro"]
    await api.refused("asset_unknown", 404, "/v1/assets/gold?height=2")
    for path in ("/v1/assets/nothing", "/v1/assets/nothing/holders", "/v1/accounts/org0/balances/nothing"):
        await api.refused("asset_unknown", 404, path)


async def test_who_holds_what_now_and_at_a_height(api: Api, node: FakeNode) -> None:
    node.append(transaction(AssetDefine("org0", "euro", 2), AssetDefine("org0", "gold", 0), nonce=1))
    node.append(
        transaction(
            AssetIssue("org0", "euro", "org1", Amount(400)),
            AssetIssue("org0", "gold", "org1", Amount(1)),
            AssetFreezeHolder("org0", "euro", "org3"),
            nonce=2,
        )
    )
    node.append(transaction(AssetTransfer("org1", "euro", "org2", Amount(400)), sender=1, nonce=3))

    async def listed(path: str, **query: Any) -> list[tuple[str, str, str, bool]]:
        items = (await api.ok(path, **query))["items"]
        return [(item["account"], item["asset"], item["amount"], item["frozen"]) for item in items]

    frozen = ("org3", "euro", "0", True)
    assert await listed("/v1/assets/euro/holders") == [("org2", "euro", "400", False), frozen]
    assert await listed("/v1/assets/euro/holders", height=2) == [("org1", "euro", "400", False), frozen]
    assert await listed("/v1/assets/euro/holders", height=1) == []
    assert await listed("/v1/assets/euro/holders", order="desc", limit=1) == [frozen]
    assert await listed("/v1/accounts/org1/balances") == [("org1", "gold", "1", False)], "what is gone is not listed"
    assert await listed("/v1/accounts/org1/balances", height=2) == [
        ("org1", "euro", "400", False),
        ("org1", "gold", "1", False),
    ]
    assert await listed("/v1/accounts/org0/balances") == []
    assert await api.ok("/v1/accounts/org2/balances/euro") == {
        "account": "org2",
        "asset": "euro",
        "amount": "400",
        "decimals": 2,
        "frozen": False,
        "height": 3,
    }
    nothing = await api.ok("/v1/accounts/org1/balances/euro")
    assert (nothing["amount"], nothing["frozen"], nothing["height"]) == ("0", False, 3)
    assert (await api.ok("/v1/accounts/org1/balances/euro", height=2))["amount"] == "400"
    await api.refused("asset_unknown", 404, "/v1/accounts/org1/balances/euro?height=0")
    for path in ("/v1/accounts/nobody/balances", "/v1/accounts/nobody/balances/euro"):
        await api.refused("account_unknown", 404, path)


async def test_a_streams_owner_changes_it(api: Api, node: FakeNode) -> None:
    node.append(transaction(create_stream(), append("1"), nonce=1))
    node.append(transaction(StreamWriters("org0", "invoices", ("org1", "org2")), nonce=2))
    node.append(transaction(StreamFreeze("org0", "invoices"), nonce=3))
    stream = await api.ok("/v1/streams/invoices")
    assert (stream["writers"], stream["count"], stream["frozen"]) == (["org1", "org2"], 1, True)
    assert (await api.ok("/v1/streams/invoices", height=2))["frozen"] is False
    found = (await api.ok("/v1/transactions", stream="invoices"))["items"]
    assert [item["operations"] for item in found[:2]] == [["stream.freeze"], ["stream.writers"]]


@pytest.mark.parametrize("content", [None, False, 0, "", [], {}, {"<script>": "\u0000\u2028&"}, [[None]]])
async def test_any_content_comes_back_as_it_was_recorded(api: Api, node: FakeNode, content: Any) -> None:
    operation = RecordAppend(by="org0", stream="invoices", content=Content(content), key="ключ \x00/?&")
    node.append(transaction(create_stream(), operation))
    reply = await api.get("/v1/streams/invoices/records", params={"key": "ключ \x00/?&"})
    (record,) = orjson.loads(reply.body)["items"]
    assert record["content"] == content
    assert record["key"] == "ключ \x00/?&"


async def test_the_validator_set_states_its_tolerance(api: Api, node: FakeNode) -> None:
    node.grow(1, 0)
    answer = await api.ok("/v1/validators")
    assert (answer["height"], answer["n"], answer["q"]) == (2, 4, 3)
    assert answer["tolerance"] == {"stopped": 1, "double_signing": 1}
    assert "4 validators, quorum 3" in answer["sentence"]
    assert [item["name"] for item in answer["validators"]] == ["v0", "v1", "v2", "v3"]
    assert [item["last_signed_height"] for item in answer["validators"]] == [2, 2, 2, None]
    header = (await api.ok("/v1/blocks/2"))["header"]
    assert answer["hash"] == header["next_validators_hash"]
    assert (await api.ok("/v1/validators", height=0))["height"] == 0


async def test_genesis_is_served_in_its_exact_bytes(api: Api) -> None:
    assert (await api.get("/v1/genesis")).body == genesis().document


async def test_damage_on_disk_is_this_nodes_problem(node: FakeNode, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    node.grow(1)
    node.queries = Queries(chains.new_chain(MemoryStore()))
    node.queries.chain._tip = node.chain.tip  # type: ignore[attr-defined] # a tip whose rows are not there
    with pytest.raises(AssertionError, match="internal_error"):  # the contract checker wants no 500 anywhere else
        await api.get("/v1/blocks/1")
    assert "http_request_failed" in caplog.text
