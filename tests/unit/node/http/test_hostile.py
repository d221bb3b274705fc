"""Requests that no friend sends: each has a problem of its own, and none is a 500."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.operations.assets import AssetDefine
from node.http.parameters import PATH_PARAMETERS
from node.http.routes import ROUTES
from tests.unit.node.http.conftest import Api, check_problem
from tests.unit.node.http.everything import NEEDED, fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import transaction

NASTY = [
    "-1",
    "+1",
    "01",
    "1.0",
    "1e3",
    "0x10",
    str(2**53),
    str(2**63),
    str(2**64),
    "9" * 300,
    "٣",
    "²",
    "NaN",
    "\x00",
    "1\x00",
    " 1",
    "1\n",
    "../../etc/passwd",
    "..",
    "....//",
    "%2e%2e",
    "a/b",
    "A" * 64,
    "g" * 63 + "_",
    "0" * 63,
    "0" * 65,
    "'; DROP TABLE blocks;--",
    "<script>alert(1)</script>",
    "ﬀ",
    "\ud7ff\U0010ffff",
    "validator:v0",
    "org0 ",
    "ORG0",
]


KNOWN = {
    "id": "0" * 64,
    "block": "1",
    "account": "org0",
    "stream": "invoices",
    "asset": "euro",
    "number": "1",
    "validator": "v0",
    "digest": "0" * 64,
    "revision": "1",
    "accused_height": "1",
    "key": "0" * 64,
    "level": "0",
    "tile": "000.p/1",
}
"""A value that may stand in a path, of every parameter."""


def nasty_paths() -> list[str]:
    """Every path with one of its parameters left open, the others filled in."""
    return [
        route.path.format(**{**KNOWN, parameter.name: f"{{{parameter.name}}}"})
        for route in ROUTES
        for parameter in route.path_parameters
    ]


@pytest.mark.parametrize("template", nasty_paths())
async def test_no_path_parameter_breaks_anything(api: Api, node: FakeNode, template: str) -> None:
    node.grow(1)
    node.append(transaction(AssetDefine("org0", "euro", 2)))
    before, _, after = template.partition("{")
    after = after.partition("}")[2]
    for text in NASTY:
        if text == "..":
            continue  # the client makes it another path
        reply = await api.get(f"{before}{quote(text, safe='')}{after}")
        assert reply.status in (400, 404), (template, text, reply)
        assert reply.json["code"] in (
            "parameter_invalid",
            "path_unknown",
            "block_unknown",
            "account_unknown",
            "stream_unknown",
            "asset_unknown",
            "proposal_unknown",
            "candidate_unknown",
            "validator_unknown",
            "tile_unknown",
        ), (template, text)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.parameters], ids=lambda route: route.path)
async def test_no_query_parameter_breaks_anything(api: Api, node: FakeNode, route: Any) -> None:
    values, needed = fill(node), NEEDED.get(route.path, {})
    path = route.path.format(**values)
    for parameter in route.parameters:
        for text in NASTY:
            reply = await api.get(path, params={**needed, parameter.name: text})
            if parameter.name == "key":
                assert reply.status in (200, 400, 404)
            else:
                assert reply.json.get("code") in ("parameter_invalid", "cursor_invalid"), (parameter.name, text)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/../etc/passwd",
        "/v1/blocks/../../secret",
        "//v1/blocks",
        "/v1/blocks/",
        "/v1/blocks/1/",
        "/V1/blocks",
        "/v1/blocks/%00",
        "/v1/blocks/%ff%fe",
        "/v1/blocks/%c0%ae",
        "/v1/blocks/%",
        "/v1/blocks/%2",
        "/v1/blocks/1%2Fbody",
        "/v1/accounts/%2e%2e%2fadmin",
        "/v1/blocks?%00=1",
        "/v1/blocks?limit=%00",
        "/v1/blocks?limit",
        "/v1/blocks?=1",
        "/v1/blocks?limit=1;order=asc",
        "/v1/blocks?limit[]=1",
        "/v1/blocks?\xff",
        "/v1/blocks#fragment",
        "http://elsewhere/v1/blocks/latest",
        "*",
        "",
        "?",
        "/" + "a" * 5_000,
        "/" + "a/" * 3_000,
        "/v1/blocks?limit=" + "9" * 6_000,
        "/v1/blocks?" + "&".join(f"p{n}=1" for n in range(900)),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "HEAD", "DELETE", "CONNECT"])
async def test_no_request_line_breaks_anything(api: Api, method: str, target: str) -> None:
    status, head, body = await raw(api, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"), method)
    assert status < 500, (head, body)
    assert b"nosniff" in head or status == 400, head
    if status >= 400 and method != "HEAD":
        assert b"application/problem+json" in head


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400, b"request_malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, b"request_malformed"),
        (b"GET /v1/blocks HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400, b"request_malformed"),
        (b"GET /v1/blocks HTTP/1.1\r\nHost : x\r\n\r\n", 400, b"request_malformed"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431, b"headers_too_large"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431, b"headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(500)) + b"\r\n", 400, b"request_malformed"),
        (
            b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            400,
            b"request_malformed",
        ),
        (
            b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            b"request_malformed",
        ),
        (
            b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
            b"\r\n\r\nzz\r\n",
            400,
            b"request_malformed",
        ),
        (
            b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999999\r\n\r\n{}",
            413,
            b"body_too_large",
        ),
    ],
)
async def test_what_is_no_http_has_a_problem_and_ends_the_connection(
    api: Api, request_bytes: bytes, status: int, code: bytes
) -> None:
    answered, head, body = await raw(api, request_bytes, "GET")
    assert answered == status, (head, body)
    assert code in body
    assert b"Traceback" not in body


@pytest.mark.parametrize("nasty", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"%ff%fe", b"%ed%a0%80", b"%00"])
async def test_bytes_that_are_no_text_break_nothing(api: Api, node: FakeNode, nasty: bytes) -> None:
    node.grow(1)
    values = {name: nasty.decode("latin-1") for name in PATH_PARAMETERS}
    targets = [route.path.format(**values) for route in ROUTES if "{" in route.path]
    for route in ROUTES:
        path = route.path.format(**KNOWN)
        targets += [f"{path}?{parameter.name}={values['id']}" for parameter in route.parameters]
        targets.append(f"{path}?{values['id']}=1")
    for target in targets:
        status, head, body = await raw(api, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"), "GET")
        assert 200 <= status < 500, (target, head, body)
    for header in (b"Content-Type", b"Prefer: wait=", b"Content-Encoding", b"Accept", b"Expect"):
        head = b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\n" + header + b": " + nasty + b"\r\nContent-Length: 0\r\n"
        status, head, body = await raw(api, head + b"\r\n", "POST")
        assert 400 <= status < 500, (header, head, body)
    for header in (b"Last-Event-ID", b"If-None-Match", b"Accept", nasty):
        head = b"GET /v1/events?limit=1 HTTP/1.1\r\nHost: x\r\n" + header + b": " + nasty + b"\r\n\r\n"
        status, head, body = await raw(api, head, "GET")
        assert status == 400, (header, head, body)


async def raw(api: Api, request: bytes, method: str) -> tuple[int, bytes, bytes]:
    """Send bytes, and read one answer: status, head and body."""
    reader, writer = await asyncio.open_connection(*api.address)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            size = 0 if method == "HEAD" or not length else int(length[0].partition(b":")[2])
            return int(head.split()[1]), head, await reader.readexactly(size)
    finally:
        writer.close()


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/*", "text/event-stream", "nonsense"])
async def test_an_answer_that_is_not_acceptable_is_not_sent(api: Api, accept: str) -> None:
    check_problem(await api.get("/v1/blocks", headers={"Accept": accept}), "not_acceptable", 406)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*;q=0.1, text/html", "", "a,,b, */*;q=0.8"])
async def test_an_answer_that_is_acceptable_is_sent(api: Api, accept: str) -> None:
    assert (await api.get("/v1/blocks", headers={"Accept": accept})).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_named_in_allow(api: Api, method: str) -> None:
    reply = await api.request(method, "/v1/blocks")
    check_problem(reply, "method_not_allowed", 405)
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_options_say_what_a_path_can(api: Api) -> None:
    reply = await api.request("OPTIONS", "/v1/transactions")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert reply.headers["Accept-Post"] == "application/json, application/x-ndjson"
    assert "Access-Control-Allow-Origin" not in reply.headers
    check_problem(await api.request("OPTIONS", "/nothing"), "path_unknown", 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": 'W/"' * 500},
        {"If-None-Match": "\x80\xff"},
        {"Range": "bytes=0-1"},
        {"Last-Event-ID": "1"},
        {"Prefer": "wait=1"},
        {"Accept-Encoding": "gzip, br, zstd"},
        {"Cookie": "a=b; " * 500},
        {"Connection": "upgrade", "Upgrade": "websocket"},
        {"Content-Length": "0"},
        {"X-Forwarded-For": "1.2.3.4"},
        {"Host": "evil.example"},
    ],
)
async def test_headers_that_do_not_matter_change_nothing(api: Api, headers: dict[str, str]) -> None:
    assert (await api.get("/v1/blocks/0", headers=headers)).status == 200


async def test_an_expectation_that_is_not_known_is_refused(api: Api) -> None:
    status, _, _ = await raw(
        api, b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\nContent-Length: 0\r\n\r\n", "POST"
    )
    assert status == 417


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_mixture_of_parameters_breaks_anything(api: Api, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from([route for route in ROUTES if route.path != "/v1/events"]))
    text = st.one_of(
        st.sampled_from(NASTY), st.sampled_from(["0", "1", "org0", "invoices", "euro", "asc", "latest"]), st.text()
    )
    values = {name: quote(data.draw(text).encode("utf-8", "replace") or b"x", safe="") for name in PATH_PARAMETERS}
    query = {
        parameter.name: data.draw(text).encode("utf-8", "replace")
        for parameter in route.parameters
        if data.draw(st.booleans())
    }
    encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    path = route.path.format(**values)
    reply = await api.request(route.method, f"{path}?{encoded}"[:4_000])
    assert reply.status < 500
