"""POST /v1/transactions: what each kind of submission is answered with."""

from __future__ import annotations

import asyncio

import pytest

from ledger.limits import (
    HTTP_BATCH_TRANSACTIONS_MAX,
    HTTP_BODIES_BYTES_MAX,
    HTTP_BODY_BYTES_MAX,
    HTTP_WAITERS_PER_ADDRESS_MAX,
)
from ledger.refusals import TABLE, Code, Kind, Refusal
from node.http import submitting
from node.http.call import Context
from node.http.problems import STATUS
from tests.unit.node.http.conftest import Api, check_problem, until
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import create_stream, transaction


async def test_a_transaction_is_accepted_with_its_location(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    reply = await api.post(sent.envelope)
    assert reply.status == 202
    assert reply.headers["Location"] == f"/v1/transactions/{sent.id.hex()}"
    assert (reply.json["id"], reply.json["state"]) == (sent.id.hex(), "pending")
    assert reply.json["head"]["height"] == 0
    assert node.submissions == [(sent.envelope,)]


async def test_the_same_bytes_act_once_and_always_have_the_same_answer(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    first, second = await api.post(sent.envelope), await api.post(sent.envelope)
    assert (first.status, first.json["state"]) == (second.status, second.json["state"]) == (202, "pending")
    node.append()
    third = await api.post(sent.envelope)
    assert (third.status, third.json["state"], third.json["result"]) == (200, "committed", "applied")
    assert third.headers["Cache-Control"] == "no-store"
    assert third.json["height"] == 1
    assert node.chain.tip.header.log_size == 1


async def test_a_line_end_after_the_envelope_is_not_part_of_it(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    assert (await api.post(sent.envelope + b"\r\n")).status == 202
    assert node.submissions == [(sent.envelope,)]


async def test_a_wait_ends_with_the_block(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    asked = asyncio.create_task(api.post(sent.envelope, Prefer="wait=20"))
    await until(lambda: node.waiting)
    node.append()
    reply = await asked
    assert (reply.status, reply.json["state"], reply.json["height"]) == (200, "committed", 1)
    assert reply.headers["Preference-Applied"] == "wait=20"


async def test_a_wait_that_runs_out_is_no_error(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    reply = await api.post(sent.envelope, Prefer="respond-async, wait=1;foo=bar")
    assert (reply.status, reply.json["state"]) == (202, "pending")
    assert reply.headers["Preference-Applied"] == "wait=1"
    assert node.waiting == 0


async def test_a_transaction_that_expires_during_the_wait_is_final(api: Api, node: FakeNode) -> None:
    sent = transaction(create_stream())
    asked = asyncio.create_task(api.post(sent.envelope, Prefer="wait=20"))
    await until(lambda: node.waiting)
    node.expire(sent.id)
    reply = await asked
    assert (reply.status, reply.json["state"]) == (200, "expired")


async def test_a_transaction_that_is_dropped_during_the_wait_says_so(api: Api, node: FakeNode) -> None:
    sent = [transaction(create_stream(name), nonce=nonce) for nonce, name in enumerate(("a", "b", "c"))]
    one = asyncio.create_task(api.post(sent[0].envelope, Prefer="wait=20"))
    many = asyncio.create_task(api.post_lines(*(item.envelope for item in sent), Prefer="wait=20"))
    await until(lambda: node.waiting == 2)
    node.drop(sent[0].id)
    node.append()
    reply = await one
    check_problem(reply, "transaction_dropped", 503)
    assert reply.headers["Retry-After"] == "1"
    batch = await many
    assert batch.status == 200
    assert [item["state"] for item in batch.json["results"]] == ["refused", "committed", "committed"]
    assert batch.json["results"][0]["code"] == "transaction_dropped"


async def test_a_client_that_goes_away_ends_its_wait(api: Api, node: FakeNode) -> None:
    asked = asyncio.create_task(api.post(transaction(create_stream()).envelope, Prefer="wait=20"))
    await until(lambda: node.waiting)
    asked.cancel()
    await until(lambda: not node.waiting)


async def test_waits_beyond_the_share_are_answered_at_once(api: Api, context: Context) -> None:
    assert context.waits.take("127.0.0.1", HTTP_WAITERS_PER_ADDRESS_MAX)
    reply = await api.post(transaction(create_stream()).envelope, Prefer="wait=20")
    assert reply.status == 202
    assert "Preference-Applied" not in reply.headers
    assert reply.headers["Retry-After"] == "1"


@pytest.mark.parametrize("value", ["wait=", "wait=ten", "wait=-1", "wait=1.5", "wait"])
async def test_a_wait_that_is_no_number_is_refused(api: Api, node: FakeNode, value: str) -> None:
    reply = await api.post(transaction(create_stream()).envelope, Prefer=value)
    check_problem(reply, "parameter_invalid", 400)
    assert "Prefer" in reply.json["detail"]
    assert not node.submissions


@pytest.mark.parametrize("code", [code for code in Code if TABLE[code].kind is not Kind.FAILED])
async def test_each_refusal_has_its_own_code_and_status(api: Api, node: FakeNode, code: Code) -> None:
    node.refuse_all = Refusal(code, "the thing at hand")
    reply = await api.post(b"{}")
    check_problem(reply, code.value, STATUS[code])
    assert reply.json["title"] == TABLE[code].sentence
    assert reply.json["detail"] == "the thing at hand"
    assert ("Retry-After" in reply.headers) == (TABLE[code].kind is Kind.BUSY)
    assert "Location" not in reply.headers


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"", "transaction_malformed", 400),
        (b"\n", "transaction_malformed", 400),
        (b"[]", "transaction_malformed", 400),
        (b'{"body":{},"signatures":[]}', "transaction_malformed", 400),
        (b"\xff\xfe\x00", "transaction_malformed", 400),
        (b"[" * 60_000, "transaction_malformed", 400),
        (b"x" * 70_000, "transaction_too_large", 413),
    ],
)
async def test_a_malformed_body_is_told_apart(api: Api, body: bytes, code: str, status: int) -> None:
    check_problem(await api.post(body), code, status)


async def test_a_batch_has_one_result_for_each_line_in_order(api: Api, node: FakeNode) -> None:
    old, new = transaction(create_stream("a"), nonce=1), transaction(create_stream("b"), nonce=2)
    node.append(old)
    reply = await api.post_lines(new.envelope, b"not json", old.envelope, b"x" * 70_000, new.envelope)
    assert reply.status == 202
    states = [item["state"] for item in reply.json["results"]]
    assert states == ["pending", "refused", "committed", "refused", "pending"]
    results = reply.json["results"]
    assert results[0] == {"id": new.id.hex(), "state": "pending"}
    assert (results[1]["code"], results[1]["status"]) == ("transaction_malformed", 400)
    assert results[2] == {"id": old.id.hex(), "state": "committed", "result": "applied", "height": 1, "index": 0}
    assert (results[3]["code"], results[3]["status"]) == ("transaction_too_large", 413)
    assert len(node.submissions) == 1, "a batch goes to the node as one"


async def test_a_batch_waits_for_all_of_it(api: Api, node: FakeNode) -> None:
    sent = [transaction(create_stream(f"s{index}"), nonce=index) for index in range(4)]
    expiring = transaction(create_stream("gone"), nonce=9)
    asked = asyncio.create_task(
        api.post_lines(b"?", expiring.envelope, *(item.envelope for item in sent), Prefer="wait=20")
    )
    await until(lambda: node.waiting)
    node.expire(expiring.id)
    node.append()
    reply = await asked
    assert reply.status == 200
    assert [item["state"] for item in reply.json["results"]] == ["refused", "expired", *["committed"] * 4]
    assert [item.get("index") for item in reply.json["results"]] == [None, None, 0, 1, 2, 3]
    assert reply.headers["Preference-Applied"] == "wait=20"


async def test_the_exact_bytes_of_a_batch_reach_the_node(api: Api, node: FakeNode) -> None:
    lines = [transaction(create_stream("a"), nonce=index).envelope for index in range(3)]
    await api.post(b"\r\n".join(lines), "application/x-ndjson; charset=utf-8")
    await api.post(b"\n\n" + b"\n".join(lines) + b"\n\n", "Application/X-NDJSON")
    assert node.submissions == [tuple(lines), tuple(lines)]


@pytest.mark.parametrize("body", [b"", b"\n\r\n\n"])
async def test_a_batch_of_nothing_is_refused(api: Api, body: bytes) -> None:
    check_problem(await api.post(body, "application/x-ndjson"), "transaction_malformed", 400)


async def test_a_batch_may_have_so_many_lines_and_no_more(api: Api, node: FakeNode) -> None:
    assert (await api.post(b"x\n" * HTTP_BATCH_TRANSACTIONS_MAX, "application/x-ndjson")).status == 200
    reply = await api.post(b"x\n" * (HTTP_BATCH_TRANSACTIONS_MAX + 1), "application/x-ndjson")
    check_problem(reply, "body_too_large", 413)
    assert len(node.submissions) == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_bound_is_refused(api: Api, node: FakeNode, chunked: bool) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(HTTP_BODY_BYTES_MAX // 65_536 + 1):
            yield b"x" * 65_536

    data = chunks() if chunked else b"x" * (HTTP_BODY_BYTES_MAX + 1)
    reply = await api.request(
        "POST",
        "/v1/transactions",
        data=data,
        headers={"Content-Type": "application/x-ndjson", "Expect": "100-continue"},
    )
    check_problem(reply, "body_too_large", 413)
    assert not node.submissions


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_other_media_types_are_refused(api: Api, node: FakeNode, headers: dict[str, str]) -> None:
    reply = await api.request("POST", "/v1/transactions", data=b"{}", headers=headers)
    check_problem(reply, "media_type_unsupported", 415)
    assert reply.headers.get("Accept-Post") or reply.headers.get("Accept-Encoding")
    assert not node.submissions


async def test_a_body_that_does_not_arrive_is_given_up(
    api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "HTTP_READ_SECONDS_MAX", 0.05)
    reader, writer = await asyncio.open_connection(*api.address)
    writer.write(
        b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()
    assert not node.submissions


async def test_submissions_being_read_share_a_bound_of_memory(api: Api, context: Context) -> None:
    assert context.body_bytes.take("10.0.0.1", HTTP_BODIES_BYTES_MAX // 2)
    assert context.body_bytes.take("10.0.0.2", HTTP_BODIES_BYTES_MAX // 2 - 1)
    reply = await api.post(b"{}")
    check_problem(reply, "bodies_exhausted", 503)
    assert reply.headers["Retry-After"] == "1"
    context.body_bytes.give_back("10.0.0.2", 1)
    check_problem(await api.post(b"{}"), "transaction_malformed", 400)
    assert context.body_bytes.total == HTTP_BODIES_BYTES_MAX - 2
