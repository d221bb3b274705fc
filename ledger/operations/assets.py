"""Operations on assets.

An asset is defined once, by whoever has the permission: its decimals, its cap and its issuers never change. It comes
into being when an issuer issues it to an account and goes when a holder burns it; in between, holders transfer it. All
amounts are whole numbers of the smallest unit (`ledger.amounts`), and what there is of an asset is at every moment the
sum of what accounts hold (`ledger.conservation`). An asset's owner may freeze a holder: its balance then neither sends
nor receives nor is burnt, by nobody, until it is unfrozen.

Nothing is taken from an account but by itself.
"""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct
from msgspec.structs import replace

from ledger.amounts import Amount
from ledger.events import AssetTouched, BalanceTouched, Event
from ledger.operations import fields
from ledger.operations.fields import Field
from ledger.operations.kinds import OperationKind, Place
from ledger.refusals import Code, Refusal
from ledger.roles import Permission
from ledger.rows.assets import Asset, Balance, asset_key, balance_key
from ledger.state import Overlay


class AssetDefine(Struct, frozen=True, gc=False):
    """Define the asset `name`, owned by `by`."""

    kind: ClassVar[OperationKind]

    by: str
    name: str
    decimals: int
    cap: Amount | None = None
    issuers: tuple[str, ...] | None = None

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        actor = state.account(self.by)
        assert actor is not None, "admission requires it"
        if not actor.may(Permission.DEFINE_ASSET):
            return Refusal(Code.PERMISSION_DENIED, "only a treasurer or an administrator defines an asset")
        if state.asset(self.name) is not None:
            return Refusal(Code.ASSET_EXISTS, f"asset {self.name} exists")
        issuers = (self.by,) if self.issuers is None else self.issuers
        for issuer in issuers:
            if not state.has_account(issuer):
                return Refusal(Code.ACCOUNT_UNKNOWN, f"issuer {issuer} is no account")
        state.put(asset_key(self.name), Asset(self.name, self.by, self.decimals, self.cap, issuers))
        return (AssetTouched(self.name, place.transaction_index, place.operation_index),)


class AssetIssue(Struct, frozen=True, gc=False):
    """Bring `amount` of `asset` into being, as the balance of `to`."""

    kind: ClassVar[OperationKind]

    by: str
    asset: str
    to: str
    amount: Amount

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        asset = state.asset(self.asset)
        if asset is None:
            return _no_asset(self.asset)
        if self.by not in asset.issuers:
            return Refusal(Code.ISSUER_NOT_ALLOWED, f"{self.by} is not among the issuers of {self.asset}")
        receiving = _more(state, self.to, self.asset, self.amount)
        if isinstance(receiving, Refusal):
            return receiving
        supply = asset.supply + self.amount
        if supply > asset.supply_max:
            there = f"there are {asset.supply} of {self.asset}, and may be {asset.supply_max}"
            return Refusal(Code.SUPPLY_EXCEEDED, f"{there}: {asset.supply_max - asset.supply} are left to issue")
        state.put(asset_key(self.asset), replace(asset, supply=supply))
        _put_balance(state, receiving)
        at = (place.transaction_index, place.operation_index)
        return AssetTouched(self.asset, *at), BalanceTouched(self.to, self.asset, *at)


class AssetTransfer(Struct, frozen=True, gc=False):
    """Move `amount` of `asset` from `by` to `to`."""

    kind: ClassVar[OperationKind]

    by: str
    asset: str
    to: str
    amount: Amount

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        if state.asset(self.asset) is None:
            return _no_asset(self.asset)
        if self.to == self.by:
            return Refusal(Code.TRANSFER_TO_SELF, f"{self.by} is both sender and receiver")
        sending = _less(state, self.by, self.asset, self.amount)
        if isinstance(sending, Refusal):
            return sending
        receiving = _more(state, self.to, self.asset, self.amount)
        if isinstance(receiving, Refusal):
            return receiving
        _put_balance(state, sending)
        _put_balance(state, receiving)
        at = (place.transaction_index, place.operation_index)
        return BalanceTouched(self.by, self.asset, *at), BalanceTouched(self.to, self.asset, *at)


class AssetBurn(Struct, frozen=True, gc=False):
    """Let `amount` of `asset`, of what `by` holds, cease to be."""

    kind: ClassVar[OperationKind]

    by: str
    asset: str
    amount: Amount

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        asset = state.asset(self.asset)
        if asset is None:
            return _no_asset(self.asset)
        burning = _less(state, self.by, self.asset, self.amount)
        if isinstance(burning, Refusal):
            return burning
        state.put(asset_key(self.asset), replace(asset, supply=asset.supply - self.amount))
        _put_balance(state, burning)
        at = (place.transaction_index, place.operation_index)
        return AssetTouched(self.asset, *at), BalanceTouched(self.by, self.asset, *at)


class AssetFreezeHolder(Struct, frozen=True, gc=False):
    """Freeze what `holder` has of `asset`, be it nothing yet."""

    kind: ClassVar[OperationKind]

    by: str
    asset: str
    holder: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        return _set_frozen(state, place, self, frozen=True)


class AssetUnfreezeHolder(Struct, frozen=True, gc=False):
    """Let `holder` use what it has of `asset` again."""

    kind: ClassVar[OperationKind]

    by: str
    asset: str
    holder: str

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        return _set_frozen(state, place, self, frozen=False)


def _no_asset(name: str) -> Refusal:
    return Refusal(Code.ASSET_UNKNOWN, f"no asset {name}")


def _balance(state: Overlay, account: str, asset: str) -> Balance:
    """What `account` holds of `asset`: nothing, not frozen, when there is no row."""
    return state.balance(account, asset) or Balance(account, asset)


def _put_balance(state: Overlay, balance: Balance) -> None:
    """Set the row of a balance, or remove it when it says nothing."""
    row = balance if balance.amount or balance.frozen else None
    state.put(balance_key(balance.account, balance.asset), row)


def _less(state: Overlay, account: str, asset: str, amount: int) -> Balance | Refusal:
    """The balance of `account` with `amount` taken from it, or why it cannot be taken."""
    balance = _balance(state, account, asset)
    if balance.frozen:
        return Refusal(Code.HOLDER_FROZEN, f"{account} is frozen in {asset}")
    if balance.amount < amount:
        return Refusal(Code.BALANCE_INSUFFICIENT, f"{account} holds {balance.amount} of {asset}, less than {amount}")
    return replace(balance, amount=balance.amount - amount)


def _more(state: Overlay, account: str, asset: str, amount: int) -> Balance | Refusal:
    """The balance of `account` with `amount` added to it, or why it cannot receive. No sum exceeds the supply."""
    receiver = state.account(account)
    if receiver is None:
        return Refusal(Code.ACCOUNT_UNKNOWN, f"receiver {account} is no account")
    if receiver.suspended:
        return Refusal(Code.RECEIVER_SUSPENDED, f"receiver {account} is suspended")
    balance = _balance(state, account, asset)
    if balance.frozen:
        return Refusal(Code.HOLDER_FROZEN, f"{account} is frozen in {asset}")
    return replace(balance, amount=balance.amount + amount)


def _set_frozen(
    state: Overlay, place: Place, operation: AssetFreezeHolder | AssetUnfreezeHolder, *, frozen: bool
) -> tuple[Event, ...] | Refusal:
    asset = state.asset(operation.asset)
    if asset is None:
        return _no_asset(operation.asset)
    if asset.owner != operation.by:
        doing = "freezes" if frozen else "unfreezes"
        return Refusal(Code.PERMISSION_DENIED, f"only {asset.owner}, the owner of {asset.name}, {doing} its holders")
    if state.account(operation.holder) is None:
        return Refusal(Code.ACCOUNT_UNKNOWN, f"holder {operation.holder} is no account")
    balance = _balance(state, operation.holder, asset.name)
    if balance.frozen == frozen:
        code = Code.HOLDER_FROZEN if frozen else Code.HOLDER_NOT_FROZEN
        return Refusal(code, f"{operation.holder} is {'frozen already' if frozen else 'not frozen'} in {asset.name}")
    _put_balance(state, replace(balance, frozen=frozen))
    return (BalanceTouched(operation.holder, asset.name, place.transaction_index, place.operation_index),)


_ASSET_FIELD: Final = Field("asset", fields.ASSET_NAME, "The asset.")
_HOLDER_FIELDS: Final = (
    _ASSET_FIELD,
    Field("holder", fields.ACCOUNT_NAME, "The account whose balance of the asset it is; it may hold nothing yet."),
)
_RECEIVER_CODES: Final = frozenset({Code.ACCOUNT_UNKNOWN, Code.RECEIVER_SUSPENDED, Code.HOLDER_FROZEN})

AssetDefine.kind = OperationKind(
    type="asset.define",
    operation=AssetDefine,
    summary="Defines an asset, owned by the account that the operation is by; there is none of it yet.",
    fields=(
        Field("name", fields.ASSET_NAME, "The new asset's name; never used twice."),
        Field("decimals", fields.DECIMALS, "How many of an amount's last digits people read behind the point."),
        Field(
            "cap",
            fields.AMOUNT,
            "The most there may ever be of it at once, in smallest units; without it, 2^128 - 1.",
            required=False,
        ),
        Field(
            "issuers",
            fields.ISSUER_NAMES,
            "The accounts that may issue it, in ascending order; the owner alone if absent.",
            required=False,
        ),
    ),
    permission="A treasurer or an administrator.",
    codes=frozenset({Code.PERMISSION_DENIED, Code.ASSET_EXISTS, Code.ACCOUNT_UNKNOWN}),
    example={"type": "asset.define", "by": "acme", "name": "euro", "decimals": 2, "cap": "100000000"},
)

AssetIssue.kind = OperationKind(
    type="asset.issue",
    operation=AssetIssue,
    summary="Brings an amount of an asset into being, as an account's balance.",
    fields=(
        _ASSET_FIELD,
        Field("to", fields.ACCOUNT_NAME, "The account that receives it."),
        Field("amount", fields.AMOUNT, "How much, in smallest units."),
    ),
    permission="The asset's issuers.",
    codes=frozenset({Code.ASSET_UNKNOWN, Code.ISSUER_NOT_ALLOWED, Code.SUPPLY_EXCEEDED}) | _RECEIVER_CODES,
    example={"type": "asset.issue", "by": "acme", "asset": "euro", "to": "alice.acme", "amount": "125050"},
)

AssetTransfer.kind = OperationKind(
    type="asset.transfer",
    operation=AssetTransfer,
    summary="Moves an amount of an asset from the account that the operation is by to another.",
    fields=(
        _ASSET_FIELD,
        Field("to", fields.ACCOUNT_NAME, "The account that receives it."),
        Field("amount", fields.AMOUNT, "How much, in smallest units."),
    ),
    permission="Any account, of what it holds.",
    codes=frozenset({Code.ASSET_UNKNOWN, Code.TRANSFER_TO_SELF, Code.BALANCE_INSUFFICIENT}) | _RECEIVER_CODES,
    example={"type": "asset.transfer", "by": "alice.acme", "asset": "euro", "to": "globex", "amount": "1250"},
)

AssetBurn.kind = OperationKind(
    type="asset.burn",
    operation=AssetBurn,
    summary="Destroys an amount of an asset, of what the account that the operation is by holds.",
    fields=(_ASSET_FIELD, Field("amount", fields.AMOUNT, "How much, in smallest units.")),
    permission="Any account, of what it holds.",
    codes=frozenset({Code.ASSET_UNKNOWN, Code.BALANCE_INSUFFICIENT, Code.HOLDER_FROZEN}),
    example={"type": "asset.burn", "by": "globex", "asset": "euro", "amount": "250"},
)

AssetFreezeHolder.kind = OperationKind(
    type="asset.freeze_holder",
    operation=AssetFreezeHolder,
    summary="Freezes an account's balance of an asset: it neither sends nor receives nor is burnt.",
    fields=_HOLDER_FIELDS,
    permission="The asset's owner.",
    codes=frozenset({Code.ASSET_UNKNOWN, Code.PERMISSION_DENIED, Code.ACCOUNT_UNKNOWN, Code.HOLDER_FROZEN}),
    example={"type": "asset.freeze_holder", "by": "acme", "asset": "euro", "holder": "globex"},
)

AssetUnfreezeHolder.kind = OperationKind(
    type="asset.unfreeze_holder",
    operation=AssetUnfreezeHolder,
    summary="Undoes the freezing of an account's balance of an asset.",
    fields=_HOLDER_FIELDS,
    permission="The asset's owner.",
    codes=frozenset({Code.ASSET_UNKNOWN, Code.PERMISSION_DENIED, Code.ACCOUNT_UNKNOWN, Code.HOLDER_NOT_FROZEN}),
    example={"type": "asset.unfreeze_holder", "by": "acme", "asset": "euro", "holder": "globex"},
)

KINDS: Final = (
    AssetDefine.kind,
    AssetIssue.kind,
    AssetTransfer.kind,
    AssetBurn.kind,
    AssetFreezeHolder.kind,
    AssetUnfreezeHolder.kind,
)
