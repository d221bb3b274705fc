"""What a proposal may ask for: a dataclass for each type of change, declared as operations are, in one table.

A change is data. What it does to the state, and when that is refused, stands in `ledger.governance.draft`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, TypeAlias

from ledger.encoding import Json, expect_list
from ledger.errors import MalformedError
from ledger.limits import CHANGES_PER_PROPOSAL_MAX, INTEGER_MAX
from ledger.operations import fields
from ledger.operations.fields import Field, FieldType, to_json
from ledger.parameters import PARAMETERS
from ledger.primitives import Digest, PublicKey
from ledger.validators import Quorum


@dataclass(frozen=True)
class ChangeKind:
    """All that is declared about a type of change. `example` is a whole change in its JSON form."""

    type: str
    change: Callable[..., Change]
    summary: str
    fields: tuple[Field, ...]
    example: Mapping[str, Json]

    @cached_property
    def schema(self) -> dict[str, Json]:
        """The JSON Schema of the type, with its summary and its fields' descriptions."""
        properties: dict[str, Json] = {"type": {"const": self.type}}
        for field in self.fields:
            properties[field.name] = {**field.type.schema, "description": field.description}
        return {
            "type": "object",
            "title": self.type,
            "description": self.summary,
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
            "examples": [dict(self.example)],
        }


class _Declared:
    """What all changes have: a kind, and a JSON form that follows from its declaration."""

    __slots__ = ()

    kind: ClassVar[ChangeKind]

    def to_json(self) -> dict[str, Json]:
        """The change as it stands in operations and in state; `parse_change` undoes it."""
        value: dict[str, Json] = {"type": self.kind.type}
        return value | {field.name: to_json(getattr(self, field.name)) for field in self.kind.fields}


@dataclass(frozen=True, slots=True)
class ValidatorAdd(_Declared):
    """Append the candidate `validator`, whose entry has the digest `entry`, to the set."""

    validator: str
    entry: Digest


@dataclass(frozen=True, slots=True)
class ValidatorRemove(_Declared):
    """Take `validator` out of the set; its keys are retired."""

    validator: str


@dataclass(frozen=True, slots=True)
class ValidatorRekey(_Declared):
    """Give `validator` the entry of its candidate, which has the digest `entry`; name, operator and place stay."""

    validator: str
    entry: Digest


@dataclass(frozen=True, slots=True)
class QuorumSet(_Declared):
    """Set the quorum rule."""

    quorum: Quorum


@dataclass(frozen=True, slots=True)
class ParameterSet(_Declared):
    """Set one parameter."""

    parameter: str
    value: int


@dataclass(frozen=True, slots=True)
class GrantRole(_Declared):
    """Give `account` a `role`, governed or not."""

    account: str
    role: str


@dataclass(frozen=True, slots=True)
class RevokeRole(_Declared):
    """Take a `role`, governed or not, from `account`."""

    account: str
    role: str


@dataclass(frozen=True, slots=True)
class SuspendAccount(_Declared):
    """Suspend `account`, whatever its roles."""

    account: str


@dataclass(frozen=True, slots=True)
class ReinstateAccount(_Declared):
    """Take back the suspension of `account`, whatever its roles."""

    account: str


@dataclass(frozen=True, slots=True)
class RecoverAccount(_Declared):
    """Give `account` other keys and another threshold: the way back for who lost its keys, or lost them to others."""

    account: str
    keys: tuple[PublicKey, ...]
    threshold: int


Change: TypeAlias = (
    ValidatorAdd
    | ValidatorRemove
    | ValidatorRekey
    | QuorumSet
    | ParameterSet
    | GrantRole
    | RevokeRole
    | SuspendAccount
    | ReinstateAccount
    | RecoverAccount
)
"""One change of a proposal."""


def changes_set(changes: tuple[Change, ...]) -> bool:
    """Whether any of `changes` is of the validator set or its quorum."""
    return any(isinstance(change, ValidatorAdd | ValidatorRemove | ValidatorRekey | QuorumSet) for change in changes)


def accounts_named(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """The accounts that `changes` are done to, each once, in order."""
    named = (
        change.account
        for change in changes
        if isinstance(change, GrantRole | RevokeRole | SuspendAccount | ReinstateAccount | RecoverAccount)
    )
    return tuple(dict.fromkeys(named))


def validators_named(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """The names of the validators that `changes` add, remove or give new keys, each once, in order."""
    named = (
        change.validator for change in changes if isinstance(change, ValidatorAdd | ValidatorRemove | ValidatorRekey)
    )
    return tuple(dict.fromkeys(named))


def parse_change(value: Json) -> Change:
    """The change that `value` stands for. Raises `MalformedError`."""
    type_name = value.get("type") if isinstance(value, dict) else None
    kind = CHANGES.get(type_name) if isinstance(type_name, str) else None
    if kind is None or not isinstance(value, dict):
        raise MalformedError(f"there is no change of type {type_name!r}")
    names = {field.name for field in kind.fields}
    if surplus := value.keys() - names - {"type"}:
        raise MalformedError(f"{kind.type} has an unknown field {sorted(surplus)[0]!r}")
    if missing := names - value.keys():
        raise MalformedError(f"{kind.type} lacks the field {sorted(missing)[0]!r}")
    return kind.change(**{field.name: field.type.parse(value[field.name], field.name) for field in kind.fields})


def parse_changes(value: Json, what: str) -> tuple[Change, ...]:
    """The changes of a proposal, in the order in which they are applied. Raises `MalformedError`."""
    items = expect_list(value, what=what, items_max=CHANGES_PER_PROPOSAL_MAX, items_min=1)
    return tuple(parse_change(item) for item in items)


def _parse_parameter(value: Json, what: str) -> str:
    if isinstance(value, str) and value in PARAMETERS:
        return value
    raise MalformedError(f"{what} must be one of: {', '.join(PARAMETERS)}")


_PARAMETER: Final = FieldType(_parse_parameter, {"type": "string", "enum": list(PARAMETERS)})
_ACCOUNT: Final = Field("account", fields.ACCOUNT_NAME, "The account that it is done to.")
_ROLE: Final = Field("role", fields.ROLE_NAME, "The role.")
_VALIDATOR: Final = Field("validator", fields.VALIDATOR_NAME, "The validator's name.")
_ENTRY: Final = Field("entry", fields.DIGEST, "The digest of the candidate's entry (see validator.ready).")

_EXAMPLE_ENTRY: Final = "6a2da20943931e9834fc12cfe5bb47bbd9ae43489a30726962b576f4e3993e50"
_EXAMPLE_KEY: Final = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

ValidatorAdd.kind = ChangeKind(
    type="validator.add",
    change=ValidatorAdd,
    summary="Appends a candidate that is ready to the validator set.",
    fields=(_VALIDATOR, _ENTRY),
    example={"type": "validator.add", "validator": "v5", "entry": _EXAMPLE_ENTRY},
)
ValidatorRemove.kind = ChangeKind(
    type="validator.remove",
    change=ValidatorRemove,
    summary="Takes a validator out of the set; its keys never serve again.",
    fields=(_VALIDATOR,),
    example={"type": "validator.remove", "validator": "v2"},
)
ValidatorRekey.kind = ChangeKind(
    type="validator.rekey",
    change=ValidatorRekey,
    summary="Gives a validator the three new keys and the address of its candidate; name, operator and place stay.",
    fields=(_VALIDATOR, _ENTRY),
    example={"type": "validator.rekey", "validator": "v2", "entry": _EXAMPLE_ENTRY},
)
QuorumSet.kind = ChangeKind(
    type="quorum.set",
    change=QuorumSet,
    summary="Sets the quorum rule: majority, bft, or a number q with n/2 < q <= n.",
    fields=(Field("quorum", fields.QUORUM, "The rule, or q itself."),),
    example={"type": "quorum.set", "quorum": "bft"},
)
ParameterSet.kind = ChangeKind(
    type="parameter.set",
    change=ParameterSet,
    summary="Sets a parameter; protocol_version only to the next one, and not before operators could update.",
    fields=(
        Field("parameter", _PARAMETER, "The parameter's name."),
        Field("value", fields.integer(0, INTEGER_MAX), "Its new value, within its bounds."),
    ),
    example={"type": "parameter.set", "parameter": "sender_quota", "value": 200},
)
GrantRole.kind = ChangeKind(
    type="role.grant",
    change=GrantRole,
    summary="Gives an account a role, also a governed one.",
    fields=(_ACCOUNT, _ROLE),
    example={"type": "role.grant", "account": "globex", "role": "operator"},
)
RevokeRole.kind = ChangeKind(
    type="role.revoke",
    change=RevokeRole,
    summary="Takes a role from an account, also a governed one.",
    fields=(_ACCOUNT, _ROLE),
    example={"type": "role.revoke", "account": "globex", "role": "operator"},
)
SuspendAccount.kind = ChangeKind(
    type="account.suspend",
    change=SuspendAccount,
    summary="Suspends an account, also one that has a governed role; its votes have no weight while it is suspended.",
    fields=(_ACCOUNT,),
    example={"type": "account.suspend", "account": "globex"},
)
ReinstateAccount.kind = ChangeKind(
    type="account.reinstate",
    change=ReinstateAccount,
    summary="Takes back the suspension of an account, also of one that has a governed role.",
    fields=(_ACCOUNT,),
    example={"type": "account.reinstate", "account": "globex"},
)
RecoverAccount.kind = ChangeKind(
    type="account.recover",
    change=RecoverAccount,
    summary="Gives an account other keys and another threshold.",
    fields=(
        _ACCOUNT,
        Field("keys", fields.PUBLIC_KEYS, "The Ed25519 public keys (hex) that may sign for the account, each once."),
        Field("threshold", fields.THRESHOLD, "How many of the keys must sign: from 1 to their number."),
    ),
    example={"type": "account.recover", "account": "globex", "keys": [_EXAMPLE_KEY], "threshold": 1},
)

CHANGES: Final[dict[str, ChangeKind]] = {
    kind.type: kind
    for kind in (
        ValidatorAdd.kind,
        ValidatorRemove.kind,
        ValidatorRekey.kind,
        QuorumSet.kind,
        ParameterSet.kind,
        GrantRole.kind,
        RevokeRole.kind,
        SuspendAccount.kind,
        ReinstateAccount.kind,
        RecoverAccount.kind,
    )
}
"""Every type of change."""
