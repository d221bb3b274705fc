"""The OpenAPI document: valid, complete in both directions, and true of real answers (see `contract`)."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from ledger.encoding import encode
from ledger.governance.changes import CHANGES
from ledger.operations.table import OPERATIONS
from ledger.refusals import Code
from node.http.problems import HttpCode
from node.http.routes import ROUTES
from tests.unit.node.http.conftest import Api
from tests.unit.node.http.contract import DOCUMENT, check_schema, operation_of
from tests.unit.node.http.everything import NEEDED, fill
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.test_hostile import KNOWN


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): op for path, methods in DOCUMENT["paths"].items() for method, op in methods.items()}


def test_the_document_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


async def test_what_is_served_and_what_is_documented_is_the_same(application: web.Application) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None
    }
    documented = set(operations())
    assert {each for each in served if each[0] != "head"} == documented
    assert {path for method, path in served if method == "head"} == {
        path for method, path in documented if method == "get"
    }


def test_names_of_operations_are_unique_and_every_problem_is_described() -> None:
    ids = [operation["operationId"] for operation in operations().values()]
    assert len(set(ids)) == len(ids)
    assert set(DOCUMENT["components"]["x-problems"]) == {code.value for code in [*Code, *HttpCode]}
    declared = {
        code
        for operation in operations().values()
        for response in operation["responses"].values()
        for code in response.get("x-codes", [])
    }
    outside_of_routes = {"path_unknown", "method_not_allowed", "request_malformed", "headers_too_large"}
    outside_of_routes |= {"connections_exhausted", "token_missing", "token_invalid"}  # see test_access
    assert {code.value for code in HttpCode} - declared == outside_of_routes


def test_every_operation_of_the_ledger_is_documented() -> None:
    for kind in OPERATIONS.values():
        schema = DOCUMENT["components"]["schemas"][kind.type]
        assert set(schema["properties"]) == {"type", "by", *(field.name for field in kind.fields)}
        assert all(value.get("description") for name, value in schema["properties"].items() if name != "type")
        check_schema("Operation", dict(kind.example))


async def test_the_document_is_served_and_can_be_revalidated(api: Api) -> None:
    reply = await api.get("/v1/openapi.json")
    assert reply.json == DOCUMENT
    assert reply.headers["Cache-Control"] == "no-cache"
    again = await api.get("/v1/openapi.json", headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status == 304


async def test_every_route_answers_as_documented(api: Api, node: FakeNode) -> None:
    """Each GET has a success, each success its declared schema; `Api` checks that on every request of every test."""
    values = fill(node)
    for route in ROUTES:
        path = route.path.format(**values)
        assert operation_of(route.method, path) is not None
        if route.method == "GET" and route.path != "/v1/events":
            needed = NEEDED.get(route.path, {})
            reply = await api.get(path, params=needed)
            assert reply.status == 200, route
            head = await api.request("HEAD", path, params=needed)
            assert (head.status, head.body) == (200, b"")
            moving = {"Date", "Content-Length"} if route.path == "/metrics" else {"Date"}
            assert {k: v for k, v in head.headers.items() if k not in moving} == {
                k: v for k, v in reply.headers.items() if k not in moving
            }


async def test_every_route_refuses_parameters_that_it_does_not_declare(api: Api) -> None:
    for route in ROUTES:
        path = route.path.format(**KNOWN)
        reply = await api.request(route.method, f"{path}?surprise=1")
        assert (reply.status, reply.json["code"]) == (400, "parameter_unknown"), route
        assert "'surprise'" in reply.json["detail"]
        for parameter in route.parameters:
            twice = await api.request(route.method, f"{path}?{parameter.name}=1&{parameter.name}=1")
            assert (twice.status, twice.json["code"]) == (400, "parameter_invalid"), route
            assert twice.json["detail"].startswith(f"{parameter.name}:")


def test_every_change_is_documented() -> None:
    for kind in CHANGES.values():
        check_schema("Change", dict(kind.example))


def test_the_examples_are_canonical() -> None:
    for kind in [*OPERATIONS.values(), *CHANGES.values()]:
        assert encode(dict(kind.example))
