"""Refusals for what membership is already, or what only a proposal may change: roles and suspensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.ROLE_GOVERNED: Entry(
        Kind.FAILED,
        "It concerns a governed role, or an account that has one: only a proposal may do that.",
        "Propose it: proposal.create with the same change.",
    ),
    Code.ROLE_HELD: Entry(
        Kind.FAILED,
        "The account has the role already.",
        "Nothing is left to do.",
    ),
    Code.ROLE_NOT_HELD: Entry(
        Kind.FAILED,
        "The account does not have the role.",
        "Check the names of the account and of the role.",
    ),
    Code.ALREADY_SUSPENDED: Entry(
        Kind.FAILED,
        "The account is suspended already.",
        "Nothing is left to do.",
    ),
    Code.NOT_SUSPENDED: Entry(
        Kind.FAILED,
        "The account is not suspended.",
        "Nothing is left to do.",
    ),
}
