"""GET /v1/light/update: the way from what a light client knows to a later block, however often the set changed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.light_client import BehindError, LightClient, Progress, parse_light_update
from ledger.limits import LIGHT_UPDATE_STEPS_MAX
from ledger.trail import anchor_of
from node.http import light
from tests.unit.ledger.founders import set_of
from tests.unit.node.http.conftest import Api, check_problem
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import change_set, genesis

CHANGES = 9


@pytest.fixture
def changing(node: FakeNode) -> FakeNode:
    """A node whose chain has CHANGES changes of the set, at every second height, and a transaction between them."""
    for change in range(CHANGES):
        node.grow(1)
        change_set(node.chain, set_of(0, 1, 2, 4 if change % 2 == 0 else 3))
    node.grow(2, 0)
    return node


async def ask(api: Api, client: LightClient, **params: int) -> Progress:
    """One update, followed."""
    asked = {"from_height": client.from_height, "log_size": client.log_size, **params}
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    reply = await api.get(f"/v1/light/update?{query}")
    assert reply.status == 200, reply
    assert reply.headers["Cache-Control"] == ("public, max-age=3600" if "to_height" in params else "no-store")
    return client.advance(parse_light_update(reply.body))


async def test_a_light_client_follows_the_newest_block(api: Api, changing: FakeNode) -> None:
    client = LightClient(anchor_of(genesis()))
    assert await ask(api, client) is Progress.ADVANCED
    assert await ask(api, client) is Progress.KNOWN
    changing.grow(1)
    assert await ask(api, client) is Progress.ADVANCED
    assert client.head is not None
    assert client.head.block_hash == changing.chain.tip.block_hash


@pytest.mark.parametrize(("limit", "value"), [("LIGHT_UPDATE_STEPS_MAX", 2), ("LIGHT_UPDATE_TRAIL_BYTES_MAX", 4_000)])
async def test_many_changes_come_in_several_updates(
    api: Api, changing: FakeNode, limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(light, limit, value)
    client = LightClient(anchor_of(genesis()))
    tip, updates = changing.chain.tip, 0
    while client.height < tip.header.height:
        updates += 1
        assert await ask(api, client) is Progress.ADVANCED
    assert CHANGES // 3 <= updates <= CHANGES
    assert client.head is not None
    assert client.head.block_hash == tip.block_hash


async def test_any_height_can_be_asked_for(api: Api, changing: FakeNode) -> None:
    client = LightClient(anchor_of(genesis()))
    for height in (1, 2, 3, 10, 11, changing.chain.tip.header.height):
        assert await ask(api, client, to_height=height) is Progress.ADVANCED
        assert client.height == height
    with pytest.raises(BehindError):
        await ask(api, client, to_height=12)


async def test_the_path_of_a_log_that_is_longer_here_is_empty(api: Api, changing: FakeNode) -> None:
    """A node that lags, asked by who knows more, says what it has; nobody takes it for newer."""
    client = LightClient(anchor_of(genesis()))
    await ask(api, client)
    assert client.head is not None
    longer = replace(client.head.header, log_size=client.log_size + 50)
    client.head = replace(client.head, header=longer)
    reply = await api.ok("/v1/light/update", from_height=client.from_height, log_size=client.log_size)
    assert (reply["trail"], reply["consistency"]) == ([], [])


async def test_genesis_has_no_certificate_and_the_future_no_block(api: Api, node: FakeNode) -> None:
    await api.refused("certificate_unknown", 404, "/v1/light/update")
    node.grow(1)
    await api.refused("certificate_unknown", 404, "/v1/light/update?to_height=0")
    check_problem(await api.get("/v1/light/update?to_height=2"), "height_unknown", 404)
    await api.refused("parameter_invalid", 400, "/v1/light/update?log_size=-1")
    assert LIGHT_UPDATE_STEPS_MAX > 1
