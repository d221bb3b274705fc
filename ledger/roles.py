"""Roles and what they permit: the one table that answers "may this account do that?".

A role is a name on an account; a permission is what a rule asks for. Rules never ask for a role, so that a new
role is a row here. What an account may do to what it owns (its keys, its streams, the names below its own) needs no
role: that stands with the rule itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Permission(StrEnum):
    """Something that not every account may do."""

    ADD_ANY_ACCOUNT = "add_any_account"
    ASSIGN_ROLES = "assign_roles"
    OPERATE_VALIDATOR = "operate_validator"
    DEFINE_ASSET = "define_asset"


@unique
class Role(StrEnum):
    """The names of the roles an account may have."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    TREASURER = "treasurer"


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """A row of the table: what a role is for, and what it permits."""

    sentence: str
    permissions: frozenset[Permission]


ROLES: Mapping[str, RoleEntry] = {
    Role.ADMINISTRATOR: RoleEntry(
        "Looks after membership: adds accounts under any name, also at the top level, and gives new ones roles; "
        "defines assets.",
        frozenset({Permission.ADD_ANY_ACCOUNT, Permission.ASSIGN_ROLES, Permission.DEFINE_ASSET}),
    ),
    Role.OPERATOR: RoleEntry(
        "May be named as the account that operates a validator.",
        frozenset({Permission.OPERATE_VALIDATOR}),
    ),
    Role.TREASURER: RoleEntry(
        "Defines assets.",
        frozenset({Permission.DEFINE_ASSET}),
    ),
}
