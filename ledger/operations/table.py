"""All operations of this protocol version by type: parsing, writing, and the schema that documentation is made from."""

from __future__ import annotations

from typing import Any, Final

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.operations import accounts, assets, evidence, governance, members, streams, validators
from ledger.operations.fields import ACCOUNT_NAME, to_json
from ledger.operations.kinds import Operation, OperationKind

OPERATIONS: Final[dict[str, OperationKind]] = {
    kind.type: kind
    for family in (accounts, members, governance, validators, streams, assets, evidence)
    for kind in family.KINDS
}
"""Every type of operation."""


# All that reading an operation needs of its kind: its required fields, and the parsers of all.
_FIELDS: Final = {kind.type: (kind, kind.parsers, kind.required) for kind in OPERATIONS.values()}


class UnknownOperationError(MalformedError):
    """An operation of a type that the table does not have."""


def parse_operation(value: Json) -> Operation:
    """The operation that `value` stands for; its `by` is checked to be a string only, by the form of a transaction.

    Raises `MalformedError`, or `UnknownOperationError` when there is no such type.
    """
    if not isinstance(value, dict):
        raise MalformedError("an operation must be a JSON object")
    type_name = value.get("type")
    found = _FIELDS.get(type_name) if isinstance(type_name, str) else None
    if found is None:
        raise UnknownOperationError(f"there is no operation of type {type_name!r}")
    kind, parsers, required = found
    fields: dict[str, Any] = value.copy()
    del fields["type"]
    by = fields.pop("by", None)
    if not isinstance(by, str):
        raise MalformedError(f"{kind.type}: by must be the name of an account")
    for name, item in fields.items():  # each is replaced by what it stands for
        if name not in parsers:
            raise MalformedError(f"{kind.type} has an unknown field {name!r}")
        fields[name] = parsers[name](item, name)
    for name in required:
        if name not in fields:
            raise MalformedError(f"{kind.type} lacks the field {name!r}")
    if problem := kind.check(fields):
        raise MalformedError(f"{kind.type}: {problem}")
    return kind.operation(by, **fields)


def operation_to_json(operation: Operation) -> dict[str, Json]:
    """The JSON form of an operation; `parse_operation` undoes it."""
    value: dict[str, Json] = {"type": operation.kind.type, "by": operation.by}
    for field in operation.kind.fields:
        attribute: object = getattr(operation, field.name)
        if attribute is not None:
            value[field.name] = to_json(attribute)
    return value


def operation_schema(kind: OperationKind) -> dict[str, Json]:
    """The JSON Schema of one type of operation, with its summary and its fields' descriptions."""
    properties: dict[str, Json] = {
        "type": {"const": kind.type},
        "by": (
            {**kind.by_schema, "description": "The validator that does it: the sender."}
            if kind.by_schema is not None
            else {**ACCOUNT_NAME.schema, "description": "The account that does it: the sender or a declared cosigner."}
        ),
    }
    for field in kind.fields:
        properties[field.name] = {**field.type.schema, "description": field.description}
    return {
        "type": "object",
        "title": kind.type,
        "description": f"{kind.summary} Who may: {kind.permission}",
        "properties": properties,
        "required": ["type", "by", *(field.name for field in kind.fields if field.required)],
        "additionalProperties": False,
        "examples": [dict(kind.example)],
    }
