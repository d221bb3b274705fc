"""The one table: parsing, writing, and the schema and examples that documentation is made from."""

from __future__ import annotations

import jsonschema
import pytest
from msgspec import Struct

from ledger.amounts import Amount
from ledger.encoding import Json, decode, encode
from ledger.errors import MalformedError
from ledger.governance.changes import CHANGES, SuspendAccount, ValidatorRemove, parse_change
from ledger.governance.readiness import ReadyProofs
from ledger.limits import (
    AMOUNT_MAX,
    DECIMALS_MAX,
    ISSUERS_PER_ASSET_MAX,
    KEYS_PER_ACCOUNT_MAX,
    RECORD_KEY_BYTES_MAX,
    WRITERS_PER_STREAM_MAX,
)
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.fields import Content, to_json
from ledger.operations.governance import ProposalCreate, ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation, OperationKind
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.operations.table import (
    OPERATIONS,
    UnknownOperationError,
    operation_schema,
    operation_to_json,
    parse_operation,
)
from ledger.operations.validators import ValidatorReady
from ledger.primitives import Digest, PublicKey, Signature
from ledger.refusals import TABLE
from ledger.roles import Role
from ledger.validators import Validator
from tests.unit.ledger.accusing import accuse
from tests.unit.ledger.members import CHAIN, key_of

KEY, OTHER = key_of("a").public_key, key_of("b").public_key
HEX = KEY.hex()
EVIDENCE = accuse("v2", key_of("consensus"), CHAIN)

READY_VALUE = dict(OPERATIONS["validator.ready"].example)
READY = ValidatorReady(
    "acme",
    Validator(
        "v5",
        "acme",
        *(PublicKey(bytes.fromhex(str(READY_VALUE["entry"][f"{p}_key"]))) for p in ("consensus", "node", "cosigning")),  # type: ignore[index, call-overload]
        "ledger.acme.example:8471",
    ),
    1_200,
    ReadyProofs(*(Signature(bytes(64)) for _ in range(3))),
)

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
    (
        AccountSuspend("acme", "globex"),
        {"type": "account.suspend", "by": "acme", "account": "globex"},
    ),
    (
        AccountReinstate("acme", "globex"),
        {"type": "account.reinstate", "by": "acme", "account": "globex"},
    ),
    (
        RoleGrant("acme", "globex", "treasurer"),
        {"type": "role.grant", "by": "acme", "account": "globex", "role": "treasurer"},
    ),
    (
        RoleRevoke("acme", "globex", "treasurer"),
        {"type": "role.revoke", "by": "acme", "account": "globex", "role": "treasurer"},
    ),
    *(
        (
            ProposalCreate("acme", (parse_change(dict(change.example)),), 1_800_000_000_000, 3),
            {
                "type": "proposal.create",
                "by": "acme",
                "changes": [dict(change.example)],
                "expires": 1_800_000_000_000,
                "delay": 3,
            },
        )
        for change in CHANGES.values()
    ),
    (
        ProposalCreate("acme", (SuspendAccount("a"), ValidatorRemove("v1")), 9, 1, (Digest(bytes(32)),), "why"),
        {
            "type": "proposal.create",
            "by": "acme",
            "changes": [
                {"type": "account.suspend", "account": "a"},
                {"type": "validator.remove", "validator": "v1"},
            ],
            "expires": 9,
            "delay": 1,
            "evidence": ["00" * 32],
            "memo": "why",
        },
    ),
    (
        ProposalVote("org", 7, Digest(bytes(32)), False),
        {"type": "proposal.vote", "by": "org", "proposal": 7, "digest": "00" * 32, "approve": False},
    ),
    (ProposalWithdraw("acme", 7), {"type": "proposal.withdraw", "by": "acme", "proposal": 7}),
    (READY, READY_VALUE),
    (StreamCreate("acme", "news"), {"type": "stream.create", "by": "acme", "name": "news"}),
    (
        StreamCreate("acme", "news", ("acme", "bob.acme")),
        {"type": "stream.create", "by": "acme", "name": "news", "writers": ["acme", "bob.acme"]},
    ),
    (
        StreamWriters("acme", "news", ("bob.acme",)),
        {"type": "stream.writers", "by": "acme", "stream": "news", "writers": ["bob.acme"]},
    ),
    (StreamFreeze("acme", "news"), {"type": "stream.freeze", "by": "acme", "stream": "news"}),
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
        AssetDefine("acme", "euro", 2),
        {"type": "asset.define", "by": "acme", "name": "euro", "decimals": 2},
    ),
    (
        AssetDefine("acme", "euro", 0, Amount(AMOUNT_MAX), ("acme", "bob.acme")),
        {
            "type": "asset.define",
            "by": "acme",
            "name": "euro",
            "decimals": 0,
            "cap": "340282366920938463463374607431768211455",
            "issuers": ["acme", "bob.acme"],
        },
    ),
    (
        AssetIssue("acme", "euro", "bob", Amount(1)),
        {"type": "asset.issue", "by": "acme", "asset": "euro", "to": "bob", "amount": "1"},
    ),
    (
        AssetTransfer("acme", "euro", "bob", Amount(2**53)),
        {"type": "asset.transfer", "by": "acme", "asset": "euro", "to": "bob", "amount": "9007199254740992"},
    ),
    (
        AssetBurn("acme", "euro", Amount(10)),
        {"type": "asset.burn", "by": "acme", "asset": "euro", "amount": "10"},
    ),
    (
        AssetFreezeHolder("acme", "euro", "bob"),
        {"type": "asset.freeze_holder", "by": "acme", "asset": "euro", "holder": "bob"},
    ),
    (
        AssetUnfreezeHolder("acme", "euro", "bob"),
        {"type": "asset.unfreeze_holder", "by": "acme", "asset": "euro", "holder": "bob"},
    ),
    (
        EvidenceRecord("validator:v1", EVIDENCE),
        {"type": "evidence.record", "by": "validator:v1", "evidence": EVIDENCE.to_json()},
    ),
]

ADD: dict[str, Json] = {"type": "account.add", "by": "acme", "name": "bob", "keys": [HEX], "threshold": 1}
KEYS: dict[str, Json] = {"type": "account.keys", "by": "acme", "keys": [HEX], "threshold": 1}
SUSPEND: dict[str, Json] = {"type": "account.suspend", "by": "acme", "account": "globex"}
GRANT: dict[str, Json] = {"type": "role.grant", "by": "acme", "account": "globex", "role": "treasurer"}
PROPOSE: dict[str, Json] = {
    "type": "proposal.create",
    "by": "acme",
    "changes": [{"type": "quorum.set", "quorum": "bft"}],
    "expires": 9,
    "delay": 1,
}
VOTE: dict[str, Json] = {"type": "proposal.vote", "by": "org", "proposal": 7, "digest": "00" * 32, "approve": True}
CREATE: dict[str, Json] = {"type": "stream.create", "by": "acme", "name": "news"}
WRITERS: dict[str, Json] = {"type": "stream.writers", "by": "acme", "stream": "news", "writers": ["acme"]}
FREEZE: dict[str, Json] = {"type": "stream.freeze", "by": "acme", "stream": "news"}
EVIDENT: dict[str, Json] = {"type": "evidence.record", "by": "validator:v1", "evidence": EVIDENCE.to_json()}
APPEND: dict[str, Json] = {"type": "record.append", "by": "acme", "stream": "news", "content": 1}
DEFINE: dict[str, Json] = {"type": "asset.define", "by": "acme", "name": "euro", "decimals": 2}
MOVE: dict[str, Json] = {"type": "asset.transfer", "by": "acme", "asset": "euro", "to": "bob", "amount": "5"}
ISSUE: dict[str, Json] = {**MOVE, "type": "asset.issue"}
BURN: dict[str, Json] = {"type": "asset.burn", "by": "acme", "asset": "euro", "amount": "5"}
STOP: dict[str, Json] = {"type": "asset.freeze_holder", "by": "acme", "asset": "euro", "holder": "bob"}

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
    (ADD, {"roles": ["king"]}, "a role must be one of: administrator, operator, registrar, treasurer"),
    (ADD, {"roles": [["operator"]]}, "a role must be one of"),
    (ADD, {"roles": ["operator", "administrator"]}, "roles must be in ascending order"),
    (ADD, {"roles": ["operator", "operator"]}, "roles must be in ascending order"),
    (KEYS, {"name": "acme"}, "account.keys has an unknown field 'name'"),
    (SUSPEND, {"account": "validator:v1"}, "account must be a name"),
    (SUSPEND, {"name": "acme"}, "account.suspend has an unknown field 'name'"),
    (GRANT, {"role": "king"}, "a role must be one of"),
    (GRANT, {"role": ["treasurer"]}, "a role must be one of"),
    (PROPOSE, {"changes": []}, "changes must be a list of 1 to"),
    (PROPOSE, {"changes": [{"type": "quorum.set", "quorum": 3}] * 9}, "changes must be a list of 1 to"),
    (PROPOSE, {"changes": ["quorum.set"]}, "no change of type None"),
    (PROPOSE, {"changes": [{"type": "account.add"}]}, "no change of type 'account.add'"),
    (PROPOSE, {"changes": [{"type": ["quorum.set"]}]}, "no change of type"),
    (PROPOSE, {"changes": [{"type": "quorum.set"}]}, "quorum.set lacks the field 'quorum'"),
    (PROPOSE, {"changes": [{"type": "quorum.set", "quorum": 3, "q": 3}]}, "quorum.set has an unknown field 'q'"),
    (PROPOSE, {"changes": [{"type": "quorum.set", "quorum": 0}]}, "quorum must be"),
    (PROPOSE, {"changes": [{"type": "quorum.set", "quorum": True}]}, "quorum must be"),
    (PROPOSE, {"changes": [{"type": "parameter.set", "parameter": "fee", "value": 1}]}, "parameter must be one of"),
    (PROPOSE, {"changes": [{"type": "parameter.set", "parameter": "sender_quota", "value": "1"}]}, "value must be"),
    (PROPOSE, {"changes": [{"type": "validator.add", "validator": "V", "entry": "00" * 32}]}, "validator name"),
    (PROPOSE, {"changes": [{"type": "validator.add", "validator": "v", "entry": "00"}]}, "entry must be"),
    (PROPOSE, {"changes": [{"type": "role.grant", "account": "a", "role": "king"}]}, "a role must be one of"),
    (PROPOSE, {"expires": 0}, "expires must be an integer"),
    (PROPOSE, {"delay": 0}, "delay must be an integer"),
    (PROPOSE, {"delay": 100_001}, "delay must be an integer"),
    (PROPOSE, {"evidence": []}, "evidence must be a list of 1 to"),
    (PROPOSE, {"evidence": ["11" * 32, "00" * 32]}, "evidence must be in ascending order"),
    (PROPOSE, {"memo": ""}, "memo must be a string of 1 to"),
    (VOTE, {"proposal": 0}, "proposal must be an integer"),
    (VOTE, {"approve": 1}, "approve must be true or false"),
    (VOTE, {"digest": None}, "digest must be"),
    (READY_VALUE, {"entry": {}}, "validator lacks the field"),
    (READY_VALUE, {"height": -1}, "height must be an integer"),
    (READY_VALUE, {"proofs": {"consensus": "00" * 64}}, "proofs lacks the field"),
    (READY_VALUE, {"proofs": {"consensus": "00", "node": "00" * 64, "cosigning": "00" * 64}}, "consensus proof"),
    (CREATE, {"name": "a b"}, "name must be a name"),
    (CREATE, {"writers": []}, "writers must be a list of 1 to"),
    (CREATE, {"writers": ["b", "a"]}, "writers must be in ascending order"),
    (CREATE, {"writers": ["a", "a"]}, "writers must be in ascending order"),
    (CREATE, {"writers": ["validator:v1"]}, "an account must be a name"),
    (CREATE, {"writers": [f"a{n:03}" for n in range(WRITERS_PER_STREAM_MAX + 1)]}, "writers must be a list of 1 to"),
    (WRITERS, {"writers": []}, "writers must be a list of 1 to"),
    (WRITERS, {"writers": ["b", "a"]}, "writers must be in ascending order"),
    (WRITERS, {"name": "news"}, "stream.writers has an unknown field 'name'"),
    (FREEZE, {"stream": "News"}, "stream must be a name"),
    (FREEZE, {"frozen": False}, "stream.freeze has an unknown field 'frozen'"),
    (APPEND, {"stream": 1}, "stream must be a name"),
    (APPEND, {"content_digest": "00" * 32}, "either content or content_digest"),
    (APPEND, {"key": ""}, "key must be a string of 1 to"),
    (APPEND, {"key": None}, "key must be a string of 1 to"),
    (APPEND, {"key": "é" * (RECORD_KEY_BYTES_MAX // 2) + "e"}, "key must be a string of 1 to"),
    (APPEND, {"expected_revision": 0}, "expected_revision is about a key"),
    (APPEND, {"key": "k", "expected_revision": -1}, "expected_revision must be an integer"),
    (APPEND, {"key": "k", "expected_revision": None}, "expected_revision must be an integer"),
    (APPEND, {"by": None}, "by must be the name of an account"),
    (DEFINE, {"name": "Euro"}, "name must be a name"),
    (DEFINE, {"name": "a/b"}, "name must be a name"),
    (DEFINE, {"decimals": -1}, "decimals must be an integer from 0 to 18"),
    (DEFINE, {"decimals": DECIMALS_MAX + 1}, "decimals must be an integer from 0 to 18"),
    (DEFINE, {"decimals": "2"}, "decimals must be an integer"),
    (DEFINE, {"cap": None}, "cap must be a string of decimal digits"),
    (DEFINE, {"cap": "0"}, "cap must be a string of decimal digits"),
    (DEFINE, {"issuers": []}, "issuers must be a list of 1 to"),
    (DEFINE, {"issuers": ["b", "a"]}, "issuers must be in ascending order"),
    (DEFINE, {"issuers": [f"a{n:03}" for n in range(ISSUERS_PER_ASSET_MAX + 1)]}, "issuers must be a list of 1 to"),
    (DEFINE, {"supply": "5"}, "asset.define has an unknown field 'supply'"),
    *(
        (good, {"amount": amount}, "amount must be a string of decimal digits")
        for good in (ISSUE, MOVE, BURN)
        for amount in (
            5,
            5.0,
            "0",
            "05",
            "-5",
            "+5",
            "5.0",
            "5e3",
            "",
            " 5",
            "5 ",
            "5\n",
            "٣",
            "0x5",
            None,
            ["5"],
            True,
        )
    ),
    *((MOVE, {"amount": str(amount)}, "amount must be a string") for amount in (AMOUNT_MAX + 1, 10**39, 10**200)),
    (MOVE, {"to": "validator:v1"}, "to must be a name"),
    (BURN, {"to": "bob"}, "asset.burn has an unknown field 'to'"),
    (STOP, {"holder": ""}, "holder must be a name"),
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


@pytest.mark.parametrize(
    "good",
    [
        *(ADD, KEYS, SUSPEND, GRANT, PROPOSE, VOTE, READY_VALUE),
        *(CREATE, WRITERS, FREEZE, APPEND, DEFINE, ISSUE, MOVE, BURN, STOP, EVIDENT),
    ],
)
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
def test_what_is_declared_is_what_the_struct_has(kind: OperationKind) -> None:
    example = parse_operation(dict(kind.example))
    assert isinstance(example, Struct)
    assert [*example.__struct_fields__] == ["by", *(field.name for field in kind.fields)]
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
