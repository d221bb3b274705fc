"""A client of the ledger that a program can import: async, typed, and believing nobody.

    from wallet.client import open_ledger, anchor_of, parse_genesis

    async with open_ledger(["http://127.0.0.1:8470"], anchor_of(parse_genesis(document))) as ledger:
        settled = await ledger.send(RecordAppend("acme", "invoices", Content({"n": 7})), signers=[key])
        async for block in ledger.events(settled.outcome.height):
            ...

`open_ledger` and `Ledger` (`wallet.client.verified`) are what to use: everything that they give back says what it
rests on (`Proved`, `Settled`, `Block`; `Stated` for a node's word), and errors are types (`wallet.client.errors`).
`Client` is the conversation below them, which asks several nodes in turn, believes what they say and verifies nothing;
the wallet's commands use it where nothing is pinned.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.genesis import parse_genesis
    from ledger.pinned_checkpoint import anchor_of_checkpoint, parse_pinned_checkpoint
    from ledger.trail import Anchor, anchor_of
    from wallet.answers import Outcome, State
    from wallet.client.conversation import Client, ask, connect
    from wallet.client.errors import (
        ForkedError,
        RefusedError,
        StaleError,
        UnreachableError,
        UntrueAnswerError,
        Untruth,
    )
    from wallet.client.listing import EndlessSearchError
    from wallet.client.outcomes import Settled
    from wallet.client.signing import Signer, build_transaction
    from wallet.client.tokens import Tokens, parse_tokens
    from wallet.client.values import Block, Freshness, ListedTransaction, Proved, Record, Stated
    from wallet.client.verified import Ledger, open_ledger

_HOMES = {
    "Anchor": "ledger.trail",
    "Block": "wallet.client.values",
    "Client": "wallet.client.conversation",
    "EndlessSearchError": "wallet.client.listing",
    "ForkedError": "wallet.client.errors",
    "Freshness": "wallet.client.values",
    "Ledger": "wallet.client.verified",
    "ListedTransaction": "wallet.client.values",
    "Outcome": "wallet.answers",
    "Proved": "wallet.client.values",
    "Record": "wallet.client.values",
    "RefusedError": "wallet.client.errors",
    "Settled": "wallet.client.outcomes",
    "Signer": "wallet.client.signing",
    "StaleError": "wallet.client.errors",
    "State": "wallet.answers",
    "Stated": "wallet.client.values",
    "Tokens": "wallet.client.tokens",
    "UnreachableError": "wallet.client.errors",
    "UntrueAnswerError": "wallet.client.errors",
    "Untruth": "wallet.client.errors",
    "anchor_of": "ledger.trail",
    "anchor_of_checkpoint": "ledger.pinned_checkpoint",
    "ask": "wallet.client.conversation",
    "build_transaction": "wallet.client.signing",
    "connect": "wallet.client.conversation",
    "open_ledger": "wallet.client.verified",
    "parse_genesis": "ledger.genesis",
    "parse_pinned_checkpoint": "ledger.pinned_checkpoint",
    "parse_tokens": "wallet.client.tokens",
}
"""Where each name is from. It is imported when it is asked for: a command that only asks loads no verifier."""

__all__ = [
    "Anchor",
    "Block",
    "Client",
    "EndlessSearchError",
    "ForkedError",
    "Freshness",
    "Ledger",
    "ListedTransaction",
    "Outcome",
    "Proved",
    "Record",
    "RefusedError",
    "Settled",
    "Signer",
    "StaleError",
    "State",
    "Stated",
    "Tokens",
    "UnreachableError",
    "UntrueAnswerError",
    "Untruth",
    "anchor_of",
    "anchor_of_checkpoint",
    "ask",
    "build_transaction",
    "connect",
    "open_ledger",
    "parse_genesis",
    "parse_pinned_checkpoint",
    "parse_tokens",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
