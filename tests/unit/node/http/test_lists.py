"""Lists: each item exactly once, whatever is appended between two pages; cursors are checked strictly."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Amount
from ledger.operations.assets import AssetDefine, AssetFreezeHolder, AssetIssue
from ledger.transaction import Transaction
from node.http.cursor import decode_cursor, encode_cursor, question
from node.http.problems import ProblemError
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import SUSPEND, create, entry, ready
from tests.unit.node.storage.chains import append, create_stream, transaction

LISTS = {
    "/v1/blocks": lambda item: item["height"],
    "/v1/transactions": lambda item: item["id"],
    "/v1/accounts": lambda item: item["name"],
    "/v1/accounts/org0/history": lambda item: item["id"],
    "/v1/streams": lambda item: item["name"],
    "/v1/streams/invoices/records": lambda item: item["revision"],
    "/v1/assets": lambda item: item["name"],
    "/v1/assets/gold/holders": lambda item: item["account"],
    "/v1/accounts/org1/balances": lambda item: item["asset"],
    "/v1/proposals": lambda item: item["number"],
    "/v1/candidates": lambda item: item["name"],
}

NAMED = {
    "/v1/accounts",
    "/v1/streams",
    "/v1/assets",
    "/v1/assets/gold/holders",
    "/v1/accounts/org1/balances",
    "/v1/candidates",
}
"""Lists of names: they are in alphabetical order unless asked for in the other."""


def things() -> Transaction:
    """Three assets, held by org0 to org2, org3 frozen in one of them; three proposals, and three candidates."""
    defined = [AssetDefine("org0", name, 2) for name in ("gold", "euro", "tin")]
    issued = [AssetIssue("org0", name, f"org{n}", Amount(n + 1)) for name in ("gold", "euro", "tin") for n in range(3)]
    candidates = [ready(entry(f"v{number}", "org0")) for number in (6, 5, 7)]
    proposals = [create(SUSPEND, memo=str(number)) for number in range(3)]
    return transaction(*defined, *issued, AssetFreezeHolder("org0", "gold", "org3"), *candidates, *proposals, nonce=66)


async def pages(api: Api, node: FakeNode | None, path: str, **query: Any) -> list[Any]:
    """All items of a list, page by page; with `node`, a block is appended between two pages."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    nonce = 1_000_000
    while True:
        page = await api.ok(path, **query, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}
        if node is not None:
            nonce += 2
            node.append(
                transaction(append("new"), nonce=nonce), transaction(create_stream(f"new-n{nonce}"), nonce=nonce + 1)
            )


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_every_item_comes_once_while_blocks_are_appended(api: Api, node: FakeNode, path: str, limit: int) -> None:
    node.grow(4, 0, 3, 5)
    node.append(transaction(create_stream("alpha"), nonce=77), transaction(create_stream("zulu"), nonce=78), things())
    name = LISTS[path]
    before = [name(item) for item in await pages(api, None, path, limit=200, order="desc")]
    while_growing = [name(item) for item in await pages(api, node, path, limit=limit, order="desc")]
    assert len(set(while_growing)) == len(while_growing)
    assert [item for item in while_growing if item in set(before)] == before
    if "streams" not in path or "records" in path:
        assert while_growing == before, "what is newer than the first page is not in a list from the newest"


@pytest.mark.parametrize("path", LISTS)
async def test_ascending_is_the_reverse_of_descending(api: Api, node: FakeNode, path: str) -> None:
    node.grow(4, 0, 3)
    node.append(transaction(create_stream("alpha"), nonce=77), things())
    down = await pages(api, None, path, limit=2, order="desc")
    up = await pages(api, None, path, limit=3, order="asc")
    assert up == down[::-1]
    assert len(up) > 0
    default = (await api.ok(path))["items"]
    assert default == (up if path in NAMED else down)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1e2", "", "٣", " 5", "5 ", "007", "9" * 400])
@pytest.mark.parametrize("path", [*LISTS, "/v1/evidence", "/v1/evidence/unrecorded"])
async def test_a_limit_beyond_the_bounds_is_an_error(api: Api, node: FakeNode, path: str, limit: str) -> None:
    node.grow(1)
    reply = await api.refused("parameter_invalid", 400, path, params={"limit": limit})
    assert reply.json["detail"].startswith("limit:")


async def test_a_page_has_fifty_items_unless_asked_for_more(api: Api, node: FakeNode) -> None:
    node.grow(*[0] * 60)
    assert len((await api.ok("/v1/blocks"))["items"]) == 50
    assert len((await api.ok("/v1/blocks", limit=200))["items"]) == 61


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_belongs_to_its_list_and_parameters(api: Api, node: FakeNode, path: str) -> None:
    node.grow(3, 3)
    node.append(transaction(create_stream("alpha"), nonce=77), things())
    cursor = (await api.ok(path, limit=1))["next_cursor"]
    assert cursor is not None
    other_order = "desc" if path in NAMED else "asc"
    await api.refused("cursor_invalid", 400, path, params={"cursor": cursor, "order": other_order})
    other = next(each for each in LISTS if each != path)
    await api.refused("cursor_invalid", 400, other, params={"cursor": cursor})
    await api.ok(path, limit=2, cursor=cursor)  # the size of a page may change


@pytest.mark.parametrize("path", [*LISTS, "/v1/evidence", "/v1/evidence/unrecorded"])
@pytest.mark.parametrize("position", [b"", b"\x00", b"\xff" * 8, b"\xff" * 12, b"\xff" * 400, b"../../etc", b"\0" * 10])
async def test_a_forged_position_is_an_error_or_a_place(api: Api, node: FakeNode, path: str, position: bytes) -> None:
    node.grow(3)
    node.append(things())
    cursor = encode_cursor(question(path, {}), position) if len(position) < 375 else "A" * 600
    reply = await api.get(path, params={"cursor": cursor})
    assert reply.status in (200, 400), reply
    if reply.status == 400:
        assert reply.json["code"] in ("cursor_invalid", "parameter_invalid")


@pytest.mark.parametrize("cursor", ["", "=", "A", "AAAA", "not base64!", "ä", "A" * 513, "AQ==", "../..", "\0"])
async def test_what_is_no_cursor_is_an_error(api: Api, cursor: str) -> None:
    reply = await api.get("/v1/blocks", params={"cursor": cursor})
    assert reply.status == 400
    assert reply.json["code"] in ("cursor_invalid", "parameter_invalid")


@given(st.binary(max_size=100), st.text(max_size=20), st.text(max_size=20))
def test_a_cursor_reads_back_what_was_written(position: bytes, path: str, other: str) -> None:
    asked = question(path, {"limit": "3"})
    cursor = encode_cursor(asked, position)
    assert decode_cursor(cursor, asked) == position
    assert question(path, {"limit": "4", "cursor": cursor}) == asked
    if other != path:
        with pytest.raises(ProblemError):
            decode_cursor(cursor, question(other, {}))


@given(st.text(alphabet="ABCDwxyz0189-_", max_size=40))
def test_a_cursor_has_one_form(text: str) -> None:
    asked = question("/v1/blocks", {})
    try:
        position = decode_cursor(text, asked)
    except ProblemError:
        return
    assert encode_cursor(asked, position) == text


def test_stray_bits_are_noticed() -> None:
    asked = question("/v1/blocks", {})
    cursor = encode_cursor(asked, b"x")  # 10 bytes: the last character has unused bits
    data = base64.urlsafe_b64decode(cursor + "==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = cursor[:-1] + alphabet[alphabet.index(cursor[-1]) + 1]
    assert base64.urlsafe_b64decode(stray + "==") == data
    with pytest.raises(ProblemError, match="stray"):
        decode_cursor(stray, asked)
