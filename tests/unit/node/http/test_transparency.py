"""The transparency log over HTTP: tiles, bundles, raw proofs and policies, each checked from what was answered."""

from __future__ import annotations

import pytest

from ledger.block import encode_leaf, leaf_from_json
from ledger.log.checkpoint import log_origin
from ledger.log.policy import parse_policy, validators_policy, verify_checkpoint
from ledger.log.proof import verify_log_proof
from ledger.log.signed_note import parse_note
from ledger.log.tiles import TileName, parse_bundle, tile_width
from ledger.merkle import EMPTY_FRONTIER, EMPTY_ROOT, check_consistency, check_inclusion, leaf_hash
from ledger.primitives import Digest
from tests.unit.ledger.founders import set_of
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import change_set

IMMUTABLE = "public, max-age=31536000, immutable"


def digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))


def roots(node: FakeNode) -> dict[int, Digest]:
    """The root of every size, from the leaves alone."""
    frontier, found = EMPTY_FRONTIER, {0: EMPTY_ROOT}
    for height in range(1, node.chain.tip.header.height + 1):
        for leaf in node.chain.leaves(height):
            frontier = frontier.append([leaf_hash(encode_leaf(leaf))])
            found[frontier.size] = frontier.root()
    return found


async def test_tiles_and_bundles_lead_to_the_root(api: Api, node: FakeNode) -> None:
    node.grow(200, 1, 0, 100)
    size = node.chain.tip.header.log_size
    entries: list[bytes] = []
    for index in (0, 1):
        path = TileName(index, tile_width(0, index, size)).encode()
        tile, bundle = await api.get(f"/tile/0/{path}"), await api.get(f"/tile/entries/{path}")
        for reply in (tile, bundle):
            assert (reply.status, reply.headers["Content-Type"]) == (200, "application/octet-stream")
            assert reply.headers["Cache-Control"] == IMMUTABLE
            assert reply.headers["ETag"]
        part = parse_bundle(bundle.body)
        assert b"".join(map(leaf_hash, part)) == tile.body
        entries += part
    assert EMPTY_FRONTIER.append([leaf_hash(entry) for entry in entries]).root() == node.chain.tip.header.log_root
    above = (await api.get("/tile/1/000.p/1")).body
    assert above == EMPTY_FRONTIER.append([leaf_hash(entry) for entry in entries[:256]]).root()
    narrow = (await api.get("/tile/entries/001.p/3")).body
    assert parse_bundle(narrow) == tuple(entries[256:259])


@pytest.mark.parametrize(
    "path",
    [
        *("0/001", "0/001.p/46", "0/002.p/1", "1/000", "1/000.p/2", "2/000.p/1", "63/000.p/1", "entries/001.p/46"),
        "0/x999/x999/x999/x999/x999/999.p/1",
    ],
)
async def test_what_the_log_does_not_fill_is_not_served(api: Api, node: FakeNode, path: str) -> None:
    node.grow(200, 101)
    await api.refused("tile_unknown", 404, f"/tile/{path}")


@pytest.mark.parametrize("path", ["0/0", "00/000", "64/000", "-1/000", "0/000.p/256", "0/000.p/0", "entries/x000/000"])
async def test_a_tile_has_one_path(api: Api, node: FakeNode, path: str) -> None:
    node.grow(3)
    await api.refused("parameter_invalid", 400, f"/tile/{path}")


async def test_inclusion_of_every_transaction_at_every_size(api: Api, node: FakeNode) -> None:
    node.grow(3, 0, 1, 5)
    root = roots(node)
    for height in range(1, 5):
        for leaf in node.chain.leaves(height):
            found = await api.ok("/v1/proofs/inclusion", id=leaf.transaction_id.hex())
            assert leaf_from_json(found["leaf"]) == leaf
            for size in range(found["index"] + 1, 10):
                proof = await api.ok("/v1/proofs/inclusion", index=found["index"], size=size)
                path = [digest(item) for item in proof["path"]]
                hashed = leaf_hash(encode_leaf(leaf_from_json(proof["leaf"])))
                assert proof["leaf_hash"] == hashed.hex()
                assert check_inclusion(hashed, proof["index"], size, path, root[size])
                assert digest(proof["root"]) == root[size]
    assert proof == found


async def test_consistency_between_any_two_sizes(api: Api, node: FakeNode) -> None:
    node.grow(3, 0, 1, 5)
    root = roots(node)
    for old in range(10):
        for new in range(old, 10):
            proof = await api.ok("/v1/proofs/consistency", **{"from": old, "to": new})
            path = [digest(item) for item in proof["path"]]
            assert (digest(proof["from_root"]), digest(proof["to_root"])) == (root[old], root[new])
            assert check_consistency(old, new, root[old], root[new], path)
    assert (await api.ok("/v1/proofs/consistency", **{"from": 4}))["to"] == 9


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("inclusion", "parameter_invalid", 400),
        ("inclusion?index=1&id=" + "0" * 64, "parameter_invalid", 400),
        ("inclusion?id=" + "0" * 64, "transaction_not_committed", 404),
        ("inclusion?index=9", "log_size_unknown", 404),
        ("inclusion?index=1&size=10", "log_size_unknown", 404),
        ("inclusion?index=5&size=5", "parameter_invalid", 400),
        ("inclusion?index=0&size=0", "parameter_invalid", 400),
        ("consistency", "parameter_invalid", 400),
        ("consistency?from=10", "log_size_unknown", 404),
        ("consistency?from=1&to=10", "log_size_unknown", 404),
        ("consistency?from=2&to=1", "parameter_invalid", 400),
    ],
)
async def test_proofs_that_there_cannot_be(api: Api, node: FakeNode, query: str, code: str, status: int) -> None:
    node.grow(3, 1, 5)
    await api.refused(code, status, f"/v1/proofs/{query}")


async def test_proofs_between_given_sizes_never_change(api: Api, node: FakeNode) -> None:
    node.grow(5)
    fixed, open_ended = "/v1/proofs/consistency?from=1&to=5", "/v1/proofs/consistency?from=1"
    before = await api.get(fixed)
    assert before.headers["Cache-Control"] == IMMUTABLE
    assert (await api.get(open_ended)).headers["Cache-Control"] == "no-store"
    node.grow(300)
    assert (await api.get(fixed, headers={"If-None-Match": before.headers["ETag"]})).status == 304
    assert (await api.get("/v1/proofs/inclusion?index=1&size=4")).headers["Cache-Control"] == IMMUTABLE


async def test_the_policy_is_that_of_the_set_in_force_now_or_after_a_block(api: Api, node: FakeNode) -> None:
    node.grow(1)
    new = set_of(0, 1, 2)
    change_set(node.chain, new)
    origin = log_origin(node.chain.genesis)
    now = await api.get("/v1/log/policy")
    assert now.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert parse_policy(now.body) == validators_policy(origin, new)
    assert b"after block 2" in now.body
    before = await api.get("/v1/log/policy?height=1")
    assert parse_policy(before.body) == validators_policy(origin, node.chain.genesis.validators)
    assert before.headers["Cache-Control"] == IMMUTABLE
    assert (await api.get("/v1/log/policy?height=2")).body == now.body
    await api.refused("height_unknown", 404, "/v1/log/policy?height=3")


async def test_the_checkpoint_is_a_note_that_a_quorum_cosigned(api: Api, node: FakeNode) -> None:
    await api.refused("checkpoint_unknown", 404, "/checkpoint")
    node.grow(3)
    node.publish(1, 2, 3, by=2)
    node.grow(1)
    reply = await api.get("/checkpoint")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    height = reply.headers["Checkpoint-Height"]
    policy = parse_policy((await api.get(f"/v1/log/policy?height={height}")).body)
    verified = verify_checkpoint(parse_note(reply.body), policy)
    assert (verified.checkpoint.size, height) == (3, "1")
    assert [name for name, _ in verified.witnesses] == ["validator:v1", "validator:v2", "validator:v3"]


async def test_a_proof_file_proves_what_became_of_a_transaction(api: Api, node: FakeNode) -> None:
    node.grow(3, 2)
    node.publish()
    node.grow(1)
    policy = parse_policy((await api.get("/v1/log/policy")).body)
    for height in (1, 2):
        for leaf in node.chain.leaves(height):
            reply = await api.get(f"/v1/transactions/{leaf.transaction_id.hex()}/tlog-proof")
            assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert reply.headers["Content-Disposition"].endswith('.tlog-proof"')
            assert verify_log_proof(reply.body, policy=policy).leaf == leaf
    (newest,) = node.chain.leaves(3)
    path = f"/v1/transactions/{newest.transaction_id.hex()}/tlog-proof"
    reply = await api.refused("checkpoint_unknown", 404, path)
    assert "number 5 of the log, and the newest checkpoint covers 5" in reply.json["detail"]
    await api.refused("transaction_not_committed", 404, f"/v1/transactions/{'0' * 64}/tlog-proof")
    node.publish()
    assert verify_log_proof((await api.get(path)).body, policy=policy).index == 5
