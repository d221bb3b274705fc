"""Status, receipt and search of transactions."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from ledger.amounts import Amount
from ledger.operations.assets import AssetDefine, AssetFreezeHolder, AssetIssue, AssetTransfer
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.receipt import Pinned, verify_receipt
from ledger.trail import Anchor, anchor_of
from node.http import receipts
from tests.unit.node.http.conftest import Api, check_problem, until
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import append, create_stream, genesis, transaction

UNKNOWN = "0" * 64


async def test_the_life_of_a_transaction(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    path = f"/v1/transactions/{sent.id.hex()}"
    unknown = await api.refused("transaction_unknown", 404, path)
    assert (unknown.json["id"], unknown.json["state"]) == (sent.id.hex(), "unknown")
    assert unknown.json["head"]["height"] == 0

    await api.post(sent.envelope)
    pending = await api.get(path)
    assert (pending.json["state"], pending.json["head"]["height"]) == ("pending", 0)
    assert pending.headers["Cache-Control"] == "no-store"
    assert "ETag" not in pending.headers

    node.append()
    committed = await api.get(path)
    assert committed.json["state"] == "committed"
    assert committed.json["result"] == "applied"
    assert (committed.json["height"], committed.json["index"]) == (1, 0)
    assert committed.json["block_hash"] == node.chain.tip.block_hash.hex()
    assert committed.json["time"] == "2027-01-15T08:00:00.001Z"
    assert sent.envelope in committed.body, "the exact signed bytes are in the answer"
    assert committed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert committed.headers["Ledger-Height"] == "1"


async def test_a_failed_transaction_is_committed_with_its_code(api: Api, node: FakeNode) -> None:
    failed = transaction(append("nowhere", stream="nothing"))
    node.append(failed)
    answer = await api.ok(f"/v1/transactions/{failed.id.hex()}")
    assert (answer["state"], answer["result"]) == ("committed", "stream_unknown")


async def test_an_expired_transaction_says_so(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    await api.post(sent.envelope)
    node.expire(sent.id)
    answer = await api.get(f"/v1/transactions/{sent.id.hex()}")
    assert answer.json["state"] == "expired"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_status_can_be_waited_for(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    path = f"/v1/transactions/{sent.id.hex()}"
    check_problem(await api.get(path, headers={"Prefer": "wait=20"}), "transaction_unknown", 404)
    await api.post(sent.envelope)
    asked = asyncio.create_task(api.get(path, headers={"Prefer": "wait=20"}))
    await until(lambda: node.waiting)
    node.append()
    reply = await asked
    assert reply.json["state"] == "committed"
    assert reply.headers["Preference-Applied"] == "wait=20"


async def test_a_receipt_verifies_offline(api: Api, node: FakeNode) -> None:
    node.grow(3, 5, 0, 2)
    items = (await api.ok("/v1/transactions"))["items"]
    assert len(items) == 10
    for item in items:
        reply = await api.get(f"/v1/transactions/{item['id']}/receipt")
        verified = verify_receipt(reply.body, anchor_of(genesis()))
        assert verified.transaction.id.hex() == item["id"]
        assert verified.leaf.result == item["result"]
        assert verified.signers == ("v0", "v1", "v2")
    assert "ETag" not in reply.headers, "other nodes may serve other certificates"
    assert "immutable" not in reply.headers["Cache-Control"]
    assert "attachment" in reply.headers["Content-Disposition"]


async def test_a_receipt_for_the_holder_of_any_checkpoint(api: Api, node: FakeNode) -> None:
    """Above it by what leads there, at or below it by its log; every answer is held against the document."""
    node.grow(2, 1, 0, 3)
    items = (await api.ok("/v1/transactions"))["items"]
    for height in range(5):
        anchor = anchor_of(genesis()) if height == 0 else checkpoint_of(node, height)
        for item in items:
            reply = await api.get(f"/v1/transactions/{item['id']}/receipt", params={"from_height": str(height)})
            verified = verify_receipt(reply.body, anchor)
            assert (verified.transaction.id.hex(), verified.leaf.height) == (item["id"], item["height"])
            assert isinstance(verified.proof, Pinned) == (item["height"] <= height)


def checkpoint_of(node: FakeNode, height: int) -> Anchor:
    header, validators = node.chain.header(height), node.chain.validators_of(height + 1)
    return anchor_of_checkpoint(build_pinned_checkpoint(network="test", header=header, validators=validators))


async def test_no_receipt_starts_from_a_block_that_is_not_there_or_has_more_changes_than_a_file(
    api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.grow(1)
    path = f"/v1/transactions/{(await api.ok('/v1/transactions'))['items'][0]['id']}/receipt"
    await api.refused("height_unknown", 404, path, params={"from_height": "2"})
    await api.refused("parameter_invalid", 400, path, params={"from_height": "-1"})
    monkeypatch.setattr(receipts, "RECEIPT_BYTES_MAX", 100)
    refused = await api.refused("trail_too_long", 422, path)
    assert "from_height" in refused.json["remedy"]
    assert (await api.get(path, params={"from_height": "1"})).status == 200


async def test_there_is_no_receipt_before_the_block(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    await api.post(sent.envelope)
    for name in (UNKNOWN, sent.id.hex()):
        await api.refused("transaction_not_committed", 404, f"/v1/transactions/{name}/receipt")


async def test_search_finds_what_is_about_everything_that_is_given(api: Api, node: FakeNode) -> None:
    by_org1 = transaction(create_stream("b", by=1), nonce=2, sender=1)
    cosigned = transaction(append("x", stream="b"), nonce=3, sender=0, cosigner=1)
    node.append(transaction(create_stream("a"), nonce=1))
    node.append(by_org1, cosigned)
    node.append(transaction(append("y", stream="a"), nonce=4))

    async def found(**query: str | int) -> list[tuple[int, int]]:
        return [(item["height"], item["index"]) for item in (await api.ok("/v1/transactions", **query))["items"]]

    assert await found() == [(3, 0), (2, 1), (2, 0), (1, 0)]
    assert await found(order="asc") == [(1, 0), (2, 0), (2, 1), (3, 0)]
    assert await found(account="org1") == [(2, 1), (2, 0)]
    assert await found(stream="b", account="org1") == [(2, 0)], "the append failed, so it is not about the stream"
    assert await found(stream="a") == [(3, 0), (1, 0)]
    assert await found(type="stream.create") == [(2, 0), (1, 0)]
    assert await found(type="record.append", account="org0") == [(3, 0), (2, 1)]
    assert await found(asset="euro") == []
    assert await found(from_height=2, to_height=2) == [(2, 1), (2, 0)]
    assert await found(from_height=4) == []
    assert await found(account="nobody") == []
    item = (await api.ok("/v1/transactions", account="org1", limit=1))["items"][0]
    assert (item["sender"], item["operations"]) == ("org0", ["record.append"])


async def test_search_finds_what_is_about_an_asset(api: Api, node: FakeNode) -> None:
    define = AssetDefine("org0", "euro", 2)
    node.append(transaction(define, AssetDefine("org0", "gold", 0), nonce=1))
    node.append(
        transaction(AssetIssue("org0", "euro", "org1", Amount(5)), nonce=2),
        transaction(AssetIssue("org0", "gold", "org2", Amount(1)), nonce=3),
        transaction(AssetTransfer("org1", "euro", "org2", Amount(2)), nonce=4, sender=1),
        transaction(AssetTransfer("org1", "euro", "org2", Amount(9)), nonce=5, sender=1),
    )
    node.append(transaction(AssetFreezeHolder("org0", "euro", "org3"), nonce=6))

    async def found(**query: str) -> list[tuple[int, int]]:
        items = (await api.ok("/v1/transactions", order="asc", **query))["items"]
        return [(item["height"], item["index"]) for item in items]

    assert await found(asset="euro") == [(1, 0), (2, 0), (2, 2), (3, 0)], "what failed is not about it"
    assert await found(asset="gold") == [(1, 0), (2, 1)]
    assert await found(asset="euro", account="org2") == [(2, 2)], "who receives is concerned"
    assert await found(asset="euro", account="org3") == [(3, 0)]
    assert await found(asset="euro", type="asset.transfer") == [(2, 2)]
    history = (await api.ok("/v1/accounts/org2/history"))["items"]
    assert [(item["height"], item["index"]) for item in history] == [(2, 2), (2, 1)]


@pytest.mark.parametrize(
    "query", ["type=nothing", "stream=UPPER", "asset=a/b", "account=a..b", "from_height=-1", "order=up"]
)
async def test_a_filter_that_cannot_be_is_an_error(api: Api, query: str) -> None:
    reply = await api.refused("parameter_invalid", 400, f"/v1/transactions?{query}")
    assert reply.json["detail"].startswith(query.partition("=")[0] + ":")


async def test_an_envelope_is_served_as_it_was_signed(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    node.append(sent)
    answer = orjson.loads((await api.get(f"/v1/transactions/{sent.id.hex()}")).body)
    assert orjson.dumps(answer["transaction"], option=orjson.OPT_SORT_KEYS) == sent.envelope
