"""A fake node behind a real server on loopback, and a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from node.http import HttpServer, create_application
from node.http.application import CONTEXT
from node.http.call import Context
from tests.unit.node.http.contract import check_answer
from tests.unit.node.http.fake_node import FakeNode


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Api:
    """Requests to one server; every answer is held against the OpenAPI document."""

    def __init__(self, session: aiohttp.ClientSession, address: tuple[str, int]) -> None:
        self.session = session
        self.address = address
        self.url = f"http://{address[0]}:{address[1]}"

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        async with self.session.request(method, self.url + path, allow_redirects=False, **options) as response:
            reply = Reply(response.status, response.headers, await response.read())
        check_answer(method, path, reply.status, reply.headers, reply.body)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "aiohttp" not in reply.headers["Server"]
        return reply

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def ok(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        reply = await self.get(path, params={name: str(value) for name, value in params.items()})
        assert reply.status == 200, reply
        return reply.json

    async def post(self, body: bytes, media_type: str = "application/json", **headers: str) -> Reply:
        """Submit `body`; header names are written with underscores."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request("POST", "/v1/transactions", data=body, headers={"Content-Type": media_type, **given})

    async def post_lines(self, *envelopes: bytes, **headers: str) -> Reply:
        return await self.post(b"\n".join(envelopes) + b"\n", "application/x-ndjson", **headers)

    async def refused(self, code: str, status: int, path: str, **options: Any) -> Reply:
        """The problem of a GET that must fail in this way."""
        reply = await self.get(path, **options)
        check_problem(reply, code, status)
        return reply


def check_problem(reply: Reply, code: str, status: int) -> None:
    """`reply` is this problem, whole and consistent."""
    assert reply.status == status, reply
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json["code"] == code, reply.json
    assert reply.json["status"] == status
    assert all(reply.json[name] for name in ("type", "title", "detail", "remedy"))


async def until(condition: Callable[[], object]) -> None:
    """Let the others go on until `condition` holds; the test's own time limit is the bound."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in the code under test, which has no event
        await asyncio.sleep(0)


@pytest.fixture
async def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
async def application(node: FakeNode) -> web.Application:
    return create_application(node)


@pytest.fixture
async def context(application: web.Application) -> Context:
    return application[CONTEXT]


@pytest.fixture
async def server(application: web.Application) -> AsyncIterator[HttpServer]:
    server = HttpServer(application)
    yield server
    await server.close()


@pytest.fixture
async def api(server: HttpServer) -> AsyncIterator[Api]:
    address = await server.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Api(session, address)
