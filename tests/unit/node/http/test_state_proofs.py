"""Proofs of state over HTTP: every query about state can be proved, what is not there too, and old heights say so."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.encoding import Json, decode_object, encode
from ledger.errors import VerificationError
from ledger.rows.accounts import account_key
from ledger.rows.assets import asset_key, balance_key
from ledger.rows.evidence import evidence_key
from ledger.rows.governance import candidate_key, proposal_key
from ledger.rows.settings import PARAMETERS_KEY, VALIDATORS_KEY
from ledger.rows.streams import latest_key, stream_key
from ledger.rows.validator_keys import validator_key_key
from ledger.state_proof import VerifiedState, verify_state_proof
from ledger.trail import Anchor, anchor_of
from node.http.parameters import PROOF
from node.http.routes import ROUTES
from node.storage.memory import MemoryStore
from node.storage.queries import Queries
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.everything import NEEDED, fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage import chains
from tests.unit.node.storage.chains import change_set

STRANGER_KEY = founder(5).card.validator.consensus_key

PRESENT: dict[str, bytes] = {
    "/v1/accounts/org0": account_key("org0"),
    "/v1/accounts/org0/balances/euro": balance_key("org0", "euro"),
    "/v1/streams/invoices": stream_key("invoices"),
    "/v1/streams/invoices/latest?key=k": latest_key("invoices", "k"),
    "/v1/assets/euro": asset_key("euro"),
    "/v1/validators": VALIDATORS_KEY,
    "/v1/validators/v0": VALIDATORS_KEY,
    "/v1/validators/v0/evidence/1": evidence_key("v0", 1),
    f"/v1/validator-keys/{founder(0).card.validator.node_key.hex()}": validator_key_key(
        founder(0).card.validator.node_key
    ),
    "/v1/parameters": PARAMETERS_KEY,
    "/v1/candidates/v0": candidate_key("v0"),
    "/v1/proposals/1": proposal_key(1),
    "/v1/state?key=leaders": b"leaders",
}
ABSENT: dict[str, tuple[bytes, str]] = {
    "/v1/accounts/nobody": (account_key("nobody"), "account_unknown"),
    "/v1/accounts/nobody/balances/euro": (account_key("nobody"), "account_unknown"),
    "/v1/accounts/org0/balances/gold": (asset_key("gold"), "asset_unknown"),
    "/v1/streams/nothing": (stream_key("nothing"), "stream_unknown"),
    "/v1/streams/nothing/latest?key=k": (stream_key("nothing"), "stream_unknown"),
    "/v1/streams/invoices/latest?key=other": (latest_key("invoices", "other"), "record_unknown"),
    "/v1/assets/gold": (asset_key("gold"), "asset_unknown"),
    "/v1/validators/v0/evidence/2": (evidence_key("v0", 2), "evidence_unknown"),
    f"/v1/validator-keys/{STRANGER_KEY.hex()}": (validator_key_key(STRANGER_KEY), "validator_key_unknown"),
    "/v1/candidates/v4": (candidate_key("v4"), "candidate_unknown"),
    "/v1/proposals/99": (proposal_key(99), "proposal_unknown"),
}
NOT_IN_THE_SET = "/v1/validators/v9"


def asked(path: str, **query: object) -> str:
    """The path with more parameters."""
    more = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{path}{'&' if '?' in path else '?'}{more}"


def verified(proof: Json) -> VerifiedState:
    """What a proof that stands in an answer proves to a holder of genesis."""
    return verify_state_proof(encode(proof), anchor_of(chains.genesis()))


@pytest.mark.parametrize("path", PRESENT)
async def test_what_is_there_is_proved(api: Api, node: FakeNode, path: str) -> None:
    fill(node)
    newest = node.chain.tip.header.height
    plain, proved = await api.ok(path), await api.ok(asked(path, proof=1))
    proof = proved.pop("proof")
    assert proved == plain == await api.ok(asked(path, proof=0))
    shown = verified(proof)
    assert (shown.key, shown.value, shown.header.height) == (
        PRESENT[path],
        node.chain.state.get(PRESENT[path]),
        newest,
    )
    assert shown.value is not None
    node.grow(1)
    earlier = await api.ok(asked(path, proof=1, height=newest))
    assert earlier["proof"]["path"] == proof["path"], "and it stays provable when the chain has grown"
    assert verified((await api.ok(asked(path, proof=1)))["proof"]).header.height == newest + 1


@pytest.mark.parametrize("path", ABSENT)
async def test_what_is_not_there_is_proved_too(api: Api, node: FakeNode, path: str) -> None:
    fill(node)
    key, code = ABSENT[path]
    reply = await api.refused(code, 404, asked(path, proof=1))
    shown = verified(reply.json["proof"])
    assert (shown.key, shown.value, shown.header.height) == (key, None, node.chain.tip.header.height)
    assert "proof" not in (await api.refused(code, 404, path)).json


async def test_who_is_not_in_the_set_is_proved_by_the_whole_set(api: Api, node: FakeNode) -> None:
    fill(node)
    shown = verified((await api.refused("validator_unknown", 404, asked(NOT_IN_THE_SET, proof=1))).json["proof"])
    assert shown.key == VALIDATORS_KEY
    assert shown.value is not None
    names = [item["name"] for item in decode_object(shown.value, bytes_max=99_999)["validators"]]  # type: ignore[union-attr, call-overload, index]
    assert names == ["v0", "v1", "v2", "v3"]


async def test_an_account_that_holds_nothing_is_proved_to(api: Api, node: FakeNode) -> None:
    fill(node)
    answer = await api.ok("/v1/accounts/org3/balances/euro", proof=1)
    assert answer["amount"] == "0"
    assert (verified(answer["proof"]).key, verified(answer["proof"]).value) == (balance_key("org3", "euro"), None)


def test_every_route_that_proves_is_in_a_table_above() -> None:
    tried = {*PRESENT, *ABSENT}
    for route in ROUTES:
        if PROOF in route.parameters:
            prefix = route.path.partition("{")[0].rstrip("/")
            assert any(path.startswith(prefix) for path in tried), route.path


async def test_a_proof_stands_for_itself(api: Api, node: FakeNode) -> None:
    fill(node)
    for key, value in (("account/org0", node.chain.state.get(b"account/org0")), ("account/nobody", None), ("x", None)):
        reply = await api.get(f"/v1/proofs/state?key={key}")
        shown = verify_state_proof(reply.body, anchor_of(chains.genesis()))
        assert (shown.key.decode(), shown.value) == (key, value)
    assert (await api.ok("/v1/state", key="account/nobody"))["value"] is None
    for path in ("/v1/proofs/state", "/v1/state", "/v1/state/versions", "/v1/streams/invoices/latest"):
        assert "key: must be given" in (await api.refused("parameter_invalid", 400, path)).json["detail"]
    for key in ("", "a b", "ä", "k" * 161, "\n"):
        await api.refused("parameter_invalid", 400, "/v1/proofs/state", params={"key": key})


async def test_the_height_of_genesis_has_no_proof(api: Api, node: FakeNode) -> None:
    reply = await api.refused("proof_unavailable", 404, "/v1/accounts/org0?proof=1")
    assert reply.json["proof_heights"] is None
    assert "no block is certified yet" in reply.json["detail"]
    node.grow(1)
    reply = await api.refused("proof_unavailable", 404, "/v1/accounts/org0?proof=1&height=0")
    assert reply.json["proof_heights"] == {"from": 1, "to": 1}


async def test_old_heights_have_values_and_no_proofs_and_say_which_have(api: Api, node: FakeNode) -> None:
    node.chain = chains.new_chain(MemoryStore(), proof_heights=3)
    node.queries = Queries(node.chain)
    fill(node)
    newest = node.chain.tip.header.height
    for height in range(newest + 1):
        plain = await api.ok("/v1/streams/invoices/records" if height == 0 else f"/v1/accounts/org0?height={height}")
        path = f"/v1/proofs/state?key=account/org0&height={height}"
        if height > newest - 3:
            shown = verify_state_proof((await api.get(path)).body, anchor_of(chains.genesis()))
            assert shown.header.height == height == plain["height"]
            continue
        for refused in (path, f"/v1/accounts/org0?height={height}&proof=1", f"/v1/state?key=x&height={height}&proof=1"):
            reply = await api.refused("proof_unavailable", 404, refused)
            assert reply.json["proof_heights"] == {"from": newest - 2, "to": newest}
            assert f"heights {newest - 2} to {newest} can be proved" in reply.json["detail"]
    await api.refused("height_unknown", 404, f"/v1/proofs/state?key=x&height={newest + 1}")


async def test_who_trusts_a_later_block_is_not_told_of_what_came_before(api: Api, node: FakeNode) -> None:
    later = genesis_of(5).validators
    change_set(node.chain, later)
    node.grow(0)
    for path in ("/v1/proofs/state?key=account/org0", "/v1/accounts/org0?proof=1"):
        whole, short = await api.ok(path), await api.ok(asked(path, from_height=1))
        if "proof" in whole:
            whole, short = whole["proof"], short["proof"]
        assert (len(whole["trail"]), len(short["trail"])) == (1, 0)
        assert verified(whole).validators == later
        pinned = Anchor(node.chain.chain, 0, 1, later)
        for proof in (whole, short):
            assert verify_state_proof(encode(proof), pinned).value == node.chain.state.get(b"account/org0")
        with pytest.raises(VerificationError):
            verified(short)
        await api.refused("height_unknown", 404, asked(path, from_height=3))


@pytest.mark.parametrize("value", ["2", "true", "yes", "", "01"])
async def test_a_proof_is_asked_for_in_one_way(api: Api, value: str) -> None:
    await api.refused("parameter_invalid", 400, "/v1/accounts/org0", params={"proof": value})


async def test_every_version_of_a_row_is_listed(api: Api, node: FakeNode) -> None:
    fill(node)
    newest = node.chain.tip.header.height
    for key in ("stream/invoices", "proposal/00000000000000000002", "governance", "account/org3", "account/nobody"):
        expected: list[tuple[int, Any]] = []
        for height in range(newest + 1):
            value = (await api.ok("/v1/state", key=key, height=height))["value"]
            if value != (expected[-1][1] if expected else None):
                expected.append((height, value))
        listed = (await api.ok("/v1/state/versions", key=key, order="asc"))["items"]
        assert [(item["height"], item["value"]) for item in listed] == expected, key
        assert (await api.ok("/v1/state/versions", key=key))["items"] == listed[::-1]
        paged: list[Any] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = await api.ok("/v1/state/versions", key=key, limit=1, **cursor)
            paged += page["items"]
            node.grow(1)  # what is appended meanwhile moves nothing
            cursor = None if page["next_cursor"] is None else {"cursor": page["next_cursor"]}
        assert paged == listed[::-1]
        some = (await api.ok("/v1/state/versions", key=key, from_height=3, to_height=5))["items"]
        assert some == [item for item in listed[::-1] if 3 <= item["height"] <= 5]


async def test_the_needed_parameters_are_those_that_are_required() -> None:
    for route in ROUTES:
        required = {parameter.name for parameter in route.parameters if parameter.required}
        assert required <= set(NEEDED.get(route.path, {})), route.path
