"""The OpenAPI 3.1 document, built from the table of routes: what is not declared there does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ledger.encoding import Json
from ledger.limits import HTTP_WAIT_SECONDS_MAX
from ledger.refusals import Code
from node.http.call import EVENT_STREAM, JSON, NDJSON, PROBLEM_JSON, Answer, Caching, Call
from node.http.parameters import AnyParameter
from node.http.problems import HttpCode, row
from node.http.route import Route
from node.http.schema_forms import Schema, reference
from node.http.schemas import SCHEMAS
from node.http.version import VERSION

_DESCRIPTION = """\
A permissioned append-only ledger: blocks are appended only with a signed quorum, and everything can be proved offline.

Every GET can be a HEAD. Query parameters that a path does not have are errors. Lists have an opaque `cursor`; new
blocks never move what a cursor has passed. What is committed has a strong `ETag` and is immutable. Every answer about
the chain says in `Ledger-Height` how far this node is. Errors are RFC 9457 problem details: branch on `code`.
"""

_LEDGER_HEIGHT: Schema = {
    "Ledger-Height": {"description": "Height of the newest block of this node.", "schema": {"type": "integer"}}
}

_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N` (RFC 7240): hold the answer back until the outcome is known, at most N seconds, "
    f"{HTTP_WAIT_SECONDS_MAX} if N is more. Preference-Applied says that it was done.",
    "schema": {"type": "string", "examples": ["wait=10"]},
}
_LAST_EVENT_ID: Json = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id (height) of the last event that was received: the stream goes on after it.",
    "schema": {"type": "integer", "minimum": 0},
}

_CODES_OF_ALL: tuple[HttpCode, ...] = (HttpCode.PARAMETER_UNKNOWN, HttpCode.NOT_ACCEPTABLE, HttpCode.INTERNAL_ERROR)


def document(call: Call) -> Answer:
    """GET /v1/openapi.json."""
    return Answer(call.context.openapi, caching=Caching.REVALIDATE)


def build_document(routes: Iterable[Route]) -> dict[str, Json]:
    """The OpenAPI document of `routes`."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "quorum-ledger", "version": VERSION, "description": _DESCRIPTION},
        "paths": dict[str, Json](paths),
        "components": {"schemas": dict[str, Json](SCHEMAS), "x-problems": _problems()},
    }


def problem_codes(route: Route) -> tuple[Code | HttpCode, ...]:
    """Every code that the route may answer with: its own, and those that follow from what it declares."""
    codes: list[Code | HttpCode] = [*route.problems, *_CODES_OF_ALL]
    names = route.query_names
    if route.path_parameters or names or route.waits:
        codes.append(HttpCode.PARAMETER_INVALID)
    if "cursor" in names:
        codes.append(HttpCode.CURSOR_INVALID)
    if "height" in names:
        codes.append(HttpCode.HEIGHT_UNKNOWN)
    if "proof" in names:
        codes += [HttpCode.PROOF_UNAVAILABLE, HttpCode.TRAIL_TOO_LONG]
    return tuple(dict.fromkeys(codes))


def _operation(route: Route) -> dict[str, Json]:
    parameters: list[Json] = [_parameter(parameter, "path") for parameter in route.path_parameters]
    parameters += [_parameter(parameter, "query") for parameter in route.parameters]
    if route.waits:
        parameters.append(_PREFER)
    if route.media_type == EVENT_STREAM:
        parameters.append(_LAST_EVENT_ID)
    operation: dict[str, Json] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "parameters": parameters,
        "responses": _responses(route),
    }
    if route.accepts:
        content: dict[str, Json] = {media_type: _content(media_type, "Envelope") for media_type in route.accepts}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(parameter: AnyParameter, place: str) -> Json:
    return {
        "name": parameter.name,
        "in": place,
        "required": place == "path" or parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(route: Route) -> dict[str, Json]:
    responses: dict[str, Json] = {}
    for status in route.statuses:
        responses[str(status)] = {
            "description": route.summary if status == 200 else "Accepted; the outcome is not known yet.",
            "headers": _LEDGER_HEIGHT,
            "content": {route.media_type: _content(route.media_type, route.answers)},
        }
    if route.method == "GET":
        responses["304"] = {"description": "The client's copy, named in If-None-Match, is still right."}
    by_status: dict[int, list[Code | HttpCode]] = {}
    for code in problem_codes(route):
        by_status.setdefault(row(code).status, []).append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "\n".join(f"* `{code.value}`: {row(code).sentence}" for code in codes),
            "content": {PROBLEM_JSON: {"schema": reference("Problem")}},
            "x-codes": [code.value for code in codes],
        }
    return responses


def _content(media_type: str, schema: str) -> Json:
    """The schema of a body. JSON is described itself; of lines and events, what stands in each."""
    if media_type == JSON:
        return {"schema": reference(schema)}
    each = {NDJSON: "one on each line", EVENT_STREAM: "the data of each event, whose id is the height"}.get(media_type)
    if each is None:
        return {"schema": {"type": "string"}}
    return {"schema": {"type": "string", "description": each, "x-each": reference(schema)}}


def _problems() -> dict[str, Json]:
    """Both tables of problems, by code: what `type` of a problem points at."""
    codes: list[Code | HttpCode] = [*Code, *HttpCode]
    return {
        code.value: {"status": row(code).status, "title": row(code).sentence, "remedy": row(code).remedy}
        for code in codes
    }
