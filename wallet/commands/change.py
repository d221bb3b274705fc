"""The verbs of `quorum-wallet proposal create`: one for each thing that a proposal may ask for.

Each returns a `Change` for the proposal. What names a candidate's entry is looked up when all of the line is known, for
only then it is known whether any node may be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import click

from wallet.commands.account import public_key_of
from wallet.exit_codes import ExitCode, WalletError, usage_error
from wallet.options import Command, pass_session

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session

Change: TypeAlias = "Callable[[bool], dict[str, Json]]"
"""A change in its JSON form; told whether the wallet is offline."""

_NEXT = (
    "More changes may follow on the same line: all of them happen, or none. See quorum-wallet proposal create --help."
)


def _entry_option(command: Callable[..., Change]) -> Callable[..., Change]:
    return click.option(
        "--entry", metavar="HEX", help="The digest of the candidate's entry; without it a node is asked."
    )(command)


@click.command("add-validator", cls=Command, short_help="Add a candidate to the validator set.", epilog=_NEXT)
@click.argument("validator")
@_entry_option
@pass_session
def add_validator(session: Session, validator: str, entry: str | None) -> Change:
    """Add the candidate VALIDATOR, which has said that it is ready, to the validator set.

    \b
    Example:  quorum-wallet proposal create add-validator dock-1 set-quorum bft
    """
    return _with_entry(session, "validator.add", validator, entry)


@click.command("remove-validator", cls=Command, short_help="Take a validator out of the set.", epilog=_NEXT)
@click.argument("validator")
def remove_validator(validator: str) -> Change:
    """Take VALIDATOR out of the set. Its keys never serve again.

    \b
    Example:  quorum-wallet proposal create remove-validator dock-1
    """
    return lambda _: {"type": "validator.remove", "validator": validator}


@click.command("rekey-validator", cls=Command, short_help="Give a validator new keys.", epilog=_NEXT)
@click.argument("validator")
@_entry_option
@pass_session
def rekey_validator(session: Session, validator: str, entry: str | None) -> Change:
    """Give VALIDATOR the three new keys and the address of its candidate, which has said that it is ready.

    \b
    Example:  quorum-wallet proposal create rekey-validator dock-1
    """
    return _with_entry(session, "validator.rekey", validator, entry)


@click.command("set-quorum", cls=Command, short_help="Set the quorum rule: majority, bft or a number.", epilog=_NEXT)
@click.argument("rule")
def set_quorum(rule: str) -> Change:
    """Set the quorum to RULE: majority, bft, or the number q of validators that must sign (n/2 < q <= n).

    \b
    Example:  quorum-wallet proposal create set-quorum bft
    """
    return lambda _: {"type": "quorum.set", "quorum": _number(rule) if rule.isdecimal() else rule}


@click.command("set-parameter", cls=Command, short_help="Set a parameter of the chain.", epilog=_NEXT)
@click.argument("parameter")
@click.argument("value")
def set_parameter(parameter: str, value: str) -> Change:
    """Set PARAMETER (sender_quota, heartbeat_ms, ...) to VALUE, a whole number within its bounds.

    \b
    Example:  quorum-wallet proposal create set-parameter sender_quota 200
    """
    if parameter == "protocol_version":
        raise usage_error(
            "The protocol version is changed by a verb of its own.",
            remedy=f"Say: quorum-wallet proposal create upgrade {value}",
        )
    return lambda _: {"type": "parameter.set", "parameter": parameter, "value": _number(value)}


@click.command("upgrade", cls=Command, short_help="Go on to the next protocol version.", epilog=_NEXT)
@click.argument("version")
def upgrade(version: str) -> Change:
    """Go on to protocol VERSION, the next one. Nodes whose software does not know it stop voting from then on.

    \b
    Example:  quorum-wallet proposal create upgrade 2 --delay 20000
    """
    return lambda _: {"type": "parameter.set", "parameter": "protocol_version", "value": _number(version)}


@click.command("grant-role", cls=Command, short_help="Give an account a role, also a governed one.", epilog=_NEXT)
@click.argument("name", metavar="ACCOUNT")
@click.argument("role")
def grant_role(name: str, role: str) -> Change:
    """Give ACCOUNT a ROLE, also a governed one (administrator, operator).

    \b
    Example:  quorum-wallet proposal create grant-role dock operator
    """
    return lambda _: {"type": "role.grant", "account": name, "role": role}


@click.command("revoke-role", cls=Command, short_help="Take a role from an account.", epilog=_NEXT)
@click.argument("name", metavar="ACCOUNT")
@click.argument("role")
def revoke_role(name: str, role: str) -> Change:
    """Take a ROLE, also a governed one, from ACCOUNT.

    \b
    Example:  quorum-wallet proposal create revoke-role dock operator
              quorum-wallet proposal create remove-validator dock-1 revoke-role dock operator
    """
    return lambda _: {"type": "role.revoke", "account": name, "role": role}


@click.command("suspend", cls=Command, short_help="Suspend an account, whatever its roles.", epilog=_NEXT)
@click.argument("name", metavar="ACCOUNT")
def suspend(name: str) -> Change:
    """Suspend ACCOUNT, whatever its roles; its votes have no weight while it is suspended.

    \b
    Example:  quorum-wallet proposal create suspend dock
    """
    return lambda _: {"type": "account.suspend", "account": name}


@click.command("reinstate", cls=Command, short_help="Take back a suspension, whatever the roles.", epilog=_NEXT)
@click.argument("name", metavar="ACCOUNT")
def reinstate(name: str) -> Change:
    """Take back the suspension of ACCOUNT, whatever its roles.

    \b
    Example:  quorum-wallet proposal create reinstate dock
    """
    return lambda _: {"type": "account.reinstate", "account": name}


@click.command("recover-account", cls=Command, short_help="Give an account other keys.", epilog=_NEXT)
@click.argument("name", metavar="ACCOUNT")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A new key: 64 hex digits, or a key file or name; repeat it for several.",
)
@click.option("--threshold", type=int, default=1, show_default=True, help="How many of the new keys must sign.")
@pass_session
def recover_account(session: Session, name: str, public_keys: tuple[str, ...], threshold: int) -> Change:
    """Give ACCOUNT, which lost its keys or lost them to others, new keys and a new threshold.

    \b
    Example:  quorum-wallet proposal create recover-account dock --public-key 3d40...660c
    """
    keys: list[Json] = [public_key_of(session, key) for key in public_keys]
    return lambda _: {"type": "account.recover", "account": name, "keys": keys, "threshold": threshold}


CHANGES: tuple[click.Command, ...] = (
    add_validator,
    remove_validator,
    rekey_validator,
    set_quorum,
    set_parameter,
    upgrade,
    grant_role,
    revoke_role,
    suspend,
    reinstate,
    recover_account,
)
"""Every verb, in the order in which help lists them."""


def _number(text: str) -> int:
    """A plain whole number. Raises `WalletError` (2)."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise usage_error(f"'{text}' is no whole number.", remedy="Write digits only: 200")
    return int(text)


def _with_entry(session: Session, type_name: str, validator: str, entry: str | None) -> Change:
    """A change that names the entry of a candidate."""

    def resolve(offline: bool) -> dict[str, Json]:
        return {
            "type": type_name,
            "validator": validator,
            "entry": _candidate(session, validator, offline=offline) if entry is None else entry,
        }

    return resolve


def _candidate(session: Session, validator: str, *, offline: bool) -> str:
    """The digest of the entry of a candidate, computed from it. Raises `WalletError`: offline (2), none ready (12)."""
    from wallet.review import find_candidate

    if offline:
        raise usage_error(
            f"Offline no node is asked which entry {validator} is ready with.",
            code="entry_unknown",
            remedy="Say it: --entry HEX (the digest in: quorum-wallet validator candidates)",
        )
    found = find_candidate(session, validator)
    if found is None:
        raise WalletError(
            ExitCode.NOT_FOUND,
            "candidate_unknown",
            f"Nobody has said that it is ready to be the validator {validator}.",
            remedy="Its operator submits a ready statement: quorum-wallet validator ready FILE (of quorum-node ready)",
        )
    return found.digest.hex()
