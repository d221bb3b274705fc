"""Operations on other members: suspending, reinstating, granting and revoking roles.

They concern ordinary members only. An account that has a governed role, and a governed role itself, are out of their
reach (`ROLE_GOVERNED`): no administrator can keep operators from voting, or make itself a new one (design section 6).
A suspension acts on admission from the next height, and takes the permissions of the account's roles at once.
"""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct

from ledger import membership
from ledger.events import AccountTouched, Event
from ledger.operations import fields
from ledger.operations.fields import Field
from ledger.operations.kinds import OperationKind, Place
from ledger.refusals import Code, Refusal
from ledger.roles import ROLES, Permission
from ledger.state import Overlay


class AccountSuspend(Struct, frozen=True, gc=False):
    """Suspend `account`: nothing by it, or with its consent, is admitted any more."""

    kind: ClassVar[OperationKind]

    by: str
    account: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        refusal = _check(state, self.by, self.account, Permission.SUSPEND_ACCOUNTS)
        return refusal or membership.suspend(state, self.account) or _touched(self.account, place)


class AccountReinstate(Struct, frozen=True, gc=False):
    """Take back the suspension of `account`."""

    kind: ClassVar[OperationKind]

    by: str
    account: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        refusal = _check(state, self.by, self.account, Permission.SUSPEND_ACCOUNTS)
        return refusal or membership.reinstate(state, self.account) or _touched(self.account, place)


class RoleGrant(Struct, frozen=True, gc=False):
    """Give `account` a `role` that is not governed."""

    kind: ClassVar[OperationKind]

    by: str
    account: str
    role: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        refusal = _check(state, self.by, self.account, Permission.ASSIGN_ROLES, self.role)
        return refusal or membership.grant_role(state, self.account, self.role) or _touched(self.account, place)


class RoleRevoke(Struct, frozen=True, gc=False):
    """Take a `role` that is not governed from `account`."""

    kind: ClassVar[OperationKind]

    by: str
    account: str
    role: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        refusal = _check(state, self.by, self.account, Permission.ASSIGN_ROLES, self.role)
        return refusal or membership.revoke_role(state, self.account, self.role) or _touched(self.account, place)


def _check(state: Overlay, by: str, name: str, permission: Permission, role: str | None = None) -> Refusal | None:
    """Why `by` may not do that to the account called `name`, by itself and without a proposal; or None."""
    actor = state.account(by)
    assert actor is not None, "admission requires it"
    if not actor.may(permission):
        return Refusal(Code.PERMISSION_DENIED, f"{by} has no role that permits it ({permission})")
    if by == name:
        return Refusal(Code.PERMISSION_DENIED, f"{by} may not do it to itself")
    if role is not None and ROLES[role].governed:
        return Refusal(Code.ROLE_GOVERNED, f"{role} is a governed role")
    account = membership.find(state, name)
    if isinstance(account, Refusal):
        return account
    if account.governs:
        return Refusal(Code.ROLE_GOVERNED, f"account {name} has a governed role")
    return None


def _touched(name: str, place: Place) -> tuple[Event, ...]:
    return (AccountTouched(name, place.transaction_index, place.operation_index),)


_ACCOUNT: Final = Field("account", fields.ACCOUNT_NAME, "The account that it is done to; without a governed role.")
_ROLE: Final = Field("role", fields.ROLE_NAME, "The role; not a governed one.")
_CODES: Final = frozenset({Code.PERMISSION_DENIED, Code.ACCOUNT_UNKNOWN, Code.ROLE_GOVERNED})
_SUSPENDING: Final = "Administrators and registrars, to others without a governed role; the rest is by proposal."
_ASSIGNING: Final = "Administrators, to others without a governed role; the rest is by proposal."

AccountSuspend.kind = OperationKind(
    type="account.suspend",
    operation=AccountSuspend,
    summary="Suspends an account: from the next height nothing by it, or with its consent, is admitted.",
    fields=(_ACCOUNT,),
    permission=_SUSPENDING,
    codes=_CODES | {Code.ALREADY_SUSPENDED},
    example={"type": "account.suspend", "by": "acme", "account": "globex"},
)

AccountReinstate.kind = OperationKind(
    type="account.reinstate",
    operation=AccountReinstate,
    summary="Takes back the suspension of an account.",
    fields=(_ACCOUNT,),
    permission=_SUSPENDING,
    codes=_CODES | {Code.NOT_SUSPENDED},
    example={"type": "account.reinstate", "by": "acme", "account": "globex"},
)

RoleGrant.kind = OperationKind(
    type="role.grant",
    operation=RoleGrant,
    summary="Gives an account a role.",
    fields=(_ACCOUNT, _ROLE),
    permission=_ASSIGNING,
    codes=_CODES | {Code.ROLE_HELD},
    example={"type": "role.grant", "by": "acme", "account": "globex", "role": "treasurer"},
)

RoleRevoke.kind = OperationKind(
    type="role.revoke",
    operation=RoleRevoke,
    summary="Takes a role from an account.",
    fields=(_ACCOUNT, _ROLE),
    permission=_ASSIGNING,
    codes=_CODES | {Code.ROLE_NOT_HELD},
    example={"type": "role.revoke", "by": "acme", "account": "globex", "role": "treasurer"},
)

KINDS: Final = (AccountSuspend.kind, AccountReinstate.kind, RoleGrant.kind, RoleRevoke.kind)
