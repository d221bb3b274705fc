"""Requests to the HTTP API: bodies of submissions, parameters, cursors, tokens."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import cache
from types import SimpleNamespace
from typing import Any

from multidict import CIMultiDict, MultiDict

from node.http.access import Access, parse_token
from node.http.call import JSON, NDJSON, Call, Context
from node.http.cursor import decode_cursor, encode_cursor, question
from node.http.parameters import AnyParameter, check_query
from node.http.problems import ProblemError
from node.http.routes import ROUTES
from node.http.submitting import submit
from node.http.waiting import asked_to_wait
from tests.fuzz import samples
from tests.fuzz.target import Feed, Form, Target
from tests.unit.node.http.fake_node import FakeNode

_ASKED = question("/v1/blocks", {"order": "asc"})
_TOKEN = "0123456789abcdef" * 4
_PROBLEM = (ProblemError,)


@cache
def _context() -> Context:
    return Context(FakeNode(), b"{}")


class _Request(SimpleNamespace):
    """As much of a request as a handler sees whose body came with its headers."""

    async def read(self) -> bytes:
        return self.body


def _call(body: bytes, **headers: str) -> Call:
    request: Any = _Request(
        body=body,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        content_length=len(body),
        content=SimpleNamespace(is_eof=lambda: True),
        remote="127.0.0.1",
    )
    return Call(_context(), request)


def _finish(coroutine: Coroutine[Any, Any, object]) -> object:
    """What it returns; nothing here has to be waited for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    finally:
        coroutine.close()
    raise AssertionError("it waits")


def _submit(media_type: str) -> Feed:
    return lambda data: _finish(submit(_call(data, Content_Type=media_type)))


def _said(data: bytes) -> str:
    """A header or a piece of a URL, as aiohttp gives it."""
    return data.decode("utf-8", "surrogateescape")


def _transactions() -> tuple[bytes, ...]:
    return samples.lines([item["envelope"] for item in samples.vectors("transactions")])


def _batches() -> list[bytes]:
    return [b"\n".join(_transactions()), b"\r\n".join(_transactions()) + b"\n"]


@cache
def _parameters() -> dict[str, AnyParameter]:
    """All parameters of all routes."""
    found = [item for route in ROUTES for item in (*route.parameters, *route.path_parameters)]
    return {item.name: item for item in found}


def _read_all(data: bytes) -> None:
    """One of the parameters, by the first byte."""
    names = sorted(_parameters())
    _parameters()[names[data[0] % len(names) if data else 0]].read(_said(data[1:]))


_VALUES = (
    b"latest",
    b"12",
    b"acme",
    b"v1",
    b"euro",
    b"asc",
    b"true",
    b"x001/002.p/7",
    b"2026-11-26T14:30:00.5+01:00",
    b"ab" * 32,
)


def _parameter_examples() -> list[bytes]:
    names = sorted(_parameters())
    return [bytes((number,)) + value for number in range(len(names)) for value in _VALUES]


def _query(data: bytes) -> None:
    pairs = [item.partition("=")[::2] for item in _said(data).split("&")]
    check_query(MultiDict(pairs), frozenset({"from", "to", "cursor"}))


TARGETS = (
    Target("body with a transaction", _submit(JSON), _transactions, Form.JSON, _PROBLEM, memory=4 << 20),
    Target("body with many transactions", _submit(NDJSON), _batches, Form.LINES, _PROBLEM, memory=4 << 20),
    Target(
        "media type",
        lambda data: _finish(submit(_call(_transactions()[0], Content_Type=_said(data)))),
        lambda: [JSON.encode()],
        raises=_PROBLEM,
    ),
    Target(
        "preference to wait",
        lambda data: asked_to_wait(_call(b"", Prefer=_said(data))),
        lambda: [b'respond-async, wait="10"'],
        raises=_PROBLEM,
    ),
    Target("parameter", _read_all, _parameter_examples, raises=_PROBLEM),
    Target("query", _query, lambda: [b"from=1&to=2", b"cursor=x"], raises=_PROBLEM),
    Target(
        "cursor",
        lambda data: decode_cursor(_said(data), _ASKED),
        lambda: [encode_cursor(_ASKED, bytes(8)).encode()],
        raises=_PROBLEM,
    ),
    Target(
        "authorization",
        lambda data: Access((parse_token(_TOKEN),)).check(_said(data)),
        lambda: [f"Bearer {_TOKEN}".encode()],
        raises=_PROBLEM,
    ),
)
