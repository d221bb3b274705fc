"""Refusals of operations on assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.ASSET_EXISTS: Entry(
        Kind.FAILED,
        "An asset with this name exists; names are never used twice.",
        "Choose another name.",
    ),
    Code.ASSET_UNKNOWN: Entry(
        Kind.FAILED,
        "No asset has this name.",
        "Check the name, or have the asset defined first.",
    ),
    Code.ISSUER_NOT_ALLOWED: Entry(
        Kind.FAILED,
        "The account is not among the asset's issuers.",
        "Have it issued by one of the issuers, which the asset lists.",
    ),
    Code.SUPPLY_EXCEEDED: Entry(
        Kind.FAILED,
        "There would be more of the asset than its cap, or than an amount can say.",
        "Compare the asset's cap and supply (quorum-wallet asset show); what is burnt may be issued again.",
    ),
    Code.RECEIVER_SUSPENDED: Entry(
        Kind.FAILED,
        "The account that would receive is suspended.",
        "Choose another receiver, or have the account reinstated first.",
    ),
    Code.TRANSFER_TO_SELF: Entry(
        Kind.FAILED,
        "The account that would receive is the one that sends.",
        "Check the receiver's name; a transfer to oneself moves nothing.",
    ),
    Code.BALANCE_INSUFFICIENT: Entry(
        Kind.FAILED,
        "The account holds less of the asset than the operation takes.",
        "Look at what it holds (quorum-wallet balance), and take no more than that.",
    ),
    Code.HOLDER_FROZEN: Entry(
        Kind.FAILED,
        "The holder is frozen in this asset: its balance neither sends nor receives nor is burnt.",
        "Ask the asset's owner to unfreeze the holder.",
    ),
    Code.HOLDER_NOT_FROZEN: Entry(
        Kind.FAILED,
        "The holder is not frozen in this asset.",
        "Nothing is left to do; check the names of the asset and the holder.",
    ),
}
