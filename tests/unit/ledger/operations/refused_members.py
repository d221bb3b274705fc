"""Operations on other members that are refused: what is wrong with each, and its code."""

from __future__ import annotations

from typing import Final

from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.refusals import Code
from tests.unit.ledger.operations.acting import RefusedOperation

REFUSED: Final[list[RefusedOperation]] = [
    # account.suspend
    ("a member suspends", AccountSuspend("globex", "board"), Code.PERMISSION_DENIED),
    ("a treasurer suspends", AccountSuspend("mint", "board"), Code.PERMISSION_DENIED),
    ("an operator suspends", AccountSuspend("org", "board"), Code.PERMISSION_DENIED),
    ("a parent suspends who is below it", AccountSuspend("globex", "alice.acme"), Code.PERMISSION_DENIED),
    ("an administrator suspends itself", AccountSuspend("acme", "acme"), Code.PERMISSION_DENIED),
    ("a registrar suspends itself", AccountSuspend("desk", "desk"), Code.PERMISSION_DENIED),
    ("an administrator suspends an operator", AccountSuspend("acme", "org"), Code.ROLE_GOVERNED),
    ("a registrar suspends an operator", AccountSuspend("desk", "org"), Code.ROLE_GOVERNED),
    ("a registrar suspends an administrator", AccountSuspend("desk", "acme"), Code.ROLE_GOVERNED),
    ("suspending nobody", AccountSuspend("acme", "nobody"), Code.ACCOUNT_UNKNOWN),
    ("suspending twice", AccountSuspend("acme", "closed"), Code.ALREADY_SUSPENDED),
    # account.reinstate
    ("a member reinstates", AccountReinstate("globex", "closed"), Code.PERMISSION_DENIED),
    ("an operator reinstates", AccountReinstate("org", "closed"), Code.PERMISSION_DENIED),
    ("an administrator reinstates itself", AccountReinstate("acme", "acme"), Code.PERMISSION_DENIED),
    ("a registrar reinstates an operator", AccountReinstate("desk", "org"), Code.ROLE_GOVERNED),
    ("an administrator reinstates an operator", AccountReinstate("acme", "org"), Code.ROLE_GOVERNED),
    ("reinstating nobody", AccountReinstate("acme", "nobody"), Code.ACCOUNT_UNKNOWN),
    ("reinstating who is not suspended", AccountReinstate("acme", "globex"), Code.NOT_SUSPENDED),
    # role.grant
    ("a member grants", RoleGrant("globex", "board", "treasurer"), Code.PERMISSION_DENIED),
    ("a registrar grants", RoleGrant("desk", "board", "registrar"), Code.PERMISSION_DENIED),
    ("an operator grants", RoleGrant("org", "board", "treasurer"), Code.PERMISSION_DENIED),
    ("an administrator grants to itself", RoleGrant("acme", "acme", "treasurer"), Code.PERMISSION_DENIED),
    ("a new administrator", RoleGrant("acme", "globex", "administrator"), Code.ROLE_GOVERNED),
    ("a new operator", RoleGrant("acme", "globex", "operator"), Code.ROLE_GOVERNED),
    ("a further role for an operator", RoleGrant("acme", "org", "treasurer"), Code.ROLE_GOVERNED),
    ("a role for nobody", RoleGrant("acme", "nobody", "treasurer"), Code.ACCOUNT_UNKNOWN),
    ("a role that it has", RoleGrant("acme", "mint", "treasurer"), Code.ROLE_HELD),
    # role.revoke
    ("a member revokes", RoleRevoke("globex", "mint", "treasurer"), Code.PERMISSION_DENIED),
    ("a registrar revokes", RoleRevoke("desk", "mint", "treasurer"), Code.PERMISSION_DENIED),
    ("one revokes one's own", RoleRevoke("acme", "acme", "administrator"), Code.PERMISSION_DENIED),
    ("the role of an operator", RoleRevoke("acme", "org", "operator"), Code.ROLE_GOVERNED),
    ("the role of nobody", RoleRevoke("acme", "nobody", "treasurer"), Code.ACCOUNT_UNKNOWN),
    ("a role that it has not", RoleRevoke("acme", "mint", "registrar"), Code.ROLE_NOT_HELD),
]
