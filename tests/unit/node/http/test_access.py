"""Read access by bearer token: who gets in, who does not, and that whoever does not learns nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import aiohttp
import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ledger.errors import MalformedError
from ledger.limits import HTTP_TOKEN_BYTES_MAX, HTTP_TOKEN_BYTES_MIN
from node.http import HttpServer, create_application
from node.http.access import OPEN, Access, Audience, parse_token
from node.http.openapi import build_document
from node.http.routes import ROUTES
from tests.unit.node.http.everything import NEEDED, fill
from tests.unit.node.http.fake_node import FakeNode

TOKEN, OTHER = "T" * 40, "o-._~+/9" * 5 + "=="
ACCESS = Access((parse_token(TOKEN), parse_token(f"sha256:{sha256(OTHER.encode()).hexdigest()}")))

EVERYBODY = {"/livez", "/readyz", "/v1/openapi.json", "/verifier.py"}
WRONG = [
    ("token_missing", None),
    ("token_missing", ""),
    ("token_missing", TOKEN),
    ("token_missing", f"Basic {TOKEN}"),
    ("token_missing", f"Bearer{TOKEN}"),
    ("token_missing", "Bearer"),
    ("token_missing", "Bearer "),
    ("token_invalid", "Bearer x"),
    ("token_invalid", f"Bearer {TOKEN[:-1]}"),
    ("token_invalid", f"Bearer {TOKEN}T"),
    ("token_invalid", f"Bearer {TOKEN.lower()}"),
    ("token_invalid", f"Bearer {TOKEN} {TOKEN}"),
    ("token_invalid", f"Bearer {TOKEN},Bearer {TOKEN}"),
    ("token_invalid", f"Bearer sha256:{sha256(TOKEN.encode()).hexdigest()}"),
    ("token_invalid", f"Bearer {sha256(TOKEN.encode()).hexdigest()}"),
    ("token_invalid", "Bearer \xff\xfe"),
]


class Door:
    """Requests to a node that has tokens."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(self, method: str, path: str, authorization: str | None, **options: Any) -> tuple[int, Any, Any]:
        headers = {} if authorization is None else {"Authorization": authorization}
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            return response.status, response.headers, await response.read()


@pytest.fixture
def access() -> Access:
    return ACCESS


@pytest.fixture
async def door(node: FakeNode, access: Access) -> AsyncIterator[Door]:
    server = HttpServer(create_application(node, access))
    host, port = await server.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Door(session, f"http://{host}:{port}")
    await server.close()


async def test_every_route_but_those_for_everybody_wants_a_token(door: Door, node: FakeNode) -> None:
    values = fill(node)
    for route in ROUTES:
        path, method = route.path.format(**values), route.method
        if route.path == "/v1/events":
            method = "HEAD"  # a stream does not end
        params = NEEDED.get(route.path, {})
        for code, authorization in (WRONG[0], WRONG[7]):
            status, headers, body = await door.ask(method, path, authorization, params=params)
            if route.path in EVERYBODY or route.path.startswith("/docs"):
                assert status == 200, path
                continue
            assert status == 401, path
            if method != "HEAD":
                assert orjson.loads(body)["code"] == code
            assert headers["WWW-Authenticate"].startswith("Bearer ")
            assert "Ledger-Height" not in headers
        for token in (TOKEN, OTHER):
            status, _, body = await door.ask(method, path, f"Bearer {token}", params=params)
            assert status not in (401, 403, 500), (path, body)


@pytest.mark.parametrize(("code", "authorization"), WRONG)
async def test_what_is_no_token_of_this_node_is_refused(door: Door, code: str, authorization: str | None) -> None:
    status, headers, body = await door.ask("GET", "/v1/status", authorization)
    problem = orjson.loads(body)
    assert (status, problem["code"]) == (401, code)
    assert headers["Content-Type"] == "application/problem+json"
    assert ('error="invalid_token"' in headers["WWW-Authenticate"]) == (code == "token_invalid")
    assert TOKEN.encode() not in body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_name_of_the_scheme_has_no_case(door: Door, scheme: str) -> None:
    assert (await door.ask("GET", "/v1/status", f"{scheme} {TOKEN}"))[0] == 200


async def test_a_stranger_cannot_tell_what_exists_nor_which_parameters_there_are(door: Door, node: FakeNode) -> None:
    fill(node)
    answers = [
        (await door.ask("GET", path, None))[2]
        for path in ("/v1/accounts/org0", "/v1/accounts/nobody", "/v1/accounts/ORG0", "/v1/accounts/org0?x=1")
    ]
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("access", "opened"),
    [
        (Access(ACCESS.tokens, open_metrics=True), {"/metrics"}),
        (
            Access(ACCESS.tokens, open_submission=True),
            {"/v1/transactions", "/v1/transactions/{id}", "/v1/transactions/{id}/receipt"},
        ),
    ],
    ids=["metrics", "submission"],
)
async def test_metrics_and_submission_are_opened_by_a_setting(
    door: Door, node: FakeNode, access: Access, opened: set[str]
) -> None:
    values = fill(node)
    for route in ROUTES:
        if route.path in ("/v1/events", *EVERYBODY) or route.path.startswith("/docs"):
            continue
        status, _, _ = await door.ask(
            route.method, route.path.format(**values), None, params=NEEDED.get(route.path, {})
        )
        is_open = route.path in opened and (route.path != "/v1/transactions" or route.method == "POST")
        assert (status == 401) != is_open, route.path
        assert access.needs_token(route.audience) != is_open


async def test_without_tokens_an_authorization_means_nothing(node: FakeNode) -> None:
    assert not any(OPEN.needs_token(audience) for audience in Audience)


def test_the_document_says_what_wants_a_token() -> None:
    document: dict[str, Any] = orjson.loads(orjson.dumps(build_document(ROUTES, ACCESS)))
    OpenAPIV31SpecValidator(document).validate()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            is_open = path in EVERYBODY or path.startswith("/docs")
            assert ("security" in operation) != is_open, path
            assert ("401" in operation["responses"]) != is_open
            if not is_open:
                assert operation["responses"]["401"]["x-codes"] == ["token_missing", "token_invalid"]
                assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
    assert "security" not in build_document(ROUTES)["paths"]["/v1/status"]["get"]  # type: ignore[operator, index, call-overload]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "x" * (HTTP_TOKEN_BYTES_MIN - 1),
        "x" * (HTTP_TOKEN_BYTES_MAX + 1),
        "ä" * 40,
        "a b" * 20,
        "=" * 40,
        "sha256:" + "0" * 63,
        "sha256:" + "G" * 64,
        "sha256:" + "A" * 64,
    ],
)
def test_what_cannot_be_a_token_is_said_to_be_none(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_token(text)
