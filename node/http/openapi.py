"""The OpenAPI 3.1 document, built from the table of routes: what is not declared there does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ledger.encoding import Json
from ledger.limits import HTTP_WAIT_SECONDS_MAX
from ledger.refusals import Code
from node.http.access import OPEN, Access
from node.http.call import EVENT_STREAM, JSON, NDJSON, PROBLEM_JSON, Answer, Caching, Call
from node.http.parameters import PROOF, AnyParameter
from node.http.problems import HttpCode, retry_after_seconds, row
from node.http.route import Route
from node.http.schema_forms import Schema, reference
from node.http.schemas import SCHEMAS
from node.http.version import VERSION

_DESCRIPTION = """\
A permissioned append-only ledger: blocks are appended only with a signed quorum, and everything can be proved offline.

Every GET can be a HEAD. Query parameters that a path does not have are errors. Lists have an opaque `cursor`; new
blocks never move what a cursor has passed. What is committed has a strong `ETag` and is immutable. Every answer about
the chain says in `Ledger-Height` how far this node is. Errors are RFC 9457 problem details: branch on `code`. An answer
without a route is one, too: `path_unknown` (404), `method_not_allowed` (405, with `Allow`), `request_malformed` (400),
`headers_too_large` (431), `connections_exhausted` (503). OPTIONS answers 204 with `Allow`. Every answer has `Server`,
`X-Content-Type-Options`, `Content-Security-Policy` and `Referrer-Policy`.
"""

_SECURITY = "bearer"
_SECURITY_SCHEME: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that the node's operator gave out (RFC 6750). Nodes that have none are open to everybody.",
}

_TEXT: Json = {"type": "string"}
_HEADERS: Schema = {
    "Ledger-Height": {
        "description": "Height of the newest block of this node.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "Cache-Control": {
        "description": "What a cache may do with the answer (RFC 9111).",
        "required": True,
        "schema": {"type": "string", "enum": [caching.value for caching in Caching]},
    },
    "ETag": {
        "description": "The strong validator of an answer that is immutable, or changes with the software only.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    },
    "Location": {"description": "Where the status of the transaction is.", "schema": _TEXT},
    "Content-Location": {"description": "The path of the same thing by its height.", "schema": _TEXT},
    "Content-Disposition": {"description": "A name for the file.", "schema": _TEXT},
    "Checkpoint-Height": {
        "description": "Height of the block after which the log has the checkpoint's size: `height` of its policy.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "Preference-Applied": {
        "description": "`wait=N`: the answer was held back, at most so many seconds (RFC 7240).",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "`Bearer`, and `invalid_token` for a token that is not known (RFC 6750).",
        "required": True,
        "schema": _TEXT,
    },
    "Accept-Post": {"description": "The media types that a submission may have.", "schema": _TEXT},
    "Accept-Encoding": {"description": "The content codings that a submission may have.", "schema": _TEXT},
    "X-Accel-Buffering": {"description": "`no`: a proxy must pass events on at once.", "schema": _TEXT},
}
_ALWAYS = ("Ledger-Height", "Cache-Control")

_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N` (RFC 7240): hold the answer back until the outcome is known, at most N seconds, "
    f"{HTTP_WAIT_SECONDS_MAX} if N is more. Preference-Applied says that it was done.",
    "schema": {"type": "string", "examples": ["wait=10"]},
}
_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of the copy that the client has: 304 when it is still right.",
    "schema": {"type": "string"},
}
_LAST_EVENT_ID: Json = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id (height) of the last event that was received: the stream goes on after it.",
    "schema": {"type": "integer", "minimum": 0},
}

_TOKEN_CODES = (HttpCode.TOKEN_MISSING, HttpCode.TOKEN_INVALID)
_CODES_OF_ALL: tuple[HttpCode, ...] = (
    HttpCode.PARAMETER_UNKNOWN,
    HttpCode.NOT_ACCEPTABLE,
    HttpCode.HALTED,
    HttpCode.INTERNAL_ERROR,
)


def document(call: Call) -> Answer:
    """GET /v1/openapi.json."""
    return Answer(call.context.openapi, caching=Caching.REVALIDATE)


def build_document(routes: Iterable[Route], access: Access = OPEN) -> dict[str, Json]:
    """The OpenAPI document of `routes`, on a node that lets in whom `access` says."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        operation = _operation(route, needs_token=access.needs_token(route.audience))
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "quorum-ledger", "version": VERSION, "description": _DESCRIPTION},
        "paths": dict[str, Json](paths),
        "components": {
            "schemas": dict[str, Json](SCHEMAS),
            "headers": dict[str, Json](_HEADERS),
            "securitySchemes": {_SECURITY: _SECURITY_SCHEME},
            "x-problems": _problems(),
        },
    }


def problem_codes(route: Route) -> tuple[Code | HttpCode, ...]:
    """Every code that the route may answer with: its own, and those that follow from what it declares."""
    codes: list[Code | HttpCode] = [*route.problems, *_CODES_OF_ALL]
    names = route.query_names
    if route.makes_answers:
        codes.append(HttpCode.ANSWERS_UNREAD)
    if route.path_parameters or names or route.waits:
        codes.append(HttpCode.PARAMETER_INVALID)
    if "cursor" in names:
        codes.append(HttpCode.CURSOR_INVALID)
    if "height" in names:
        codes.append(HttpCode.HEIGHT_UNKNOWN)
    if PROOF in route.parameters:
        codes += [HttpCode.PROOF_UNAVAILABLE, HttpCode.TRAIL_TOO_LONG]
    return tuple(dict.fromkeys(codes))


def _operation(route: Route, *, needs_token: bool) -> dict[str, Json]:
    parameters: list[Json] = [_parameter(parameter, "path") for parameter in route.path_parameters]
    parameters += [_parameter(parameter, "query") for parameter in route.parameters]
    if route.waits:
        parameters.append(_PREFER)
    if route.media_type == EVENT_STREAM:
        parameters.append(_LAST_EVENT_ID)
    elif route.method == "GET":
        parameters.append(_IF_NONE_MATCH)
    operation: dict[str, Json] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "tags": [_tag(route)],
        "parameters": parameters,
        "responses": _responses(route, needs_token=needs_token),
    }
    if needs_token:
        operation["security"] = [{_SECURITY: []}]
    if route.accepts:
        content: dict[str, Json] = {
            JSON: {"schema": reference("Envelope")},
            # Without a type: there is no wrong body of lines, for each line is answered by itself.
            NDJSON: {"schema": {"description": "One on each line.", "x-each": reference("Envelope")}},
        }
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _tag(route: Route) -> str:
    """What the route is about: the collection that its path begins with."""
    parts = route.path.strip("/").split("/")
    return parts[1] if parts[0] == "v1" and len(parts) > 1 else "node" if len(parts) == 1 else parts[0]


def _parameter(parameter: AnyParameter, place: str) -> Json:
    return {
        "name": parameter.name,
        "in": place,
        "required": place == "path" or parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(route: Route, *, needs_token: bool) -> dict[str, Json]:
    responses: dict[str, Json] = {}
    for status in route.statuses:
        responses[str(status)] = {
            "description": route.summary if status == 200 else "Accepted; the outcome is not known yet.",
            "headers": _headers(*_ALWAYS, *_headers_of_success(route)),
            "content": {route.media_type: _content(route.media_type, route.answers)},
        }
    if route.method == "GET" and route.media_type != EVENT_STREAM:
        responses["304"] = {
            "description": "The client's copy, named in If-None-Match, is still right.",
            "headers": _headers(*_ALWAYS, *_headers_of_success(route)),
        }
    by_status: dict[int, list[Code | HttpCode]] = {}
    for code in (*problem_codes(route), *(_TOKEN_CODES if needs_token else ())):
        by_status.setdefault(row(code).status, []).append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "\n".join(f"* `{code.value}`: {row(code).sentence}" for code in codes),
            "headers": _headers(*_headers_of_problem(status, codes)),
            "content": {PROBLEM_JSON: {"schema": reference("Problem")}},
            "x-codes": [code.value for code in codes],
        }
    return responses


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers_of_success(route: Route) -> tuple[str, ...]:
    """The headers that a success of the route has or may have, beside those of all."""
    if route.media_type == EVENT_STREAM:
        return ("X-Accel-Buffering",)
    waiting = ("Preference-Applied", "Retry-After") if route.waits else ()
    if route.method == "POST":
        return ("Location", *waiting)
    return ("ETag", *waiting, *route.headers)


def _headers_of_problem(status: int, codes: Iterable[Code | HttpCode]) -> tuple[str, ...]:
    if status == 401:
        return ("Cache-Control", "WWW-Authenticate")
    retried = ("Retry-After",) if any(retry_after_seconds(code) for code in codes) else ()
    accepted = ("Accept-Post", "Accept-Encoding") if status == 415 else ()
    return (*_ALWAYS, *retried, *accepted)


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
