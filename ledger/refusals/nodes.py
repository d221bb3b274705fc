"""Refusals of a node that is busy: nothing is wrong with the transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.MEMPOOL_FULL: Entry(
        Kind.BUSY,
        "The node holds as many pending transactions as it may.",
        "Submit the same bytes again after the time in Retry-After; they never act twice.",
    ),
    Code.SENDER_MEMPOOL_FULL: Entry(
        Kind.BUSY,
        "The node holds as many pending transactions of this sender, or of all accounts of its member, as it may.",
        "Submit the same bytes again after the time in Retry-After; they never act twice.",
    ),
    Code.STORAGE_LOW: Entry(
        Kind.BUSY,
        "The node's disk is nearly full; it keeps what is left for votes and blocks.",
        "Submit to another validator, and tell this one's operator.",
    ),
    Code.NOT_READY: Entry(
        Kind.BUSY,
        "The node is starting, or has not caught up with the chain.",
        "Submit to another validator, or the same bytes again later.",
    ),
}
