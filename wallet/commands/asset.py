"""`quorum-wallet asset`, `transfer` and `balance`: what there is, who holds it, and moving it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from wallet.amounts import DECIMALS_RANGE, amount_options, stated_amount, to_units, units_of
from wallet.commands.account import path_part
from wallet.options import Command, Group, pass_session
from wallet.reading import limit_option, show_list, show_one
from wallet.sending import Sending, send, sender_of, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session

_height_option = click.option("--height", type=click.IntRange(min=0), help="As it was after the block of this height.")


@click.group("asset", cls=Group, short_help="Define assets, issue and burn them, see who holds them.")
def asset_group() -> None:
    """Define assets, issue and burn them, freeze holders, and see who holds what.

    The ledger counts whole smallest units; an asset's decimals say how people write them: with 2 decimals, 1250 units
    are 12.50. To move what you hold: quorum-wallet transfer.
    """


@asset_group.command("define", short_help="Define an asset.")
@click.argument("name")
@click.option(
    "--decimals",
    type=DECIMALS_RANGE,
    required=True,
    metavar="N",
    help="Digits behind the point: 2 for cents, 0 for what is not divided. It never changes.",
)
@click.option("--cap", metavar="AMOUNT", help="The most there may ever be of it, with its decimals: 1000000.00")
@click.option("--issuer", "issuers", multiple=True, metavar="NAME", help="An account that may issue it; repeat it.")
@sending_options
@pass_session
def define(
    session: Session, *, name: str, decimals: int, cap: str | None, issuers: tuple[str, ...], sending: Sending
) -> int:
    """Define the asset NAME (treasurers and administrators). Without --issuer only its owner may issue it.

    \b
    Example:  quorum-wallet asset define euro --decimals 2 --cap 1000000.00 --issuer acme --issuer bank

    There is none of it yet, and decimals, cap and issuers never change.
    Next: quorum-wallet asset issue euro --to acme --amount 500.00
    """
    operation: dict[str, Json] = {"type": "asset.define", "name": name, "decimals": decimals}
    if cap is not None:
        operation["cap"] = to_units(cap, decimals, what=name)
    if issuers:
        operation["issuers"] = [*sorted(set(issuers))]
    return send(session, sending, [operation])


@asset_group.command("issue", short_help="Bring an amount of an asset into being.")
@click.argument("asset")
@click.option("--to", required=True, metavar="NAME", help="The account that receives it.")
@amount_options
@sending_options
@pass_session
def issue(session: Session, *, asset: str, to: str, amount: str, decimals: int | None, sending: Sending) -> int:
    """Bring an amount of ASSET into being, as the balance of an account (issuers only).

    \b
    Example:  quorum-wallet asset issue euro --to acme --amount 500.00

    Next: quorum-wallet balance acme
    """
    units = units_of(session, asset, amount, decimals=decimals, offline=sending.out is not None)
    return send(session, sending, [{"type": "asset.issue", "asset": asset, "to": to, "amount": units}])


@asset_group.command("burn", short_help="Destroy an amount of what you hold.")
@click.argument("asset")
@amount_options
@sending_options
@pass_session
def burn(session: Session, *, asset: str, amount: str, decimals: int | None, sending: Sending) -> int:
    """Destroy an amount of ASSET, of what your own account holds. What is burnt may be issued again.

    \b
    Example:  quorum-wallet asset burn euro --amount 2.50
    """
    units = units_of(session, asset, amount, decimals=decimals, offline=sending.out is not None)
    return send(session, sending, [{"type": "asset.burn", "asset": asset, "amount": units}])


@asset_group.command("freeze-holder", short_help="Freeze an account's balance of your asset.")
@click.argument("asset")
@click.argument("holder")
@sending_options
@pass_session
def freeze_holder(session: Session, asset: str, holder: str, sending: Sending) -> int:
    """Freeze what HOLDER has of ASSET (its owner only): it neither sends nor receives nor is burnt.

    \b
    Example:  quorum-wallet asset freeze-holder euro bob.acme

    To undo it: quorum-wallet asset unfreeze-holder euro bob.acme
    """
    return send(session, sending, [{"type": "asset.freeze_holder", "asset": asset, "holder": holder}])


@asset_group.command("unfreeze-holder", short_help="Undo the freezing of a balance of your asset.")
@click.argument("asset")
@click.argument("holder")
@sending_options
@pass_session
def unfreeze_holder(session: Session, asset: str, holder: str, sending: Sending) -> int:
    """Let HOLDER use what it has of ASSET again (its owner only).

    \b
    Example:  quorum-wallet asset unfreeze-holder euro bob.acme
    """
    return send(session, sending, [{"type": "asset.unfreeze_holder", "asset": asset, "holder": holder}])


@asset_group.command("show", short_help="Supply, cap, decimals and issuers of an asset.")
@click.argument("asset")
@_height_option
@pass_session
def show(session: Session, asset: str, height: int | None) -> int:
    """Show an asset as a node states it: how much there is, how much there may be, who may issue it.

    \b
    Example:  quorum-wallet asset show euro

    With --output json amounts are in smallest units. Next: quorum-wallet asset holders euro
    """

    return show_one(session, f"/v1/assets/{path_part(asset)}", {"height": height}, lines=_asset_lines)


@asset_group.command("list", short_help="All assets.")
@limit_option
@pass_session
def list_assets(session: Session, limit: int) -> int:
    """List all assets by name.

    \b
    Example:  quorum-wallet asset list
    """
    return show_list(
        session,
        "/v1/assets",
        ("name", "owner", "supply", "cap", "decimals", "issuers"),
        limit=limit,
        query={},
        empty="No assets.",
        row=lambda item: {**item, "supply": stated_amount(item, "supply"), "cap": stated_amount(item, "cap")},
    )


@asset_group.command("holders", short_help="Who holds an asset.")
@click.argument("asset")
@_height_option
@limit_option
@pass_session
def holders(session: Session, asset: str, height: int | None, limit: int) -> int:
    """List the accounts that hold some of ASSET, or are frozen in it, by name.

    \b
    Example:  quorum-wallet asset holders euro --height 100
    """
    return show_list(
        session,
        f"/v1/assets/{path_part(asset)}/holders",
        ("account", "amount", "frozen"),
        limit=limit,
        query={"height": height},
        empty=f"Nobody holds {asset}.",
        row=_with_decimals,
    )


@click.command("transfer", cls=Command, short_help="Send an amount of an asset to another account.")
@click.argument("asset")
@click.option("--to", required=True, metavar="NAME", help="The account that receives it.")
@amount_options
@sending_options
@pass_session
def transfer(session: Session, *, asset: str, to: str, amount: str, decimals: int | None, sending: Sending) -> int:
    """Send an amount of ASSET, of what your account holds, to another account.

    \b
    Example:  quorum-wallet transfer euro --to bob.acme --amount 12.50 --receipt paid.json
              quorum-wallet transfer euro --to bob.acme --amount 12.50 --decimals 2 --out t.json

    The receipt proves the payment to anybody who pins the genesis. Next: quorum-wallet balance
    """
    units = units_of(session, asset, amount, decimals=decimals, offline=sending.out is not None)
    return send(session, sending, [{"type": "asset.transfer", "asset": asset, "to": to, "amount": units}])


@click.command("balance", cls=Command, short_help="What an account holds.")
@click.argument("account", required=False)
@click.option("--asset", metavar="NAME", help="Only of this asset.")
@_height_option
@limit_option
@pass_session
def balance(session: Session, *, account: str | None, asset: str | None, height: int | None, limit: int) -> int:
    """Show what ACCOUNT (default: your own) holds of each asset, as a node states it.

    \b
    Example:  quorum-wallet balance bob.acme --asset euro

    With --output json amounts are in smallest units. Next: quorum-wallet history ACCOUNT
    """
    path = f"/v1/accounts/{path_part(sender_of(session, account))}/balances"
    if asset is not None:
        return show_one(
            session,
            f"{path}/{path_part(asset)}",
            {"height": height},
            lines=_balance_lines,
        )
    return show_list(
        session,
        path,
        ("asset", "amount", "frozen"),
        limit=limit,
        query={"height": height},
        empty=f"{sender_of(session, account)} holds nothing.",
        row=_with_decimals,
    )


def _asset_lines(item: Mapping[str, Json]) -> list[tuple[str, str]]:
    """An asset for people."""
    issuers = item.get("issuers")
    return [
        ("asset", str(item.get("name"))),
        ("owner", str(item.get("owner"))),
        ("supply", stated_amount(item, "supply")),
        ("cap", "none" if item.get("cap") is None else stated_amount(item, "cap")),
        ("decimals", str(item.get("decimals"))),
        ("issuers", ", ".join(map(str, issuers)) if isinstance(issuers, list) else "-"),
        ("at height", str(item.get("height"))),
    ]


def _balance_lines(item: Mapping[str, Json]) -> list[tuple[str, str]]:
    """One balance for people."""
    return [
        ("account", str(item.get("account"))),
        ("asset", str(item.get("asset"))),
        ("balance", stated_amount(item, "amount")),
        ("frozen", "yes: it neither sends nor receives nor is burnt" if item.get("frozen") is True else "no"),
        ("at height", str(item.get("height"))),
    ]


def _with_decimals(item: dict[str, Json]) -> dict[str, Json]:
    """A balance whose amount is as people read it; its decimals have done their work."""
    shown = {name: value for name, value in item.items() if name != "decimals"}
    return {**shown, "amount": stated_amount(item, "amount")}
