"""What changes members: suspending, reinstating, granting and revoking, for single operations and proposals alike.

Nothing here asks who may: an operation (`ledger.operations.members`) demands a permission and leaves governed roles
alone, a proposal (`ledger.governance`) demands a quorum and looks at the result as a whole.
"""

from __future__ import annotations

from dataclasses import replace

from ledger.limits import ADMINISTRATORS_MAX
from ledger.refusals import Code, Refusal
from ledger.roles import Role
from ledger.rows.accounts import ADMINISTRATORS_KEY, Account, Administrators, account_key
from ledger.state import Overlay


def suspend(state: Overlay, name: str) -> Refusal | None:
    """Suspend the account called `name`."""
    account = find(state, name)
    if isinstance(account, Refusal):
        return account
    if account.suspended:
        return Refusal(Code.ALREADY_SUSPENDED, f"account {name} is suspended")
    state.put(account_key(name), replace(account, suspended=True))
    return None


def reinstate(state: Overlay, name: str) -> Refusal | None:
    """Take back the suspension of the account called `name`."""
    account = find(state, name)
    if isinstance(account, Refusal):
        return account
    if not account.suspended:
        return Refusal(Code.NOT_SUSPENDED, f"account {name} is not suspended")
    state.put(account_key(name), replace(account, suspended=False))
    return None


def grant_role(state: Overlay, name: str, role: str) -> Refusal | None:
    """Give the account called `name` a `role`."""
    account = find(state, name)
    if isinstance(account, Refusal):
        return account
    if role in account.roles:
        return Refusal(Code.ROLE_HELD, f"account {name} is {role} already")
    if role == Role.ADMINISTRATOR:
        names = state.administrators().names
        if len(names) >= ADMINISTRATORS_MAX:
            return Refusal(Code.ADMINISTRATORS_FULL, f"{len(names)} accounts are administrators")
        state.put(ADMINISTRATORS_KEY, Administrators(tuple(sorted((*names, name)))))
    state.put(account_key(name), replace(account, roles=tuple(sorted((*account.roles, role)))))
    return None


def revoke_role(state: Overlay, name: str, role: str) -> Refusal | None:
    """Take a `role` from the account called `name`."""
    account = find(state, name)
    if isinstance(account, Refusal):
        return account
    if role not in account.roles:
        return Refusal(Code.ROLE_NOT_HELD, f"account {name} is not {role}")
    if role == Role.ADMINISTRATOR:
        names = state.administrators().names
        state.put(ADMINISTRATORS_KEY, Administrators(tuple(other for other in names if other != name)))
    state.put(account_key(name), replace(account, roles=tuple(held for held in account.roles if held != role)))
    return None


def find(state: Overlay, name: str) -> Account | Refusal:
    """The account called `name`, or the refusal for there being none."""
    return state.account(name) or Refusal(Code.ACCOUNT_UNKNOWN, f"no account {name}")
