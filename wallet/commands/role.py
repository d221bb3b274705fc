"""`quorum-wallet role`: give and take roles that no quorum need decide, and what each role is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode
from wallet.options import Group, pass_session
from wallet.sending import Sending, send, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session


@click.group("role", cls=Group, short_help="Give roles to accounts, and take them back.")
def role_group() -> None:
    """Give roles to accounts, and take them back.

    Governed roles (administrator, operator) come and go by proposals: quorum-wallet proposal create grant-role.
    """


@role_group.command("grant", short_help="Give an account a role.")
@click.argument("name", metavar="ACCOUNT")
@click.argument("role")
@sending_options
@pass_session
def grant(session: Session, name: str, role: str, sending: Sending) -> int:
    """Give ACCOUNT a ROLE (administrators only).

    \b
    Example:  quorum-wallet role grant bank treasurer

    Next: quorum-wallet account show bank
    """
    return send(session, sending, [{"type": "role.grant", "account": name, "role": role}])


@role_group.command("revoke", short_help="Take a role from an account.")
@click.argument("name", metavar="ACCOUNT")
@click.argument("role")
@sending_options
@pass_session
def revoke(session: Session, name: str, role: str, sending: Sending) -> int:
    """Take a ROLE from ACCOUNT (administrators only).

    \b
    Example:  quorum-wallet role revoke bank treasurer

    Next: quorum-wallet account show bank
    """
    return send(session, sending, [{"type": "role.revoke", "account": name, "role": role}])


@role_group.command("list", short_help="The roles there are, and what each is for. Offline.")
@pass_session
def list_roles(session: Session) -> int:
    """List the roles that accounts may have, and what each is for. Who has which: quorum-wallet account show NAME.

    \b
    Example:  quorum-wallet role list
    """
    from ledger.roles import ROLES

    roles: list[dict[str, Json]] = [
        {"role": str(name), "governed": entry.governed, "what_it_is_for": entry.sentence}
        for name, entry in ROLES.items()
    ]
    session.output.items(roles, ("role", "governed", "what_it_is_for"), empty="No roles.")
    return ExitCode.OK
