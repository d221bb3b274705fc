"""Blocks: whole, listed, certificates, bodies, and how they may be cached."""

from __future__ import annotations

import pytest

from ledger.block import block_hash, encode_header, header_from_json
from ledger.consensus.codec import decode_commit_record
from ledger.export import block_lines
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode


async def test_a_block_is_found_by_height_hash_and_as_the_latest(api: Api, node: FakeNode) -> None:
    node.grow(2, 3)
    by_height = await api.get("/v1/blocks/2")
    block = by_height.json
    assert (block["height"], block["round"], block["signers"]) == (2, 0, ["v0", "v1", "v2"])
    assert len(block["transactions"]) == block["header"]["transaction_count"] == 3
    assert block_hash(encode_header(header_from_json(block["header"]))).hex() == block["block_hash"]
    assert (await api.get(f"/v1/blocks/{block['block_hash']}")).json == block
    latest = await api.get("/v1/blocks/latest")
    assert latest.json == block
    assert latest.headers["Content-Location"] == "/v1/blocks/2"


async def test_genesis_is_block_zero_and_has_no_certificate(api: Api) -> None:
    block = await api.ok("/v1/blocks/0")
    assert (block["height"], block["signers"], block["transactions"]) == (0, [], [])
    assert (await api.get("/v1/blocks/0/body")).body == b""
    await api.refused("certificate_unknown", 404, "/v1/blocks/0/certificate")


@pytest.mark.parametrize("name", ["1", "9007199254740991", "f" * 64])
@pytest.mark.parametrize("part", ["", "/certificate", "/body"])
async def test_a_block_that_is_not_here_is_unknown(api: Api, name: str, part: str) -> None:
    await api.refused("block_unknown", 404, f"/v1/blocks/{name}{part}")


async def test_committed_blocks_are_immutable_and_latest_is_not(api: Api, node: FakeNode) -> None:
    node.grow(1)
    for path in ("/v1/blocks/1", "/v1/blocks/1/body", "/v1/genesis"):
        first = await api.get(path)
        assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        etag = first.headers["ETag"]
        assert etag.startswith('"'), "a strong validator"
        for known in (etag, f'"other", {etag}', "*", f"W/{etag}"):
            again = await api.get(path, headers={"If-None-Match": known})
            assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
            assert "immutable" in again.headers["Cache-Control"]
        assert (await api.get(path, headers={"If-None-Match": '"other"'})).status == 200
        assert (await api.get(path, headers={"If-None-Match": 'garbage,,"'})).status == 200
    for path in ("/v1/blocks/latest", "/v1/blocks/latest/body", "/v1/blocks/latest/certificate"):
        latest = await api.get(path)
        assert latest.headers["Cache-Control"] == "no-store"
        assert "ETag" not in latest.headers
    certificate = await api.get("/v1/blocks/1/certificate")
    assert "ETag" not in certificate.headers
    assert "immutable" not in certificate.headers["Cache-Control"]


async def test_different_blocks_have_different_validators(api: Api, node: FakeNode) -> None:
    node.grow(1, 1)
    etags = [
        (await api.get(f"/v1/blocks/{height}{part}")).headers["ETag"] for height in (1, 2) for part in ("", "/body")
    ]
    assert len(set(etags)) == 4


async def test_certificates_and_bodies_are_the_stored_bytes(api: Api, node: FakeNode) -> None:
    node.grow(2, 0, 5)
    for height in range(1, 4):
        certificate = (await api.get(f"/v1/blocks/{height}/certificate")).body
        assert certificate == node.chain.record(height)
        assert decode_commit_record(certificate).certificate.height == height
        body = (await api.get(f"/v1/blocks/{height}/body")).body
        assert tuple(body.splitlines()) == node.chain.envelopes(height)


async def test_a_list_of_blocks_has_no_transactions_in_it(api: Api, node: FakeNode) -> None:
    node.grow(2, 2)
    page = await api.ok("/v1/blocks")
    assert [item["height"] for item in page["items"]] == [2, 1, 0]
    assert page["head"]["height"] == 2
    assert page["next_cursor"] is None
    assert "transactions" not in page["items"][0]


async def test_many_blocks_are_exported_at_once_and_whole(
    api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.grow(2, 0, 70, 1)
    chain = node.queries.chain
    lines = [block_lines(chain.block_hash(at), chain.record(at), chain.block(at).transactions()) for at in range(1, 5)]
    assert (await api.get("/v1/export")).body == b"".join(lines)
    assert (await api.get("/v1/export?from_height=2&to_height=3")).body == b"".join(lines[1:3])
    assert (await api.get("/v1/export?from_height=0&to_height=9")).body == b"".join(lines)
    for query in ("from_height=5", "from_height=3&to_height=2", "to_height=0"):
        assert (await api.get(f"/v1/export?{query}")).body == b""
    for limit, one, two in (
        ("EXPORT_ANSWER_BYTES", len(lines[0]), len(lines[0]) + 1),
        ("EXPORT_ANSWER_RECORD_BYTES", len(chain.record(1)), len(chain.record(1)) + 1),
    ):
        with monkeypatch.context() as bounded:
            bounded.setattr(f"node.http.blocks.{limit}", one)
            assert (await api.get("/v1/export")).body == lines[0], limit
            bounded.setattr(f"node.http.blocks.{limit}", two)
            assert (await api.get("/v1/export")).body == b"".join(lines[:2]), limit
