"""The fields that operations and changes are made of: what a declaration says, how each is read, its JSON Schema.

Reading is strict and says what it wanted. Writing needs no declaration: `to_json` knows every type that a parser
here returns, so that what is read and written again is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

from msgspec import Struct

from ledger.amounts import AMOUNT_PATTERN, Amount, parse_amount
from ledger.encoding import Json, check_profile, encode_trusted, expect_integer, expect_list
from ledger.errors import MalformedError
from ledger.evidence import Evidence, parse_evidence
from ledger.limits import (
    ADDRESS_BYTES_MAX,
    DECIMALS_MAX,
    EVIDENCE_PER_PROPOSAL_MAX,
    INTEGER_MAX,
    ISSUERS_PER_ASSET_MAX,
    KEYS_PER_ACCOUNT_MAX,
    MEMO_BYTES_MAX,
    NAME_BYTES_MAX,
    RECORD_CONTENT_BYTES_MAX,
    RECORD_CONTENT_DEPTH_MAX,
    RECORD_KEY_BYTES_MAX,
    ROLES_PER_ACCOUNT_MAX,
    ROUND_MAX,
    VALIDATORS_MAX,
    WRITERS_PER_STREAM_MAX,
)
from ledger.names import NAME_PATTERN, parse_account_name, parse_asset_name, parse_stream_name
from ledger.primitives import Digest, PublicKey, parse_digest, parse_public_key
from ledger.roles import ROLES
from ledger.rows.accounts import parse_role
from ledger.rows.reading import parse_boolean
from ledger.validators import (
    VALIDATOR_FIELDS,
    VALIDATOR_NAME_PATTERN,
    Quorum,
    Validator,
    parse_quorum,
    parse_validator_entry,
    parse_validator_name,
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """How one kind of field is read: `parse(value, name)` raises `MalformedError`; `schema` is JSON Schema."""

    parse: Callable[[Json, str], object]
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an operation or a change, with what it means in one sentence."""

    name: str
    type: FieldType
    description: str
    required: bool = True


_HEX_32: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEX_64: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{128}$"}
_ROLE: dict[str, Json] = {"type": "string", "enum": [str(role) for role in ROLES]}
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


class Content(Struct, frozen=True, gc=False):
    """The content of a record: any JSON value of the profile, `null` included."""

    value: Json

    def to_json(self) -> Json:
        """The value itself."""
        return self.value


@runtime_checkable
class Document(Protocol):
    """A value of a field that knows its own JSON form: content, an entry, a change."""

    def to_json(self) -> Json:
        """The JSON form that the field's parser reads."""
        ...


def to_json(value: object) -> Json:
    """The JSON form of a field's value, of any type that the parsers below return."""
    match value:
        case str():
            return str(value)  # a plain one: a role may be the member of an enumeration
        case Amount():
            return str(value)
        case int():
            return value
        case bytes():
            return value.hex()
        case tuple():
            return [to_json(item) for item in value]
        case Document():
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


def _parse_role(value: Json, _what: str) -> str:
    return parse_role(value)


def _account_names(items_max: int) -> FieldType:
    """From 1 to `items_max` names of accounts, in ascending order."""

    def parse(value: Json, what: str) -> tuple[str, ...]:
        items = expect_list(value, what=what, items_max=items_max, items_min=1)
        return _ascending(tuple(parse_account_name(item, "an account") for item in items), what)

    return FieldType(
        parse, {"type": "array", "items": _NAME, "minItems": 1, "maxItems": items_max, "uniqueItems": True}
    )


def _ascending(items: tuple[str, ...], what: str) -> tuple[str, ...]:
    """`items`, which must be sorted and unique: one meaning has one form."""
    if any(left >= right for left, right in pairwise(items)):
        raise MalformedError(f"{what} must be in ascending order, each once")
    return items


def _parse_digests(value: Json, what: str) -> tuple[Digest, ...]:
    items = expect_list(value, what=what, items_max=EVIDENCE_PER_PROPOSAL_MAX, items_min=1)
    digests = tuple(parse_digest(item, "a digest") for item in items)
    if any(left >= right for left, right in pairwise(digests)):
        raise MalformedError(f"{what} must be in ascending order, each once")
    return digests


def _parse_truth(value: Json, what: str) -> bool:
    return parse_boolean(value, what)


def _parse_name(value: Json, _what: str) -> str:
    return parse_validator_name(value)


def _parse_entry(value: Json, _what: str) -> Validator:
    return parse_validator_entry(value)


def _parse_quorum(value: Json, _what: str) -> Quorum:
    return parse_quorum(value)


def _parse_text(value: Json, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= MEMO_BYTES_MAX:
        raise MalformedError(f"{what} must be a string of 1 to {MEMO_BYTES_MAX} bytes")
    return value


def _parse_content(value: Json, what: str) -> Content:
    check_profile(value, RECORD_CONTENT_DEPTH_MAX)
    size = len(encode_trusted(value))
    if size > RECORD_CONTENT_BYTES_MAX:
        raise MalformedError(
            f"{what} has {size} bytes, more than {RECORD_CONTENT_BYTES_MAX}; record a content_digest instead"
        )
    return Content(value)


def _parse_digest(value: Json, what: str) -> Digest:
    return parse_digest(value, what)


def _parse_entity_key(value: Json, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= RECORD_KEY_BYTES_MAX:
        raise MalformedError(f"{what} must be a string of 1 to {RECORD_KEY_BYTES_MAX} bytes")
    return value


def integer(minimum: int, maximum: int) -> FieldType:
    """The type of an integer from `minimum` to `maximum`."""

    def parse(value: Json, what: str) -> int:
        return expect_integer(value, what=what, minimum=minimum, maximum=maximum)

    return FieldType(parse, {"type": "integer", "minimum": minimum, "maximum": maximum})


def _parse_decimals(value: Json, what: str) -> int:
    return expect_integer(value, what=what, maximum=DECIMALS_MAX)


def _parse_evidence(value: Json, _what: str) -> Evidence:
    return parse_evidence(value)


ACCOUNT_NAME = FieldType(parse_account_name, _NAME)
STREAM_NAME = FieldType(parse_stream_name, _NAME)
ASSET_NAME = FieldType(parse_asset_name, _NAME)
WRITER_NAMES = _account_names(WRITERS_PER_STREAM_MAX)
ISSUER_NAMES = _account_names(ISSUERS_PER_ASSET_MAX)
PUBLIC_KEYS = FieldType(
    _parse_keys, {"type": "array", "items": _HEX_32, "minItems": 1, "maxItems": KEYS_PER_ACCOUNT_MAX}
)
THRESHOLD = FieldType(_parse_threshold, {"type": "integer", "minimum": 0, "maximum": KEYS_PER_ACCOUNT_MAX})
ROLE_NAME = FieldType(_parse_role, _ROLE)
ROLE_NAMES = FieldType(
    _parse_roles,
    {
        "type": "array",
        "items": _ROLE,
        "minItems": 1,
        "maxItems": ROLES_PER_ACCOUNT_MAX,
        "uniqueItems": True,
    },
)
CONTENT = FieldType(_parse_content, {})
ENTITY_KEY = FieldType(_parse_entity_key, {"type": "string", "minLength": 1, "maxLength": RECORD_KEY_BYTES_MAX})
REVISION = integer(0, INTEGER_MAX)
DIGEST = FieldType(_parse_digest, _HEX_32)
DIGESTS = FieldType(
    _parse_digests,
    {"type": "array", "items": _HEX_32, "minItems": 1, "maxItems": EVIDENCE_PER_PROPOSAL_MAX, "uniqueItems": True},
)
TRUTH = FieldType(_parse_truth, {"type": "boolean"})
TEXT = FieldType(_parse_text, {"type": "string", "minLength": 1, "maxLength": MEMO_BYTES_MAX})
VALIDATOR_NAME = FieldType(
    _parse_name, {"type": "string", "pattern": f"^{VALIDATOR_NAME_PATTERN}$", "maxLength": NAME_BYTES_MAX}
)
VALIDATOR_ENTRY = FieldType(
    _parse_entry,
    {
        "type": "object",
        "properties": {
            "name": dict(VALIDATOR_NAME.schema),
            "operator": _NAME,
            "consensus_key": _HEX_32,
            "node_key": _HEX_32,
            "cosigning_key": _HEX_32,
            "address": {"type": "string", "maxLength": ADDRESS_BYTES_MAX},
        },
        "required": list[Json](sorted(VALIDATOR_FIELDS)),
        "additionalProperties": False,
    },
)
QUORUM = FieldType(
    _parse_quorum,
    {"oneOf": [{"enum": ["majority", "bft"]}, {"type": "integer", "minimum": 1, "maximum": VALIDATORS_MAX}]},
)
EVIDENCE = FieldType(
    _parse_evidence,
    _object({"validator": _VALIDATOR_NAME, "key": _HEX_32, "first": _ATTESTED, "second": _ATTESTED}),
)
AMOUNT = FieldType(parse_amount, {"type": "string", "pattern": f"^{AMOUNT_PATTERN}$"})
DECIMALS = FieldType(_parse_decimals, {"type": "integer", "minimum": 0, "maximum": DECIMALS_MAX})
