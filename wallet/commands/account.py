"""`quorum-wallet account`: add accounts, change keys, suspend them, look at them; and `history`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from wallet.options import Command, Group, pass_session
from wallet.reading import list_options, show_list, show_one
from wallet.sending import Sending, send, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session


@click.group("account", cls=Group, short_help="Add accounts, change keys, suspend, look at accounts.")
def account_group() -> None:
    """Add accounts, change keys, suspend and reinstate, look at accounts."""


@account_group.command("add", short_help="Add an account.")
@click.argument("name")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A key: 64 hex digits, or a key file or name; repeat it for several.",
)
@click.option("--threshold", type=int, default=1, show_default=True, help="How many of the keys must sign.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of the new account (administrators only).")
@sending_options
@pass_session
def add(
    session: Session,
    *,
    name: str,
    public_keys: tuple[str, ...],
    threshold: int,
    roles: tuple[str, ...],
    sending: Sending,
) -> int:
    """Add the account NAME with its keys.

    \b
    Example:  quorum-wallet account add alice.acme --public-key 3d40...660c
              quorum-wallet account add board --public-key KEY1 --public-key KEY2 --public-key KEY3 --threshold 2

    acme may add alice.acme; a name without a dot is added by an administrator. Next: the owner of the keys sends
    with --account NAME.
    """
    keys: list[Json] = [public_key_of(session, key) for key in public_keys]
    operation: dict[str, Json] = {"type": "account.add", "name": name, "keys": keys, "threshold": threshold}
    if roles:
        operation["roles"] = [*sorted(set(roles))]
    return send(session, sending, [operation])


@account_group.command("keys", short_help="Replace the keys of your account.")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A new key, as for account add; name every key that shall stay, too.",
)
@click.option("--threshold", type=int, default=1, show_default=True, help="How many of the new keys must sign.")
@sending_options
@pass_session
def keys_command(session: Session, public_keys: tuple[str, ...], threshold: int, sending: Sending) -> int:
    """Replace all keys and the threshold of your own account, signed with the old ones.

    \b
    Example:  quorum-wallet account keys --public-key new-key --key-file old-key

    The new keys count from the next block on. Next: quorum-wallet config set keys NEW, then destroy the old key.
    """
    keys: list[Json] = [public_key_of(session, key) for key in public_keys]
    return send(session, sending, [{"type": "account.keys", "keys": keys, "threshold": threshold}])


@account_group.command("suspend", short_help="Suspend another account.")
@click.argument("name")
@sending_options
@pass_session
def suspend(session: Session, name: str, sending: Sending) -> int:
    """Suspend the account NAME (administrators and registrars): nothing by it is admitted from the next block on.

    \b
    Example:  quorum-wallet account suspend alice.acme

    Who has a governed role (administrator, operator) is suspended by a proposal: quorum-wallet proposal create
    suspend NAME. To undo it: quorum-wallet account reinstate alice.acme
    """
    return send(session, sending, [{"type": "account.suspend", "account": name}])


@account_group.command("reinstate", short_help="Take back a suspension.")
@click.argument("name")
@sending_options
@pass_session
def reinstate(session: Session, name: str, sending: Sending) -> int:
    """Take back the suspension of the account NAME (administrators and registrars).

    \b
    Example:  quorum-wallet account reinstate alice.acme

    Who has a governed role is reinstated by a proposal. Next: quorum-wallet account show alice.acme
    """
    return send(session, sending, [{"type": "account.reinstate", "account": name}])


@account_group.command("show", short_help="Keys, threshold and roles of an account.")
@click.argument("name")
@click.option("--height", type=click.IntRange(min=0), help="As it was after the block of this height.")
@pass_session
def show(session: Session, name: str, height: int | None) -> int:
    """Show the keys, the threshold and the roles of an account, as a node states them.

    \b
    Example:  quorum-wallet account show acme --height 100
    """
    return show_one(session, f"/v1/accounts/{path_part(name)}", {"height": height})


@click.command("history", cls=Command, short_help="The transactions of an account.")
@click.argument("account")
@list_options
@pass_session
def history(session: Session, account: str, limit: int, order: str) -> int:
    """List the transactions that an account sent, cosigned or was changed by.

    \b
    Example:  quorum-wallet history acme --limit 20

    Next: quorum-wallet receipt get ID proves any of them.
    """
    return show_list(
        session,
        f"/v1/accounts/{path_part(account)}/history",
        ("height", "id", "result", "operations"),
        limit=limit,
        query={"order": order},
        empty=f"{account} has no transactions.",
    )


def path_part(name: str) -> str:
    """A name as one segment of a URL's path."""
    from urllib.parse import quote

    return quote(name, safe="")


def public_key_of(session: Session, reference: str) -> str:
    """The public key that `reference` means, as hex. Raises `WalletError` (15) for a file that does not state it."""
    from wallet.exit_codes import key_error
    from wallet.keys import key_path, read_key_file

    if re.fullmatch(r"[0-9a-f]{64}", reference):
        return reference
    file = read_key_file(key_path(reference, session.config.key_directory))
    if file.public_key is None:
        raise key_error(
            f"{file.path} does not state its public key.",
            code="public_key_unknown",
            remedy=f"Find it out: quorum-wallet key show {reference}; then give the 64 hex digits.",
        )
    return file.public_key
