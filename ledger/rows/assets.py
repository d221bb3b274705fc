"""Assets and who holds how much of them: integers of the smallest unit, strings in JSON (`ledger.amounts`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from ledger.amounts import parse_amount, parse_total
from ledger.encoding import Json, decode, expect_fields, expect_integer, expect_list
from ledger.errors import MalformedError
from ledger.limits import AMOUNT_MAX, DECIMALS_MAX, ISSUERS_PER_ASSET_MAX, STATE_ROWS_REMEMBERED_MAX
from ledger.names import parse_account_name, parse_asset_name
from ledger.rows.reading import ROW_BYTES_MAX, parse_boolean

ASSET_PREFIX: Final = b"asset/"
BALANCE_PREFIX: Final = b"balance/"


class Asset(Struct, frozen=True):
    """An asset: who owns it, how it is displayed, the most there may be of it (None: as much as an amount can be),
    who may issue it (ascending), and how much of it there is: the sum of all balances."""

    name: str
    owner: str
    decimals: int
    cap: int | None
    issuers: tuple[str, ...]
    supply: int = 0

    @property
    def supply_max(self) -> int:
        """The most there may be of it: its cap, or what an amount can say."""
        return AMOUNT_MAX if self.cap is None else self.cap

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "name": self.name,
            "owner": self.owner,
            "decimals": self.decimals,
            "cap": None if self.cap is None else str(self.cap),
            "issuers": list(self.issuers),
            "supply": str(self.supply),
        }


class Balance(Struct, frozen=True):
    """What an account holds of an asset, and whether the asset's owner has frozen it.

    The row is there while it says something: an account without one holds nothing, and is not frozen.
    """

    account: str
    asset: str
    amount: int = 0
    frozen: bool = False

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {"account": self.account, "asset": self.asset, "amount": str(self.amount), "frozen": self.frozen}


def asset_key(name: str) -> bytes:
    """The state key of an asset."""
    return ASSET_PREFIX + name.encode()


def balance_key(account: str, asset: str) -> bytes:
    """The state key of what `account` holds of `asset`."""
    return b"%b%b/%b" % (BALANCE_PREFIX, account.encode(), asset.encode())


def balances_prefix(account: str) -> bytes:
    """What the state keys of all balances of `account` start with; the asset's name follows."""
    return balance_key(account, "")


@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_asset_row(data: bytes) -> Asset:
    """An asset from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="asset row"),
        what="asset",
        required=frozenset({"name", "owner", "decimals", "cap", "issuers", "supply"}),
    )
    issuers = expect_list(fields["issuers"], what="issuers", items_max=ISSUERS_PER_ASSET_MAX)
    return Asset(
        name=parse_asset_name(fields["name"], "asset"),
        owner=parse_account_name(fields["owner"], "owner"),
        decimals=expect_integer(fields["decimals"], what="decimals", maximum=DECIMALS_MAX),
        cap=None if fields["cap"] is None else parse_amount(fields["cap"], "cap"),
        issuers=tuple(parse_account_name(issuer, "issuer") for issuer in issuers),
        supply=parse_total(fields["supply"], "supply"),
    )


@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_balance_row(data: bytes) -> Balance:
    """A balance from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=ROW_BYTES_MAX, what="balance row"),
        what="balance",
        required=frozenset({"account", "asset", "amount", "frozen"}),
    )
    balance = Balance(
        account=parse_account_name(fields["account"], "account"),
        asset=parse_asset_name(fields["asset"], "asset"),
        amount=parse_total(fields["amount"], "amount"),
        frozen=parse_boolean(fields["frozen"], "frozen"),
    )
    if not balance.amount and not balance.frozen:
        raise MalformedError("a balance of nothing that is not frozen has no row")
    return balance
