"""Proposals, their votes and what they change; candidates; and set changes to come."""

from __future__ import annotations

from typing import Any

from ledger.governance.changes import QuorumSet, ValidatorAdd, ValidatorRemove
from ledger.validators import parse_quorum
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import EXPIRES_MS, REVOKE, SUSPEND, Proposing, entry


async def test_a_proposal_from_its_creation_to_its_height(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    proposed = people.propose(SUSPEND, delay=2, memo="it is closing")
    people.vote(proposed, 1, 0, 3)
    people.vote(proposed, 1, 2, approve=False)
    shown = await api.ok("/v1/proposals/1")
    assert (shown["state"], shown["proposer"], shown["memo"]) == ("open", "org0", "it is closing")
    assert shown["changes"] == [{"type": "account.suspend", "account": "org3"}]
    assert (shown["expires"], shown["expires_time"]) == (EXPIRES_MS, "2027-01-15T08:16:40.000Z")
    tally = shown["tally"]
    assert (tally["height"], tally["approvals"], tally["rejections"], tally["missing"]) == (4, 2, 1, 1)
    assert [(item["validator"], item["operator"], item["vote"]) for item in tally["votes"]] == [
        ("v0", "org0", "approve"),
        ("v1", "org1", None),
        ("v2", "org2", "reject"),
        ("v3", "org3", "approve"),
    ]
    assert tally["sentence"] == ("validators that approve: 2 of 4, that reject: 1; the quorum is 3, 1 more is needed")
    assert shown["impact"]["sentence"].startswith("Quorum and tolerance stay as they are. ")
    assert shown["obstacle"] is None

    people.vote(proposed, 1, 1)
    decided = await api.ok("/v1/proposals/1")
    assert (decided["state"], decided["decided_height"], decided["activation_height"]) == ("approved", 5, 7)
    assert decided["tally"]["sentence"] == "validators that approve: 3 of 4, that reject: 1; the quorum is 3"
    node.grow(0, 0)
    active = await api.ok("/v1/proposals/1")
    assert active["state"] == "active"
    assert active["tally"] == decided["tally"], (
        "the votes are weighed on the set that decided, whoever is suspended now"
    )
    assert (await api.ok("/v1/accounts/org3"))["suspended"] is True
    assert (await api.ok("/v1/proposals/1", height=4))["tally"] == tally
    await api.refused("proposal_unknown", 404, "/v1/proposals/2")
    await api.refused("proposal_unknown", 404, "/v1/proposals/1?height=0")


async def test_votes_of_the_suspended_have_no_weight(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    proposed = people.propose(QuorumSet(parse_quorum(4)))
    people.vote(proposed, 1, 3)
    people.decide(SUSPEND)
    tally = (await api.ok("/v1/proposals/1"))["tally"]
    assert tally["votes"][3] == {"validator": "v3", "operator": "org3", "vote": "approve", "counts": False}
    assert (tally["approvals"], tally["missing"]) == (0, 3)


async def test_an_open_proposal_says_what_stands_in_its_way(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    people.propose(ValidatorRemove("v3"))
    people.decide(ValidatorRemove("v3"))
    node.grow(0)
    shown = await api.ok("/v1/proposals/1")
    assert shown["state"] == "open"
    assert shown["obstacle"]["code"] == "validator_unknown"
    assert shown["impact"]["after"] is None
    assert shown["impact"]["sentence"] == "It is impossible: there is no validator v3."
    assert (await api.ok("/v1/proposals/2"))["obstacle"] is None, "what is in force has none"


async def test_one_whose_time_has_come_is_shown_as_expired(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    soon = node.chain.tip.header.time_ms + 3  # a block is 1 ms after the other
    people.propose(SUSPEND, expires_ms=soon)
    assert (await api.ok("/v1/proposals/1"))["state"] == "open"
    node.grow(0, 0)
    assert (await api.ok("/v1/proposals/1"))["state"] == "expired"
    assert (await api.ok("/v1/proposals/1", height=2))["state"] == "open"
    assert (await api.ok("/v1/proposals", state="open"))["items"] == []
    (listed,) = (await api.ok("/v1/proposals", state="expired"))["items"]
    assert (listed["number"], listed["decided_height"]) == (1, None)
    people.propose(SUSPEND)
    (listed,) = (await api.ok("/v1/proposals", state="expired"))["items"]
    assert listed["decided_height"] == 4


async def test_proposals_are_listed_by_state(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    rejected = people.propose(SUSPEND)
    people.vote(rejected, 1, 2, 3, approve=False)
    people.decide(QuorumSet(parse_quorum(4)), delay=50)
    people.propose(SUSPEND)
    people.propose(SUSPEND, memo="again")

    async def numbers(**query: Any) -> list[int]:
        return [item["number"] for item in (await api.ok("/v1/proposals", **query))["items"]]

    assert await numbers() == [4, 3, 2, 1]
    assert await numbers(order="asc", limit=3) == [1, 2, 3]
    assert await numbers(state="open") == [4, 3]
    assert await numbers(state="open", order="asc") == [3, 4]
    assert await numbers(state="open", height=1) == [1]
    assert await numbers(state="approved") == [2]
    assert await numbers(state="rejected") == [1]
    assert await numbers(state="active") == []
    first = await api.ok("/v1/proposals", state="open", limit=1)
    assert await numbers(state="open", limit=1, cursor=first["next_cursor"]) == [3]
    reply = await api.refused("parameter_invalid", 400, "/v1/proposals?state=closed")
    assert "must be one of: open, withdrawn" in reply.json["detail"]


async def test_candidates_until_they_have_joined(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    joiner = people.get_ready(entry())
    people.get_ready(entry("v1", "org1", 4), keys=4)
    assert [item["name"] for item in (await api.ok("/v1/candidates"))["items"]] == ["v1", "v5"]
    assert await api.ok("/v1/candidates/v5") == {
        "name": "v5",
        "entry": joiner.to_json(),
        "digest": joiner.digest.hex(),
        "ready_height": 0,
        "recorded_height": 1,
        "height": 2,
    }
    await api.refused("candidate_unknown", 404, "/v1/candidates/v1?height=1")
    await api.refused("candidate_unknown", 404, "/v1/candidates/v9")
    people.decide(ValidatorAdd("v5", joiner.digest))
    assert [item["name"] for item in (await api.ok("/v1/candidates"))["items"]] == ["v1"]
    assert [item["name"] for item in (await api.ok("/v1/candidates", height=2))["items"]] == ["v1", "v5"]


async def test_a_set_change_to_come_is_shown_with_the_set_and_the_status(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    for path in ("/v1/validators", "/v1/status"):
        assert (await api.ok(path))["pending_set_change"] is None
    joiner = people.get_ready(entry())
    people.decide(ValidatorAdd("v5", joiner.digest), delay=3)
    height = node.chain.tip.header.height
    for path in ("/v1/validators", "/v1/status"):
        pending = (await api.ok(path))["pending_set_change"]
        assert (pending["proposal"], pending["activation_height"]) == (1, height + 3)
        assert (pending["impact"]["before"]["n"], pending["impact"]["after"]["n"]) == (4, 5)
        assert (pending["impact"]["after"]["q"], pending["impact"]["renewed"]) == (4, ["v5"])
    assert (await api.ok("/v1/validators", height=height - 1))["pending_set_change"] is None
    node.grow(0, 0)
    assert (await api.ok("/v1/validators"))["pending_set_change"] is None
    assert [item["name"] for item in (await api.ok("/v1/validators"))["validators"]] == ["v0", "v1", "v2", "v3", "v5"]
    assert len((await api.ok("/v1/validators", height=height))["validators"]) == 4


async def test_roles_and_suspension_are_shown_of_every_height(api: Api, node: FakeNode) -> None:
    people = Proposing(node)
    people.decide(ValidatorRemove("v3"), REVOKE, SUSPEND)
    shown = await api.ok("/v1/accounts/org3")
    assert (shown["roles"], shown["suspended"]) == ([], True)
    before = await api.ok("/v1/accounts/org3", height=1)
    assert (before["roles"], before["suspended"]) == (["operator"], False)
