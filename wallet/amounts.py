"""Amounts as people write them, and as the ledger counts them: 12.50 euro, with 2 decimals, are 1250 smallest units.

On the ledger decimals are display, so whoever misstates them makes somebody sign a hundred times too much. The wallet
therefore believes no node about them: with a pinned genesis, the receipt of the asset's definition proves them, and an
asset is defined once. Who says `--decimals` is believed, and no node is asked; so it works offline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import WalletError, usage_error, verification_error
from wallet.options import Decorated

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.receipt import VerifiedReceipt
    from wallet.client import Client
    from wallet.pinning import Pin
    from wallet.session import Session

NOT_PROVED = "as the node states, not proved"
DECIMALS_RANGE = click.IntRange(0, 18)

_DECIMAL = re.compile(r"([0-9]{1,39})(?:\.([0-9]{1,39}))?")


def amount_options(command: Decorated) -> Decorated:
    """`--amount` and `--decimals`."""
    command = click.option(
        "--decimals",
        type=DECIMALS_RANGE,
        metavar="N",
        help="The asset's decimals, so that no node is asked for them; 0: --amount is in smallest units.",
    )(command)
    return click.option(
        "--amount", required=True, metavar="AMOUNT", help="How much, as people write it: 12.50, with a point."
    )(command)


def units_of(session: Session, asset: str, amount: str, *, decimals: int | None, offline: bool) -> str:
    """`amount` of `asset` in smallest units, as an operation states it; says on stderr what it makes of it, with
    `--quiet` only what rests on a node's word.

    Raises `WalletError`: no such amount, or offline without decimals (2), no such asset (12), a false proof (10).
    """
    stated = decimals
    if decimals is None and offline:
        raise usage_error(
            f"Offline no node is asked how many decimals {asset} has.",
            code="decimals_unknown",
            remedy=f"Say it: --decimals 2, or --decimals 0 if {amount} is in smallest units.",
        )
    if decimals is None:
        decimals = find_decimals(session, asset)
    units = to_units(amount, decimals, what=asset)
    said = f"{amount} of {asset} is {units} in smallest units ({decimals} decimals"
    if stated is None and not decimals_proved(session):
        session.output.warning(f"{said}, {NOT_PROVED})")
    else:
        session.output.hint(f"{said}, {'as you say' if stated is not None else 'proved by its definition'})")
    return units


def find_decimals(session: Session, asset: str) -> int:
    """The decimals of `asset`: proved by its definition with a pinned genesis, else as a node states them.

    Raises `WalletError`: no such asset (12), a name that is none (2), a false proof (10), no node (14).
    """
    from ledger.names import parse_asset_name
    from wallet.pinning import has_pin, pinned
    from wallet.submission import ask

    name = parse_asset_name(asset, "an asset")
    pin = pinned(session.settings) if has_pin(session.settings) else None
    return ask(session, lambda client: _decimals(client, name, pin))


def to_units(amount: str, decimals: int, *, what: str) -> str:
    """`amount` as people write it, in smallest units. Raises `WalletError` (2), naming `what` it is of."""
    from ledger.limits import AMOUNT_MAX

    match = _DECIMAL.fullmatch(amount)
    if match is None:
        raise usage_error(
            f"'{amount}' is no amount.",
            code="amount_malformed",
            remedy="Write digits, and a point before the decimals if there are any: 12.50 or 0.5",
        )
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise usage_error(
            f"{what} has {decimals} decimals, and {amount} has {len(fraction)}.",
            code="amount_malformed",
            remedy=f"The smallest amount is {to_text(1, decimals)}.",
        )
    units = int(whole + fraction.ljust(decimals, "0"))
    if not 1 <= units <= AMOUNT_MAX:
        raise usage_error(
            f"An amount of {what} is from {to_text(1, decimals)} to {to_text(AMOUNT_MAX, decimals)}.",
            code="amount_malformed",
            remedy=f"Check the digits of {amount}.",
        )
    return str(units)


def to_text(units: int, decimals: int) -> str:
    """A number of smallest units as people read it."""
    if not decimals:
        return str(units)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def stated_amount(item: Mapping[str, Json], field: str) -> str:
    """An amount in a node's answer as people read it, with the decimals beside it; `-` when there is none.

    Raises `MalformedError`.
    """
    from ledger.amounts import parse_total
    from ledger.encoding import expect_integer

    value = item.get(field)
    if value is None:
        return "-"
    return to_text(parse_total(value, field), expect_integer(item.get("decimals"), what="decimals", maximum=18))


def decimals_proved(session: Session) -> bool:
    """Whether `find_decimals` proves what it finds: only with a pinned genesis or checkpoint."""
    from wallet.pinning import has_pin

    return has_pin(session.settings)


async def _decimals(client: Client, asset: str, pin: Pin | None) -> int:
    """The decimals of one asset; with something pinned, from the receipt of its definition."""
    from ledger.encoding import expect_integer
    from wallet.answers import as_object, parse_page
    from wallet.receipts import verify
    from wallet.submission import fetch_receipt

    def stated(value: Json) -> int:
        return expect_integer(as_object(value, "an asset").get("decimals"), what="decimals", maximum=18)

    decimals = await client.get(f"/v1/assets/{asset}", stated)
    if pin is None:
        return decimals
    query: dict[str, str | int | None] = {"asset": asset, "type": "asset.define", "order": "asc", "limit": 1}
    items, _ = await client.get("/v1/transactions", parse_page, query)
    identifier = items[0].get("id") if items else None
    if not isinstance(identifier, str):
        raise _unproved(asset, "the node does not name its definition")
    proved = _defined(verify(await fetch_receipt(client, identifier, pin), pin), asset)
    if proved != decimals:
        raise _unproved(asset, f"the node states {decimals}, and what it sends to prove it says {proved}")
    return decimals


def _defined(receipt: VerifiedReceipt, asset: str) -> int | None:
    """The decimals with which an applied transaction defines `asset`; None when it does not."""
    from ledger.execution import APPLIED
    from ledger.operations.assets import AssetDefine

    if receipt.leaf.result == APPLIED:
        for operation in receipt.transaction.body.operations:
            if isinstance(operation, AssetDefine) and operation.name == asset:
                return operation.decimals
    return None


def _unproved(asset: str, why: str) -> WalletError:
    return verification_error(
        f"How many decimals {asset} has is not proved: {why}.",
        code="decimals_unproved",
        remedy="Ask another node, or say what you know: --decimals N",
    )
