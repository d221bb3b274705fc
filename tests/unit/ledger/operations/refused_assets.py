"""Operations on assets that are refused: what is wrong with each, and its code."""

from __future__ import annotations

from typing import Final

from ledger.amounts import Amount
from ledger.limits import AMOUNT_MAX
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.refusals import Code
from tests.unit.ledger.operations.acting import RefusedOperation

ONE, ALL = Amount(1), Amount(AMOUNT_MAX)

REFUSED: Final[list[RefusedOperation]] = [
    # asset.define
    ("a member defines", AssetDefine("globex", "gold", 0), Code.PERMISSION_DENIED),
    ("an operator defines", AssetDefine("org", "gold", 0), Code.PERMISSION_DENIED),
    ("a child of an administrator defines", AssetDefine("alice.acme", "gold", 0), Code.PERMISSION_DENIED),
    ("an asset that exists", AssetDefine("mint", "euro", 2), Code.ASSET_EXISTS),
    ("another's asset, by an administrator", AssetDefine("acme", "euro", 0), Code.ASSET_EXISTS),
    ("an issuer that is no account", AssetDefine("mint", "gold", 0, None, ("mint", "nobody")), Code.ACCOUNT_UNKNOWN),
    # asset.issue
    ("issuing what is no asset", AssetIssue("mint", "gold", "globex", ONE), Code.ASSET_UNKNOWN),
    ("an administrator issues another's", AssetIssue("acme", "euro", "globex", ONE), Code.ISSUER_NOT_ALLOWED),
    ("a holder issues", AssetIssue("globex", "euro", "globex", ONE), Code.ISSUER_NOT_ALLOWED),
    ("a treasurer issues another's", AssetIssue("mint", "point", "globex", ONE), Code.ISSUER_NOT_ALLOWED),
    ("one above the cap", AssetIssue("mint", "euro", "globex", Amount(501)), Code.SUPPLY_EXCEEDED),
    ("far above the cap", AssetIssue("board", "euro", "globex", ALL), Code.SUPPLY_EXCEEDED),
    ("one above what there can be", AssetIssue("acme", "point", "acme", Amount(6)), Code.SUPPLY_EXCEEDED),
    ("twice what there can be", AssetIssue("acme", "point", "globex", ALL), Code.SUPPLY_EXCEEDED),
    ("issuing to nobody", AssetIssue("mint", "euro", "nobody", ONE), Code.ACCOUNT_UNKNOWN),
    ("issuing to a suspended account", AssetIssue("mint", "euro", "closed", ONE), Code.RECEIVER_SUSPENDED),
    ("issuing to a frozen holder", AssetIssue("mint", "euro", "pair", ONE), Code.HOLDER_FROZEN),
    ("issuing to who is frozen and holds none", AssetIssue("mint", "euro", "org", ONE), Code.HOLDER_FROZEN),
    # asset.transfer
    ("a transfer of what is no asset", AssetTransfer("globex", "gold", "acme", ONE), Code.ASSET_UNKNOWN),
    ("a transfer to oneself", AssetTransfer("globex", "euro", "globex", ONE), Code.TRANSFER_TO_SELF),
    ("a transfer to oneself of nothing held", AssetTransfer("acme", "euro", "acme", ONE), Code.TRANSFER_TO_SELF),
    ("a transfer to nobody", AssetTransfer("globex", "euro", "nobody", ONE), Code.ACCOUNT_UNKNOWN),
    ("a transfer to a suspended account", AssetTransfer("globex", "euro", "closed", ONE), Code.RECEIVER_SUSPENDED),
    ("one more than is held", AssetTransfer("globex", "euro", "acme", Amount(151)), Code.BALANCE_INSUFFICIENT),
    ("all that there can be", AssetTransfer("globex", "euro", "acme", ALL), Code.BALANCE_INSUFFICIENT),
    ("a transfer of nothing held", AssetTransfer("acme", "euro", "globex", ONE), Code.BALANCE_INSUFFICIENT),
    ("an owner who holds none", AssetTransfer("mint", "euro", "globex", ONE), Code.BALANCE_INSUFFICIENT),
    ("a transfer by a frozen holder", AssetTransfer("pair", "euro", "globex", ONE), Code.HOLDER_FROZEN),
    ("a transfer to a frozen holder", AssetTransfer("globex", "euro", "pair", ONE), Code.HOLDER_FROZEN),
    ("a transfer to who is frozen, holding none", AssetTransfer("globex", "euro", "org", ONE), Code.HOLDER_FROZEN),
    # asset.burn
    ("burning what is no asset", AssetBurn("globex", "gold", ONE), Code.ASSET_UNKNOWN),
    ("burning more than is held", AssetBurn("globex", "euro", Amount(151)), Code.BALANCE_INSUFFICIENT),
    ("an issuer who holds none burns", AssetBurn("mint", "euro", ONE), Code.BALANCE_INSUFFICIENT),
    ("a frozen holder burns", AssetBurn("pair", "euro", ONE), Code.HOLDER_FROZEN),
    # asset.freeze_holder
    ("freezing in what is no asset", AssetFreezeHolder("mint", "gold", "globex"), Code.ASSET_UNKNOWN),
    ("an administrator freezes in another's", AssetFreezeHolder("acme", "euro", "globex"), Code.PERMISSION_DENIED),
    ("an issuer freezes", AssetFreezeHolder("board", "euro", "globex"), Code.PERMISSION_DENIED),
    ("freezing nobody", AssetFreezeHolder("mint", "euro", "nobody"), Code.ACCOUNT_UNKNOWN),
    ("freezing a frozen holder", AssetFreezeHolder("mint", "euro", "pair"), Code.HOLDER_FROZEN),
    # asset.unfreeze_holder
    ("unfreezing in what is no asset", AssetUnfreezeHolder("mint", "gold", "pair"), Code.ASSET_UNKNOWN),
    ("a frozen holder unfreezes itself", AssetUnfreezeHolder("pair", "euro", "pair"), Code.PERMISSION_DENIED),
    ("unfreezing nobody", AssetUnfreezeHolder("mint", "euro", "nobody"), Code.ACCOUNT_UNKNOWN),
    ("unfreezing who is not frozen", AssetUnfreezeHolder("mint", "euro", "globex"), Code.HOLDER_NOT_FROZEN),
    ("unfreezing who holds none", AssetUnfreezeHolder("mint", "euro", "acme"), Code.HOLDER_NOT_FROZEN),
]
