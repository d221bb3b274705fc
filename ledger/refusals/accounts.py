"""Refusals of operations for who they are by or about: permissions, accounts and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.PERMISSION_DENIED: Entry(
        Kind.FAILED,
        "The account that the operation is by may not do this.",
        "Have it done by an account with the role or the ownership that the operation's documentation asks for.",
    ),
    Code.ACCOUNT_EXISTS: Entry(
        Kind.FAILED,
        "An account with this name exists; names are never used twice.",
        "Choose another name.",
    ),
    Code.ACCOUNT_UNKNOWN: Entry(
        Kind.FAILED,
        "No account has the name that the operation refers to.",
        "Check the name, or have the account added first.",
    ),
    Code.KEY_UNACCEPTABLE: Entry(
        Kind.FAILED,
        "A key is not an acceptable Ed25519 public key (canonical, on the curve, torsion free).",
        "Create a new key with quorum-wallet key new.",
    ),
    Code.KEY_IN_USE: Entry(
        Kind.FAILED,
        "A key is listed twice in the account.",
        "List each key once.",
    ),
    Code.THRESHOLD_IMPOSSIBLE: Entry(
        Kind.FAILED,
        "The threshold is not between 1 and the number of keys.",
        "Choose a threshold that the account's keys can meet.",
    ),
}
