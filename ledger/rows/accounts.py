"""Accounts: the members, their keys and roles; and who administers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.crypto import check_public_key
from ledger.encoding import Json, decode, expect_fields, expect_integer, expect_list
from ledger.errors import MalformedError
from ledger.limits import (
    ADMINISTRATORS_MAX,
    KEYS_PER_ACCOUNT_MAX,
    PUBLIC_KEYS_REMEMBERED_MAX,
    ROLES_PER_ACCOUNT_MAX,
    STATE_ROWS_REMEMBERED_MAX,
)
from ledger.names import parse_account_name
from ledger.primitives import PublicKey, parse_public_key
from ledger.refusals import Code, Refusal
from ledger.roles import ROLES, Permission
from ledger.rows.reading import ROW_BYTES_MAX, parse_boolean

ACCOUNT_PREFIX: Final = b"account/"
ADMINISTRATORS_KEY: Final = b"administrators"


@dataclass(frozen=True, slots=True)
class Account:
    """A member: its keys (ascending), how many of them must sign, its roles (ascending)."""

    name: str
    keys: tuple[PublicKey, ...]
    threshold: int
    roles: tuple[str, ...]
    suspended: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether one of the account's roles has `permission`, and the account is not suspended."""
        return not self.suspended and self.has(permission)

    def has(self, permission: Permission) -> bool:
        """Whether one of the account's roles has `permission`, suspended or not."""
        return any(permission in ROLES[role].permissions for role in self.roles)

    @property
    def governs(self) -> bool:
        """Whether the account has a governed role (see `ledger.roles`)."""
        return any(ROLES[role].governed for role in self.roles)

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "name": self.name,
            "keys": [key.hex() for key in self.keys],
            "threshold": self.threshold,
            "roles": [str(role) for role in self.roles],
            "suspended": self.suspended,
        }


@dataclass(frozen=True, slots=True)
class Administrators:
    """Which accounts have the role administrator, suspended or not (ascending): the last one can be counted."""

    names: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {"accounts": list(self.names)}


# Asked several times for each transaction, of the same few names.
@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def account_key(name: str) -> bytes:
    """The state key of an account."""
    return ACCOUNT_PREFIX + name.encode()


# The same accounts send in block after block, and several readers of one height decode the same rows.
@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_account_row(data: bytes) -> Account:
    """An account from the value of its row. Raises `MalformedError`."""
    return parse_account(decode(data, bytes_max=ROW_BYTES_MAX, what="account row"))


def parse_account(value: Json) -> Account:
    """An account from its JSON form, as in state; keys and names are checked for form only. Raises `MalformedError`."""
    fields = expect_fields(
        value, what="account", required=frozenset({"name", "keys", "threshold", "roles", "suspended"})
    )
    keys = expect_list(fields["keys"], what="keys", items_max=KEYS_PER_ACCOUNT_MAX, items_min=1)
    roles = expect_list(fields["roles"], what="roles", items_max=ROLES_PER_ACCOUNT_MAX)
    return Account(
        name=parse_account_name(fields["name"], "account"),
        keys=tuple(parse_public_key(key, "key") for key in keys),
        threshold=expect_integer(fields["threshold"], what="threshold", minimum=1),
        roles=tuple(parse_role(role) for role in roles),
        suspended=parse_boolean(fields["suspended"], "suspended"),
    )


def parse_administrators_row(data: bytes) -> Administrators:
    """The administrators from the value of their row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="administrators row"),
        what="administrators",
        required=frozenset({"accounts"}),
    )
    names = expect_list(fields["accounts"], what="administrators", items_max=ADMINISTRATORS_MAX)
    return Administrators(tuple(parse_account_name(name, "an administrator") for name in names))


def parse_role(value: Json) -> str:
    """A role from its name. Raises `MalformedError`."""
    if isinstance(value, str) and value in ROLES:
        return value
    raise MalformedError(f"a role must be one of: {', '.join(ROLES)}")


# A key takes 30 us to check, a block of two megabytes can name 30,000, and a block is executed several times: built or
# checked in each round, and by its proposer twice. With a memory, such blocks hold up one round and not many.
@lru_cache(maxsize=PUBLIC_KEYS_REMEMBERED_MAX)
def is_acceptable(key: PublicKey) -> bool:
    """Whether `key` may be registered (`check_public_key`, remembered)."""
    return check_public_key(key)


def check_keys(keys: tuple[PublicKey, ...], threshold: int) -> Refusal | None:
    """Why an account may not have these keys and this threshold, or None. The rule of genesis and of operations."""
    for key in keys:
        if not is_acceptable(key):
            return Refusal(Code.KEY_UNACCEPTABLE, f"key {key.hex()} is not an acceptable Ed25519 public key")
    if len(set(keys)) != len(keys):
        return Refusal(Code.KEY_IN_USE, "a key is listed twice")
    if not 1 <= threshold <= len(keys):
        return Refusal(Code.THRESHOLD_IMPOSSIBLE, f"a threshold of {threshold} cannot be met by {len(keys)} keys")
    return None
