"""Histories of every kind of entity, and lists within heights and ledger times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.governance.changes import ValidatorRekey
from node.http.parameters import parse_time
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.everything import fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import SUSPEND, Proposing, entry
from tests.unit.node.storage import chains
from tests.unit.node.storage.chains import append, transaction

RANGED = [
    "/v1/transactions",
    "/v1/transactions?account=org0",
    "/v1/transactions?account=org0&stream=invoices",
    "/v1/accounts/org0/history",
    "/v1/streams/invoices/history",
    "/v1/streams/invoices/records",
    "/v1/streams/invoices/records?key=k",
    "/v1/assets/euro/history",
    "/v1/validators/v0/history",
    "/v1/proposals/2/history",
    "/v1/blocks",
    "/v1/state/versions?key=stream/invoices",
]


async def listed(api: Api, path: str, **query: object) -> list[tuple[int, str]]:
    """Height and type of the first operation of what is listed, oldest first."""
    items = (await api.ok(path, order="asc", limit=200, **query))["items"]
    return [(item["height"], item["operations"][0]) for item in items]


async def test_the_history_of_a_stream_and_of_an_asset(api: Api, node: FakeNode) -> None:
    fill(node)
    assert await listed(api, "/v1/streams/invoices/history") == [
        (1, "stream.create"),
        (1, "record.append"),
        (2, "record.append"),
    ]
    assert await listed(api, "/v1/streams/z/history") == [(3, "stream.create")]
    assert await listed(api, "/v1/assets/euro/history") == [(2, "record.append")]
    for code, path in (
        ("account_unknown", "/v1/accounts/nobody/history"),
        ("stream_unknown", "/v1/streams/nothing/history"),
        ("asset_unknown", "/v1/assets/gold/history"),
    ):
        await api.refused(code, 404, path)
        await api.refused(code, 404, f"{path}?from_height=1000000")  # of a list, not of a proof


async def test_the_history_of_a_proposal_has_its_creation_and_its_votes(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    first = people.propose(SUSPEND)
    people.vote(first, 1, 1)
    people.decide(SUSPEND)
    assert await listed(api, "/v1/proposals/1/history") == [(1, "proposal.create"), (2, "proposal.vote")]
    assert await listed(api, "/v1/transactions", proposal=2) == [
        (3, "proposal.create"),
        (4, "proposal.vote"),
        (5, "proposal.vote"),
        (6, "proposal.vote"),
    ]
    assert await listed(api, "/v1/transactions", proposal=2, account="org1") == [(5, "proposal.vote")]
    assert await listed(api, "/v1/transactions", proposal=99) == []
    await api.refused("proposal_unknown", 404, "/v1/proposals/99/history")


async def test_the_history_of_a_validator_has_all_that_is_about_it(api: Api, node: FakeNode) -> None:
    fill(node)
    people = Proposing(node)
    candidate = node.chain_state().candidate("v0")
    assert candidate is not None
    people.decide(ValidatorRekey("v0", candidate.entry.digest))
    newest = node.chain.tip.header.height
    assert await listed(api, "/v1/validators/v0/history") == [
        (4, "evidence.record"),  # it is accused
        (5, "validator.ready"),
        (newest - 3, "proposal.create"),
        (newest, "proposal.vote"),  # the one that decides it
    ]
    assert await listed(api, "/v1/validators/v1/history") == [(4, "evidence.record")], "it accused"
    assert await listed(api, "/v1/validators/v2/history") == []
    people.get_ready(entry("v7", operator="org2", keys=4), keys=4)
    assert await listed(api, "/v1/validators/v7/history") == [(newest + 1, "validator.ready")], "not in the set"
    await api.refused("validator_unknown", 404, "/v1/validators/v9/history")
    await api.refused("validator_unknown", 404, "/v1/validators/v9/evidence")
    (item,) = (await api.ok("/v1/validators/v0/evidence"))["items"]
    assert (item["accused_height"], item["recorded_height"]) == (1, 4)
    assert (await api.ok("/v1/validators/v0/evidence", height=3))["items"] == []
    assert item == await api.ok("/v1/validators/v0/evidence/1")


async def test_one_record_is_found_by_its_number_and_the_newest_by_its_key(api: Api, node: FakeNode) -> None:
    fill(node)
    records = (await api.ok("/v1/streams/invoices/records", order="asc"))["items"]
    for record in records:
        assert await api.ok(f"/v1/streams/invoices/records/{record['revision']}") == record
    await api.refused("record_unknown", 404, f"/v1/streams/invoices/records/{len(records) + 1}")
    await api.refused("stream_unknown", 404, "/v1/streams/nothing/records/1")
    keyed = [record for record in records if record["key"] == "k"]
    before, newest = keyed[-1], node.chain.tip.header.height
    latest = await api.ok("/v1/streams/invoices/latest", key="k")
    assert (latest["revision"], latest["record"], latest["height"]) == (before["revision"], before, newest)
    node.append(transaction(append("newer", key="k"), nonce=501))
    assert (await api.ok("/v1/streams/invoices/latest", key="k"))["record"]["content"] == {"n": "newer"}
    assert (await api.ok("/v1/streams/invoices/latest", key="k", height=newest))["record"] == before


@pytest.mark.parametrize("path", RANGED)
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_every_list_of_what_happened_is_cut_by_height_and_by_time(
    api: Api, node: FakeNode, path: str, order: str
) -> None:
    fill(node)
    newest = node.chain.tip.header.height
    times = [node.chain.header(height).time_ms for height in range(newest + 1)]
    path, _, query = path.partition("?")
    given = dict(pair.split("=") for pair in query.split("&")) if query else {}
    everything = (await api.ok(path, **given, order=order, limit=200))["items"]
    assert everything
    for lowest in (0, 2, 3, newest, newest + 1):
        for highest in (0, 1, 3, newest, newest + 5):
            wanted = [item for item in everything if lowest <= item["height"] <= highest]
            heights = {"from_height": lowest, "to_height": highest}
            assert (await api.ok(path, **given, order=order, limit=200, **heights))["items"] == wanted
            if lowest > newest:
                continue
            cut = {"from_time": times[lowest], "to_time": times[min(highest, newest)]}
            assert (await api.ok(path, **given, order=order, limit=200, **cut))["items"] == wanted
            named = {name: rfc3339(time_ms) for name, time_ms in cut.items()}
            assert (await api.ok(path, **given, order=order, limit=200, **named))["items"] == wanted
            both = {"from_time": times[lowest], "to_height": highest, "from_height": 0}
            assert (await api.ok(path, **given, order=order, limit=200, **both))["items"] == wanted
    before, after = times[0] - 1, times[-1] + 1
    for nothing in ({"to_time": before}, {"from_time": after}, {"from_time": after, "to_time": before}):
        assert (await api.ok(path, **given, order=order, **nothing))["items"] == []
    assert (await api.ok(path, **given, order=order, limit=200, from_time=before, to_time=after))["items"] == everything


@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/streams/invoices/records", "/v1/blocks"])
async def test_pages_within_a_range_follow_each_other_while_the_chain_grows(
    api: Api, node: FakeNode, path: str
) -> None:
    node.grow(3, 2, 4, 1)
    given: dict[str, Any] = {"from_height": 2, "to_height": 3, "limit": 1, "order": "asc"}
    expected = (await api.ok(path, **{**given, "limit": 200}))["items"]
    found, cursor = [], {}
    while True:
        page = await api.ok(path, **given, **cursor)
        found += page["items"]
        node.grow(1)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == expected
    await api.refused("cursor_invalid", 400, path, params={"from_height": 1, **cursor})


def rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("0", 0),
        ("1800000003000", 1_800_000_003_000),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.001z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2027-01-15T08:00:00.0019999Z", 1_800_000_000_001),
        ("2027-01-15T08:00:00-00:00", 1_800_000_000_000),
        ("1969-12-31T23:59:59Z", -1_000),
    ],
)
def test_times_are_read(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-15",
        "2027-01-15T08:00:00",
        "2027-01-15 08:00:00Z",
        "2027-13-15T08:00:00Z",
        "2027-02-30T08:00:00Z",
        "2027-01-15T24:00:01Z",
        "20270115T080000Z",
        "2027-W03-5T08:00:00Z",
        "2027-01-15T08:00:00+1",
        "-5",
        "1e3",
        "now",
        "",
        "²027-01-15T08:00:00Z",
    ],
)
async def test_what_is_no_time_is_refused(api: Api, text: str) -> None:
    for name in ("from_time", "to_time"):
        await api.refused("parameter_invalid", 400, "/v1/blocks", params={name: text})


def test_a_height_is_found_by_its_time(node: FakeNode) -> None:
    node.grow(*[0] * 20)
    for height in range(21):
        time_ms = node.chain.header(height).time_ms
        assert node.queries.height_from(time_ms) == height
        assert node.queries.height_from(time_ms + 1) == height + 1
    assert node.queries.height_from(0) == 0
    assert chains.genesis().time_ms == node.chain.header(0).time_ms
