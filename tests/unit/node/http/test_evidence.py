"""Evidence over HTTP: what the ledger has, what only this node has, and files that verify against genesis alone."""

from __future__ import annotations

import pytest

from ledger.errors import VerificationError
from ledger.evidence import Evidence
from ledger.evidence_file import verify_evidence_file
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.trail import anchor_of
from ledger.transaction import Transaction
from tests.unit.ledger import accusing
from tests.unit.ledger.accusing import two_commits
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import genesis


def accuse(validator: int, height: int) -> Evidence:
    key = founder(validator).consensus_key
    return accusing.accuse(f"v{validator}", key, genesis().chain, two_commits(height))


def report(evidence: Evidence, by: int = 0) -> Transaction:
    valid_until_ms = genesis().time_ms + 3_600_000
    return accusing.report(
        evidence, f"v{by}", founder(by).node_key, chain=genesis().chain, valid_until_ms=valid_until_ms
    )


async def test_recorded_evidence_is_listed_newest_first_and_page_by_page(api: Api, node: FakeNode) -> None:
    assert (await api.ok("/v1/evidence"))["items"] == []
    node.grow(1)
    node.append(report(accuse(2, 1), by=1), report(accuse(3, 1)))
    node.grow(2)
    node.append(report(accuse(2, 2)))
    found, cursor = [], {}
    while True:
        page = await api.ok("/v1/evidence", limit=1, **cursor)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [(item["validator"], item["height"], item["recorded"]["height"]) for item in found] == [
        ("v2", 2, 4),
        ("v3", 1, 2),
        ("v2", 1, 2),
    ]
    assert found[2]["recorded"]["by"] == "validator:v1"
    assert found[2]["recorded"]["transaction_id"] == report(accuse(2, 1), by=1).id.hex()
    assert found[0]["digest"] == accuse(2, 2).digest.hex()
    assert found[0]["evidence"] == accuse(2, 2).to_json()
    assert (await api.ok("/v1/evidence", order="asc"))["items"] == found[::-1]


async def test_what_only_this_node_has_is_listed_until_it_is_recorded(api: Api, node: FakeNode) -> None:
    node.grow(1, 1, 1)
    node.found = tuple(accuse(validator, height) for height in (2, 4) for validator in (0, 2))
    places, cursor = [], {}
    while True:
        page = await api.ok("/v1/evidence/unrecorded", limit=1, **cursor)
        places += [(item["height"], item["validator"]) for item in page["items"]]
        assert all(item["recorded"] is None for item in page["items"])
        node.found = (*node.found, accuse(1, 4))
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert places == [(4, "v2"), (4, "v1"), (4, "v0"), (2, "v2"), (2, "v0")]
    up = await api.ok("/v1/evidence/unrecorded", order="asc", limit=2)
    assert [(item["height"], item["validator"]) for item in up["items"]] == [(2, "v0"), (2, "v2")]
    node.append(report(accuse(2, 4)))
    left = await api.ok("/v1/evidence/unrecorded")
    assert ("v2", 4) not in [(item["validator"], item["height"]) for item in left["items"]]


async def test_a_node_that_lost_blocks_keeps_to_itself_what_is_above_them(api: Api, node: FakeNode) -> None:
    node.found = (accuse(2, 1), accuse(2, 2))
    assert [item["height"] for item in (await api.ok("/v1/evidence/unrecorded"))["items"]] == [1]


@pytest.mark.parametrize("height", [1, 2, 4])
@pytest.mark.parametrize("recorded", [True, False])
async def test_the_file_of_evidence_verifies_against_genesis_alone(
    api: Api, node: FakeNode, height: int, recorded: bool
) -> None:
    node.grow(1, 0, 2)
    evidence = accuse(3, height)
    if recorded:
        node.append(report(evidence))
    else:
        node.found = (evidence,)
    reply = await api.get(f"/v1/evidence/{evidence.digest.hex()}")
    assert reply.status == 200
    assert reply.headers["Content-Disposition"].endswith(f'evidence-{evidence.digest.hex()[:16]}.json"')
    verified = verify_evidence_file(reply.body, anchor_of(genesis()))
    assert verified.evidence == evidence
    with pytest.raises(VerificationError):
        verify_evidence_file(reply.body, anchor_of(genesis_of(3)))
    items = (await api.ok("/v1/evidence" if recorded else "/v1/evidence/unrecorded"))["items"]
    assert [item["file"] for item in items] == [f"/v1/evidence/{evidence.digest.hex()}"]


async def test_the_file_of_evidence_for_the_holder_of_a_checkpoint(api: Api, node: FakeNode) -> None:
    node.grow(1, 0, 2)
    evidence = accuse(3, 4)
    node.found = (evidence,)
    path = f"/v1/evidence/{evidence.digest.hex()}"
    for height in (1, 2, 3):
        header, validators = node.chain.header(height), node.chain.validators_of(height + 1)
        anchor = anchor_of_checkpoint(build_pinned_checkpoint(network="test", header=header, validators=validators))
        for from_height in (0, height):
            reply = await api.get(path, params={"from_height": str(from_height)})
            assert verify_evidence_file(reply.body, anchor).evidence == evidence
    node.grow(1)
    await api.refused("parameter_invalid", 400, path, params={"from_height": "4"})
    await api.refused("height_unknown", 404, path, params={"from_height": "5"})


async def test_what_nobody_has_is_not_found(api: Api, node: FakeNode) -> None:
    node.append(report(accuse(3, 1)))
    await api.refused("evidence_unknown", 404, f"/v1/evidence/{accuse(2, 1).digest.hex()}")
    await api.refused("parameter_invalid", 400, "/v1/evidence/latest")
    await api.refused("parameter_unknown", 400, "/v1/evidence", params={"validator": "v3"})


async def test_a_report_is_a_transaction_like_others(api: Api, node: FakeNode) -> None:
    made = report(accuse(3, 1))
    node.append(made)
    status = await api.ok(f"/v1/transactions/{made.id.hex()}")
    assert (status["state"], status["result"]) == ("committed", "applied")
    found = await api.ok("/v1/transactions", type="evidence.record")
    assert [item["sender"] for item in found["items"]] == ["validator:v0"]


async def test_the_doctor_names_who_was_caught_here_or_on_the_ledger(api: Api, node: FakeNode) -> None:
    node.grow(1, 1)
    node.append(report(accuse(2, 1)), report(accuse(2, 2)))
    node.found = (accuse(2, 1), accuse(3, 2))
    findings = [item for item in (await api.ok("/v1/doctor"))["findings"] if item["code"] == "evidence_found"]
    assert [item["sentence"] for item in findings] == [
        "v2 signed two different things at 2 heights, first at 1; the proof is its own signatures",
        "v3 signed two different things at height 2; the proof is its own signatures",
    ]
