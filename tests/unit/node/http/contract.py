"""Holds real answers against the OpenAPI document: every answer that any test of the API gets goes through here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, FormatChecker

from node.http.openapi import build_document
from node.http.routes import ROUTES

DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(build_document(ROUTES)))


_OF_ALL = {"server", "x-content-type-options", "content-security-policy", "referrer-policy"}
_OF_HTTP = {"date", "content-type", "content-length", "transfer-encoding", "connection"}


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise `AssertionError` unless the document says that this answer may come from `method` on `path`."""
    media_type = headers.get("Content-Type", "")
    assert {name.lower() for name in headers} >= _OF_ALL
    assert status != 500, body
    operation = _operation(method, path.partition("?")[0])
    if operation is None or status == 405:
        if status not in (204, 405, 404):
            raise AssertionError(f"{method} {path} is not in the document, but was answered with {status}")
        if status != 204:
            _check_problem(body, None)
        return
    declared = operation["responses"].get(str(status))
    if declared is None:
        assert status in (400, 413, 417, 431), f"{method} {path} answered {status}, which is not in the document"
        return
    _check_headers(declared.get("headers", {}), headers)
    if method == "HEAD" or status == 304:
        assert body == b""
        return
    stated = media_type.partition(";")[0]
    assert stated in declared["content"], f"{method} {path}: {stated} is not in the document"
    if stated == "application/problem+json":
        leads_elsewhere = any(part in path for part in ("..", "%2F", "%7B", "%7D"))  # no value of a path has braces
        _check_problem(body, [*declared["x-codes"], *(["path_unknown"] if leads_elsewhere else [])])
    else:
        _check_content(stated, declared["content"][stated]["schema"], body)


def operation_of(method: str, path: str) -> str | None:
    """The id of the operation that answers, or None."""
    operation = _operation(method, path.partition("?")[0])
    return None if operation is None else operation["operationId"]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", template.replace(".", r"\.").replace("{tile}", ".+"))
        if re.fullmatch(pattern, path):
            found: dict[str, Any] | None = operations.get({"HEAD": "get"}.get(method, method.lower()))
            if found is not None:
                return found
    return None


def _check_headers(declared: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Every header is declared, every one that is required is there, and each has the form that it is said to have."""
    given = {name.lower() for name in headers} - _OF_ALL - _OF_HTTP
    assert given <= {name.lower() for name in declared}, given
    for name, reference in declared.items():
        header = DOCUMENT["components"]["headers"][reference["$ref"].rpartition("/")[2]]
        value = headers.get(name)
        if value is None:
            assert not header.get("required"), f"{name} is missing"
            continue
        parsed = int(value) if header["schema"]["type"] == "integer" else value
        Draft202012Validator(header["schema"]).validate(parsed)


def _check_problem(body: bytes, codes: list[str] | None) -> None:
    problem = orjson.loads(body)
    _validator("Problem").validate(problem)
    assert codes is None or problem["code"] in codes, f"{problem['code']} is not declared: {codes}"
    pointer = problem["type"].removeprefix("/v1/openapi.json#/").split("/")
    entry = DOCUMENT
    for part in pointer:
        entry = entry[part]
    assert entry["title"] == problem["title"], "type must resolve within the document"


def _check_content(media_type: str, schema: dict[str, Any], body: bytes) -> None:
    if media_type == "application/json":
        _validator(schema["$ref"].rpartition("/")[2]).validate(orjson.loads(body))
    elif media_type == "application/x-ndjson":
        for line in body.splitlines():
            _validator(schema["x-each"]["$ref"].rpartition("/")[2]).validate(orjson.loads(line))
    elif media_type != "application/octet-stream":
        body.decode()


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def check_schema(name: str, value: Any) -> None:
    """Raise unless `value` is what the schema called `name` describes."""
    _validator(name).validate(value)
