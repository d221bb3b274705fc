"""How the JSON Schemas of the API are written: the few forms that they are made of, and what occurs everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ledger.amounts import AMOUNT_PATTERN, TOTAL_PATTERN
from ledger.encoding import Json
from ledger.limits import DECIMALS_MAX, INTEGER_MAX
from ledger.names import NAME_PATTERN
from ledger.refusals import TABLE, Code, Kind

Schema: TypeAlias = "dict[str, Json]"


def object_of(properties: Schema, *, optional: Iterable[str] = (), description: str | None = None) -> Schema:
    """An object with exactly these properties, all required but the optional ones."""
    left_out = set(optional)
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in left_out],
        "additionalProperties": False,
    }
    return schema if description is None else {**schema, "description": description}


def provable(properties: Schema, *, description: str | None = None) -> Schema:
    """An object that also has a state proof if that was asked for."""
    return object_of({**properties, "proof": reference("StateProof")}, optional=("proof",), description=description)


def list_of(items: Json) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def text(description: str) -> Schema:
    """A string for people."""
    return {"type": "string", "description": description}


def enum_of(values: Iterable[str], description: str) -> Schema:
    """One of these strings."""
    return {"type": "string", "enum": list[Json](values), "description": description}


def reference(name: str) -> Schema:
    """A reference to the schema of that name in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


HEX_32: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
HEX_64: Schema = {"type": "string", "pattern": "^[0-9a-f]{128}$"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": INTEGER_MAX}
NAME: Schema = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
AMOUNT: Schema = {"type": "string", "pattern": f"^{AMOUNT_PATTERN}$"}
TOTAL: Schema = {"type": "string", "pattern": f"^({TOTAL_PATTERN})$"}
DECIMALS: Schema = {
    "type": "integer",
    "minimum": 0,
    "maximum": DECIMALS_MAX,
    "description": "How many of an amount's last digits people read behind the point.",
}
TIME_MS: Schema = {**COUNT, "description": "Ledger time in milliseconds since 1970 (UTC)."}
TIME: Schema = {"type": "string", "format": "date-time", "description": "The same time as RFC 3339."}
TIMES: Schema = {"time_ms": TIME_MS, "time": TIME}
_FAILURES = sorted(code.value for code in Code if TABLE[code].kind is Kind.FAILED)
RESULT = enum_of(["applied", *_FAILURES], "`applied`, or the code with which an operation failed; final either way.")
QUORUM: Schema = {
    "description": "The quorum rule: `majority`, `bft`, or q itself.",
    "anyOf": [{"type": "string", "enum": ["majority", "bft"]}, {"type": "integer", "minimum": 1}],
}
TOLERANCE: Schema = {
    "n": COUNT,
    "q": COUNT,
    "tolerance": object_of({"stopped": COUNT, "double_signing": COUNT}),
    "sentence": text("Both numbers in plain words."),
}
VALIDATOR: Schema = {
    "name": {"type": "string"},
    "operator": NAME,
    "consensus_key": HEX_32,
    "node_key": HEX_32,
    "cosigning_key": HEX_32,
    "address": {"type": "string"},
}
ID: Schema = {**HEX_32, "description": "SHA-256 of the signed bytes; known before sending."}
