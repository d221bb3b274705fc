"""Roles and what they permit: the one table that answers "may this account do that?".

A role is a name on an account; a permission is what a rule asks for. Rules never ask for a role, so that a new
role is a row here. What an account may do to what it owns (its keys, its streams, the names below its own) needs no
role: that stands with the rule itself.

**Governed roles** decide about the chain itself. They come and go by governance proposals only, and so do suspensions
of the accounts that have one: no single account, whatever its roles, can make itself or others part of those who
govern, nor keep them from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Permission(StrEnum):
    """Something that not every account may do."""

    ADD_ANY_ACCOUNT = "add_any_account"
    SUSPEND_ACCOUNTS = "suspend_accounts"
    ASSIGN_ROLES = "assign_roles"
    DEFINE_ASSET = "define_asset"
    OPERATE_VALIDATOR = "operate_validator"
    PROPOSE_CHANGES = "propose_changes"


@unique
class Role(StrEnum):
    """The names of the roles an account may have."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    REGISTRAR = "registrar"
    TREASURER = "treasurer"


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """A row of the table: what a role is for, what it permits, and whether it is a governed one."""

    sentence: str
    permissions: frozenset[Permission]
    governed: bool = False


ROLES: Mapping[str, RoleEntry] = {
    Role.ADMINISTRATOR: RoleEntry(
        "Looks after membership: adds accounts under any name, also at the top level, suspends and reinstates them and "
        "gives them roles; defines assets; proposes changes of the chain itself.",
        frozenset(
            {
                Permission.ADD_ANY_ACCOUNT,
                Permission.SUSPEND_ACCOUNTS,
                Permission.ASSIGN_ROLES,
                Permission.DEFINE_ASSET,
                Permission.PROPOSE_CHANGES,
            }
        ),
        governed=True,
    ),
    Role.OPERATOR: RoleEntry(
        "May be named as the account that operates a validator; while it operates one, it proposes and votes.",
        frozenset({Permission.OPERATE_VALIDATOR}),
        governed=True,
    ),
    Role.REGISTRAR: RoleEntry(
        "Adds accounts under any name, without roles; suspends and reinstates those that have no governed role.",
        frozenset({Permission.ADD_ANY_ACCOUNT, Permission.SUSPEND_ACCOUNTS}),
    ),
    Role.TREASURER: RoleEntry(
        "Defines assets.",
        frozenset({Permission.DEFINE_ASSET}),
    ),
}
