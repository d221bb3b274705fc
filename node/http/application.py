"""The aiohttp application: what holds for every route, around its handler.

Order of one request: its token is checked where one is needed, unknown parameters are refused, the Accept header is
looked at, the handler answers, the answer gets its validators and headers. Whatever goes wrong on the way, here or
inside aiohttp, leaves as problem details.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TypeAlias

from aiohttp import web

from ledger.limits import HTTP_BODY_BYTES_MAX, HTTP_SLICE_BYTES, HTTP_UNREAD_ROOM_BYTES_MIN
from node.http import render
from node.http.access import OPEN, Access
from node.http.allowance import client_address
from node.http.call import JSON, NDJSON, PROBLEM_JSON, SECURITY_HEADERS, Answer, Caching, Call, Context
from node.http.face import NodeFace
from node.http.log import log_failure
from node.http.openapi import build_document
from node.http.parameters import check_query
from node.http.problems import HttpCode, Problem, ProblemError
from node.http.route import Route
from node.http.routes import ROUTES
from node.http.slices import SlicedBody
from node.storage.errors import StorageFailedError

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTEXT = web.AppKey("context", Context)
"""Where an application keeps what its requests share."""

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})

_HTTP_PROBLEMS: Mapping[int, tuple[HttpCode, str]] = {
    404: (HttpCode.PATH_UNKNOWN, "nothing is at this path"),
    405: (HttpCode.METHOD_NOT_ALLOWED, "the path does not have this method"),
    413: (HttpCode.BODY_TOO_LARGE, f"the body has more than {HTTP_BODY_BYTES_MAX} bytes"),
}


def create_application(node: NodeFace, access: Access = OPEN) -> web.Application:
    """The HTTP API of `node`, to be served by `node.http.server.HttpServer`, for whom `access` lets in."""
    context = Context(node, render.to_bytes(build_document(ROUTES, access)))
    application = web.Application(client_max_size=HTTP_BODY_BYTES_MAX, middlewares=[_Outermost(context)])
    application[CONTEXT] = context
    for route in ROUTES:
        handler = _handler(context, route, access)
        resource = application.router.add_resource(route.pattern)
        resource.add_route(route.method, handler)
        if route.method == "GET":
            resource.add_route("HEAD", handler)

    async def close(_: web.Application) -> None:
        context.close()

    application.on_shutdown.append(close)
    return application


def _handler(context: Context, route: Route, access: Access) -> _Handler:
    """The aiohttp handler of a route."""
    declared, needs_token = route.query_names, access.needs_token(route.audience)

    async def answer(request: web.Request) -> web.StreamResponse:
        if needs_token:
            access.check(request.headers.get("Authorization"))
        address = client_address(request.remote)
        if route.makes_answers and not context.unread.has_room(address, HTTP_UNREAD_ROOM_BYTES_MIN):
            raise ProblemError(Problem(HttpCode.ANSWERS_UNREAD, "no other is made meanwhile"))
        check_query(request.query, declared)
        _check_accepted(request.headers.get("Accept", "*/*"), route.media_type)
        if request.method == "GET":
            context.node.reader_came()
        outcome = route.handler(Call(context, request))
        answered = outcome if isinstance(outcome, Answer) else await outcome
        return _response(context, request, answered) if isinstance(answered, Answer) else answered

    return answer


class _Outermost:
    """The middleware around everything, aiohttp's own answers included: problems, headers of all answers, metrics."""

    __middleware_version__ = 1  # what aiohttp looks for

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        started = perf_counter()
        try:
            response = await handler(request)
        except ProblemError as error:
            response = problem_response(error.problem, self._context)
            if error.problem.code is HttpCode.ANSWERS_UNREAD:
                response.force_close()  # and what was asked for behind this is not even looked at
        except web.HTTPException as error:
            response = self._refused_by_aiohttp(request, error)
        except ConnectionError:
            raise  # nobody is there to be answered
        except StorageFailedError:
            # Why, the runtime logs once: it is no fault of this request.
            response = problem_response(Problem(HttpCode.HALTED, "the process is about to end"), self._context)
        except Exception as error:
            log_failure("http_request_failed", error, method=request.method, path=request.path[:200])
            response = problem_response(Problem(HttpCode.INTERNAL_ERROR, "see the node's log"), self._context)
        resource = request.match_info.route.resource
        method = request.method if request.method in _METHODS else "other"
        path = "none" if resource is None else resource.canonical
        self._context.metrics.observe(path, method, response.status, perf_counter() - started)
        return response

    def _refused_by_aiohttp(self, request: web.Request, error: web.HTTPException) -> web.Response:
        headers: dict[str, str] = {}
        if isinstance(error, web.HTTPMethodNotAllowed):
            headers["Allow"] = ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))
            if "POST" in error.allowed_methods:
                headers["Accept-Post"] = f"{JSON}, {NDJSON}"
            if request.method == "OPTIONS":
                return web.Response(status=204, headers={**SECURITY_HEADERS, **headers})
        code, detail = _HTTP_PROBLEMS.get(error.status, (HttpCode.REQUEST_MALFORMED, error.reason))
        return problem_response(Problem(code, detail, headers=headers), self._context)


def problem_response(problem: Problem, context: Context | None) -> web.Response:
    """The response that says `problem`; without a context when the request never got that far."""
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": PROBLEM_JSON,
        "Cache-Control": Caching.NEVER.value,
        **problem.headers,
    }
    if context is not None and problem.status != 401:  # who shows no token is told nothing of the ledger
        headers["Ledger-Height"] = str(context.node.queries.chain.tip.header.height)
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    return web.Response(status=problem.status, body=render.to_bytes(render.problem(problem)), headers=headers)


def _response(context: Context, request: web.Request, answer: Answer) -> web.Response:
    """The response with `answer`, or 304 when the client has it."""
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": answer.media_type,
        "Cache-Control": answer.caching.value,
        "Ledger-Height": str(context.node.queries.chain.tip.header.height),
        **answer.headers,
    }
    etag = answer.etag
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
        known = request.if_none_match
        if known is not None and any(item.value in (etag, "*") for item in known):
            return web.Response(status=304, headers=headers)
    return web.Response(status=answer.status, body=_body(context, request, answer.body), headers=headers)


def _body(context: Context, request: web.Request, body: bytes) -> bytes | SlicedBody:
    """A large body goes out in slices, and is counted meanwhile. Raises `ProblemError` when it has no room."""
    if len(body) <= HTTP_SLICE_BYTES or request.method == "HEAD":
        return body
    address = client_address(request.remote)
    if not context.unread.has_room(address, len(body)):
        raise ProblemError(Problem(HttpCode.ANSWERS_UNREAD, "this answer has no room beside them"))
    return SlicedBody(body, context.unread, address)


def _check_accepted(accept: str, media_type: str) -> None:
    """Raise `ProblemError` when no range of the Accept header (RFC 9110 section 12.5.1) takes in `media_type`."""
    if "*/*" in accept or media_type in accept:
        return
    ranges = {item.partition(";")[0].strip().lower() for item in accept.split(",")}
    if not ranges & {media_type, media_type.partition("/")[0] + "/*", ""}:
        raise ProblemError(Problem(HttpCode.NOT_ACCEPTABLE, f"the answer is {media_type}"))
