"""The types of fields that operations are made of: how each is read, and its JSON Schema.

Reading is strict and says what it wanted. Writing needs no declaration: `to_json` knows every type that a parser
here returns, so that what is read and written again is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ledger.encoding import Json, check_profile, encode_trusted, expect_integer, expect_list
from ledger.errors import MalformedError
from ledger.evidence import Evidence, parse_evidence
from ledger.limits import (
    INTEGER_MAX,
    KEYS_PER_ACCOUNT_MAX,
    NAME_BYTES_MAX,
    RECORD_CONTENT_BYTES_MAX,
    RECORD_CONTENT_DEPTH_MAX,
    RECORD_KEY_BYTES_MAX,
    ROLES_PER_ACCOUNT_MAX,
    ROUND_MAX,
    WRITERS_PER_STREAM_MAX,
)
from ledger.names import NAME_PATTERN, parse_account_name, parse_stream_name
from ledger.operations.kinds import FieldType
from ledger.primitives import Digest, PublicKey, parse_digest, parse_public_key
from ledger.roles import ROLES
from ledger.rows.accounts import parse_role
from ledger.validators import VALIDATOR_NAME_PATTERN

_HEX_32: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEX_64: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{128}$"}
_NAME: dict[str, Json] = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_BYTES_MAX}
_VALIDATOR_NAME: dict[str, Json] = {**_NAME, "pattern": f"^{VALIDATOR_NAME_PATTERN}$"}


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    """An object with exactly these properties."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _attested(types: list[Json], body: dict[str, Json]) -> dict[str, Json]:
    """A signed statement of one of these types, with this body."""
    height: dict[str, Json] = {"type": "integer", "minimum": 1, "maximum": INTEGER_MAX}
    return _object({"type": {"enum": types}, "height": height, "round": _ROUND, **body, "signature": _HEX_64})


_ROUND: dict[str, Json] = {"type": "integer", "minimum": 0, "maximum": ROUND_MAX}
_ATTESTED: dict[str, Json] = {
    "oneOf": [
        _attested(["proposal", "prepare"], {"block_hash": _HEX_32, "justification_digest": _HEX_32}),
        _attested(["commit"], {"block_hash": _HEX_32}),
        _attested(["timeout"], {"high_round": {**_ROUND, "minimum": -1}, "high_hash": _HEX_32}),
    ]
}


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a record: any JSON value of the profile, `null` included."""

    value: Json


def to_json(value: object) -> Json:
    """The JSON form of a field's value, of any type that the parsers below return."""
    match value:
        case str():
            return str(value)  # a plain one: a role may be the member of an enumeration
        case int():
            return value
        case bytes():
            return value.hex()
        case tuple():
            return [to_json(item) for item in value]
        case Content():
            return value.value
        case Evidence():
            return value.to_json()
        case _:
            raise AssertionError(f"no field has the type {type(value).__name__}")


def _parse_keys(value: Json, what: str) -> tuple[PublicKey, ...]:
    items = expect_list(value, what=what, items_max=KEYS_PER_ACCOUNT_MAX, items_min=1)
    return tuple(parse_public_key(item, "a key") for item in items)


def _parse_threshold(value: Json, what: str) -> int:
    return expect_integer(value, what=what, minimum=0, maximum=KEYS_PER_ACCOUNT_MAX)


def _parse_roles(value: Json, what: str) -> tuple[str, ...]:
    items = expect_list(value, what=what, items_max=ROLES_PER_ACCOUNT_MAX, items_min=1)
    return _ascending(tuple(parse_role(item) for item in items), what)


def _parse_accounts(value: Json, what: str) -> tuple[str, ...]:
    items = expect_list(value, what=what, items_max=WRITERS_PER_STREAM_MAX, items_min=1)
    return _ascending(tuple(parse_account_name(item, "an account") for item in items), what)


def _ascending(items: tuple[str, ...], what: str) -> tuple[str, ...]:
    """`items`, which must be sorted and unique: one meaning has one form."""
    if any(left >= right for left, right in pairwise(items)):
        raise MalformedError(f"{what} must be in ascending order, each once")
    return items


def _parse_content(value: Json, what: str) -> Content:
    check_profile(value, RECORD_CONTENT_DEPTH_MAX)
    size = len(encode_trusted(value))
    if size > RECORD_CONTENT_BYTES_MAX:
        raise MalformedError(
            f"{what} has {size} bytes, more than {RECORD_CONTENT_BYTES_MAX}; record a content_digest instead"
        )
    return Content(value)


def _parse_content_digest(value: Json, what: str) -> Digest:
    return parse_digest(value, what)


def _parse_entity_key(value: Json, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= RECORD_KEY_BYTES_MAX:
        raise MalformedError(f"{what} must be a string of 1 to {RECORD_KEY_BYTES_MAX} bytes")
    return value


def _parse_revision(value: Json, what: str) -> int:
    return expect_integer(value, what=what)


def _parse_evidence(value: Json, _what: str) -> Evidence:
    return parse_evidence(value)


ACCOUNT_NAME = FieldType(parse_account_name, _NAME)
STREAM_NAME = FieldType(parse_stream_name, _NAME)
ACCOUNT_NAMES = FieldType(
    _parse_accounts,
    {"type": "array", "items": _NAME, "minItems": 1, "maxItems": WRITERS_PER_STREAM_MAX, "uniqueItems": True},
)
PUBLIC_KEYS = FieldType(
    _parse_keys, {"type": "array", "items": _HEX_32, "minItems": 1, "maxItems": KEYS_PER_ACCOUNT_MAX}
)
THRESHOLD = FieldType(_parse_threshold, {"type": "integer", "minimum": 0, "maximum": KEYS_PER_ACCOUNT_MAX})
ROLE_NAMES = FieldType(
    _parse_roles,
    {
        "type": "array",
        "items": {"type": "string", "enum": [str(role) for role in ROLES]},
        "minItems": 1,
        "maxItems": ROLES_PER_ACCOUNT_MAX,
        "uniqueItems": True,
    },
)
CONTENT = FieldType(_parse_content, {})
CONTENT_DIGEST = FieldType(_parse_content_digest, _HEX_32)
ENTITY_KEY = FieldType(_parse_entity_key, {"type": "string", "minLength": 1, "maxLength": RECORD_KEY_BYTES_MAX})
REVISION = FieldType(_parse_revision, {"type": "integer", "minimum": 0, "maximum": INTEGER_MAX})
EVIDENCE = FieldType(
    _parse_evidence,
    _object({"validator": _VALIDATOR_NAME, "key": _HEX_32, "first": _ATTESTED, "second": _ATTESTED}),
)
