"""What schemathesis cannot know from an OpenAPI document, and is told before each request that is meant to be valid."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis

CHAIN = os.environ["FUZZED_CHAIN"]
VALID_UNTIL_MS = int(os.environ["FUZZED_VALID_UNTIL_MS"])


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make what is valid by its schema valid by what stands in its description, too."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        # A cursor is what a page gave out, unchanged, for the same list: tests/unit/node/http/test_lists.py has them.
        case.query.pop("cursor", None)
    if isinstance(case.body, dict) and isinstance(case.body.get("body"), dict):
        # Of this chain and of now, so that the signatures are what it is refused for.
        case.body["body"] |= {"chain": CHAIN, "valid_until": VALID_UNTIL_MS, "sender": "org0"}


@schemathesis.serializer("application/json")
def canonical(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Transactions are in canonical JSON (RFC 8785): sorted, and without white space."""
    return _to_bytes(value)


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Bodies of this type are text, whatever stands on its lines."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else _to_bytes(value)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value  # what is meant to be no JSON
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
