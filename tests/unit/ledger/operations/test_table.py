"""The one table: parsing, writing, and the schema and examples that documentation is made from."""

from __future__ import annotations

import dataclasses

import jsonschema
import pytest

from ledger.encoding import Json, decode, encode
from ledger.errors import MalformedError
from ledger.limits import KEYS_PER_ACCOUNT_MAX, RECORD_KEY_BYTES_MAX, WRITERS_PER_STREAM_MAX
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.fields import Content, to_json
from ledger.operations.kinds import Operation, OperationKind
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.operations.table import (
    OPERATIONS,
    UnknownOperationError,
    operation_schema,
    operation_to_json,
    parse_operation,
)
from ledger.primitives import Digest
from ledger.refusals import TABLE
from ledger.roles import Role
from tests.unit.ledger.accusing import accuse
from tests.unit.ledger.members import CHAIN, key_of

KEY, OTHER = key_of("a").public_key, key_of("b").public_key
HEX = KEY.hex()
EVIDENCE = accuse("v2", key_of("consensus"), CHAIN)

ROUND_TRIPS: list[tuple[Operation, dict[str, Json]]] = [
    (
        AccountAdd("acme", "bob.acme", (KEY, OTHER), 2, ("operator",)),
        {
            "type": "account.add",
            "by": "acme",
            "name": "bob.acme",
            "keys": [HEX, OTHER.hex()],
            "threshold": 2,
            "roles": ["operator"],
        },
    ),
    (AccountKeys("acme", (KEY,), 1), {"type": "account.keys", "by": "acme", "keys": [HEX], "threshold": 1}),
    (StreamCreate("acme", "news"), {"type": "stream.create", "by": "acme", "name": "news"}),
    (
        StreamCreate("acme", "news", ("acme", "bob.acme")),
        {"type": "stream.create", "by": "acme", "name": "news", "writers": ["acme", "bob.acme"]},
    ),
    (
        RecordAppend("acme", "news", Content(None)),
        {"type": "record.append", "by": "acme", "stream": "news", "content": None},
    ),
    (
        RecordAppend("acme", "news", content_digest=Digest(bytes(32)), key="k", expected_revision=0),
        {
            "type": "record.append",
            "by": "acme",
            "stream": "news",
            "content_digest": "00" * 32,
            "key": "k",
            "expected_revision": 0,
        },
    ),
    (
        EvidenceRecord("validator:v1", EVIDENCE),
        {"type": "evidence.record", "by": "validator:v1", "evidence": EVIDENCE.to_json()},
    ),
]

ADD: dict[str, Json] = {"type": "account.add", "by": "acme", "name": "bob", "keys": [HEX], "threshold": 1}
KEYS: dict[str, Json] = {"type": "account.keys", "by": "acme", "keys": [HEX], "threshold": 1}
CREATE: dict[str, Json] = {"type": "stream.create", "by": "acme", "name": "news"}
EVIDENT: dict[str, Json] = {"type": "evidence.record", "by": "validator:v1", "evidence": EVIDENCE.to_json()}
APPEND: dict[str, Json] = {"type": "record.append", "by": "acme", "stream": "news", "content": 1}

MALFORMED: list[tuple[dict[str, Json], dict[str, Json], str]] = [
    (ADD, {"name": "Bob"}, "name must be a name"),
    (ADD, {"name": None}, "name must be a name"),
    (ADD, {"keys": []}, "keys must be a list of 1 to"),
    (ADD, {"keys": HEX}, "keys must be a list of 1 to"),
    (ADD, {"keys": [HEX] * (KEYS_PER_ACCOUNT_MAX + 1)}, "keys must be a list of 1 to"),
    (ADD, {"keys": [HEX.upper()]}, "a key must be 64 lower-case hex"),
    (ADD, {"keys": [1]}, "a key must be 64 lower-case hex"),
    (ADD, {"threshold": -1}, "threshold must be an integer"),
    (ADD, {"threshold": True}, "threshold must be an integer"),
    (ADD, {"threshold": KEYS_PER_ACCOUNT_MAX + 1}, "threshold must be an integer"),
    (ADD, {"roles": []}, "roles must be a list of 1 to"),
    (ADD, {"roles": None}, "roles must be a list of 1 to"),
    (ADD, {"roles": ["king"]}, "a role must be one of: administrator, operator"),
    (ADD, {"roles": [["operator"]]}, "a role must be one of"),
    (ADD, {"roles": ["operator", "administrator"]}, "roles must be in ascending order"),
    (ADD, {"roles": ["operator", "operator"]}, "roles must be in ascending order"),
    (KEYS, {"name": "acme"}, "account.keys has an unknown field 'name'"),
    (CREATE, {"name": "a b"}, "name must be a name"),
    (CREATE, {"writers": []}, "writers must be a list of 1 to"),
    (CREATE, {"writers": ["b", "a"]}, "writers must be in ascending order"),
    (CREATE, {"writers": ["a", "a"]}, "writers must be in ascending order"),
    (CREATE, {"writers": ["validator:v1"]}, "an account must be a name"),
    (CREATE, {"writers": [f"a{n:03}" for n in range(WRITERS_PER_STREAM_MAX + 1)]}, "writers must be a list of 1 to"),
    (APPEND, {"stream": 1}, "stream must be a name"),
    (APPEND, {"content_digest": "00" * 32}, "either content or content_digest"),
    (APPEND, {"key": ""}, "key must be a string of 1 to"),
    (APPEND, {"key": None}, "key must be a string of 1 to"),
    (APPEND, {"key": "é" * (RECORD_KEY_BYTES_MAX // 2) + "e"}, "key must be a string of 1 to"),
    (APPEND, {"expected_revision": 0}, "expected_revision is about a key"),
    (APPEND, {"key": "k", "expected_revision": -1}, "expected_revision must be an integer"),
    (APPEND, {"key": "k", "expected_revision": None}, "expected_revision must be an integer"),
    (APPEND, {"by": None}, "by must be the name of an account"),
    (EVIDENT, {"by": "acme"}, "by must be validator:<name>"),
    (EVIDENT, {"evidence": {}}, "evidence lacks the field 'first'"),
]


@pytest.mark.parametrize(("operation", "value"), ROUND_TRIPS)
def test_what_is_written_is_read_again(operation: Operation, value: dict[str, Json]) -> None:
    assert operation_to_json(operation) == value
    assert parse_operation(value) == operation


@pytest.mark.parametrize(("good", "change", "problem"), MALFORMED)
def test_a_field_that_is_wrong_is_malformed(good: dict[str, Json], change: dict[str, Json], problem: str) -> None:
    assert parse_operation(good)
    with pytest.raises(MalformedError, match=problem):
        parse_operation({**good, **change})


@pytest.mark.parametrize("good", [ADD, KEYS, CREATE, APPEND, EVIDENT])
def test_a_required_field_that_is_missing_is_named(good: dict[str, Json]) -> None:
    kind = OPERATIONS[str(good["type"])]
    for name in kind.required:
        with pytest.raises(MalformedError, match=f"{kind.type} lacks the field '{name}'"):
            parse_operation({field: value for field, value in good.items() if field != name})


def test_a_record_needs_content_or_its_digest() -> None:
    with pytest.raises(MalformedError, match="either content or content_digest"):
        parse_operation({"type": "record.append", "by": "acme", "stream": "news"})


@pytest.mark.parametrize("value", [{}, {"type": "record.drop"}, {"type": 1}, {"type": None}, {"by": "acme"}])
def test_a_type_that_is_not_in_the_table(value: dict[str, Json]) -> None:
    with pytest.raises(UnknownOperationError):
        parse_operation(value)


def test_a_role_may_be_given_as_the_enumeration() -> None:
    operation = AccountAdd("acme", "bob", (KEY,), 1, (Role.ADMINISTRATOR, Role.OPERATOR))
    value = operation_to_json(operation)
    assert parse_operation(decode(encode(value), bytes_max=1_000)) == operation


def test_only_what_a_field_can_be_is_written() -> None:
    with pytest.raises(AssertionError, match="no field has the type float"):
        to_json(1.5)


kinds = pytest.mark.parametrize("kind", OPERATIONS.values(), ids=list(OPERATIONS))


@kinds
def test_what_is_declared_is_what_the_dataclass_has(kind: OperationKind) -> None:
    example = parse_operation(dict(kind.example))
    assert dataclasses.is_dataclass(example)
    assert [field.name for field in dataclasses.fields(example)] == ["by", *(field.name for field in kind.fields)]
    assert example.kind is kind
    assert kind.operation is type(example)


@kinds
def test_the_documentation_is_whole(kind: OperationKind) -> None:
    assert kind.summary.endswith(".")
    assert kind.permission.endswith(".")
    assert all(field.description.endswith(".") for field in kind.fields)
    assert kind.codes <= TABLE.keys()


@kinds
def test_the_example_is_an_operation_that_the_schema_accepts(kind: OperationKind) -> None:
    schema = operation_schema(kind)
    encode(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(kind.example)
    assert operation_to_json(parse_operation(dict(kind.example))) == kind.example
    assert not validator.is_valid({**kind.example, "surplus": 1})
    for name in ("type", "by", *kind.required):
        assert not validator.is_valid({field: value for field, value in kind.example.items() if field != name})


def test_the_schema_accepts_what_the_parser_accepts() -> None:
    for _, value in ROUND_TRIPS:
        jsonschema.validate(value, operation_schema(OPERATIONS[str(value["type"])]))
