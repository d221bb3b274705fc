"""Refusals of what cannot be in a block: malformed and inadmissible transactions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.TRANSACTION_MALFORMED: Entry(
        Kind.MALFORMED,
        "The transaction is not a well-formed envelope in canonical JSON.",
        "Build it with quorum-wallet, or follow the field named in the detail.",
    ),
    Code.TRANSACTION_TOO_LARGE: Entry(
        Kind.MALFORMED,
        "The envelope has more bytes than a transaction may have.",
        "Split its operations over several transactions, or record a digest of the content.",
    ),
    Code.VERSION_UNSUPPORTED: Entry(
        Kind.MALFORMED,
        "The body's version is not one that this chain's protocol version knows.",
        "Build the transaction again with a wallet that matches the network.",
    ),
    Code.OPERATION_UNKNOWN: Entry(
        Kind.MALFORMED,
        "An operation has a type that this chain's protocol version does not have.",
        "Check the spelling of the type against the API's documentation.",
    ),
    Code.CHAIN_WRONG: Entry(
        Kind.INADMISSIBLE,
        "The body names another chain.",
        "Check the genesis hash in the wallet's profile against the one the operators published.",
    ),
    Code.EXPIRED: Entry(
        Kind.INADMISSIBLE,
        "Ledger time has reached the transaction's valid_until; it can never be committed.",
        "Build and sign it again with a later valid_until.",
    ),
    Code.VALID_UNTIL_TOO_FAR: Entry(
        Kind.INADMISSIBLE,
        "valid_until lies further ahead of ledger time than the window allows.",
        "Build it with a nearer valid_until; the window is a parameter of the chain (24 hours by default).",
    ),
    Code.ALREADY_COMMITTED: Entry(
        Kind.INADMISSIBLE,
        "A transaction with this id is already in a block.",
        "Nothing is left to do: ask for its status and receipt.",
    ),
    Code.SENDER_UNKNOWN: Entry(
        Kind.INADMISSIBLE,
        "No account, and no validator of the set in force, has the sender's name.",
        "Check the name, or have the account added first.",
    ),
    Code.COSIGNER_UNKNOWN: Entry(
        Kind.INADMISSIBLE,
        "No account has a declared cosigner's name.",
        "Check the name, or have the account added first.",
    ),
    Code.ACCOUNT_SUSPENDED: Entry(
        Kind.INADMISSIBLE,
        "The sender or a cosigner is suspended.",
        "Ask an administrator to reinstate the account.",
    ),
    Code.SIGNATURE_INVALID: Entry(
        Kind.INADMISSIBLE,
        "A signature does not verify over the body.",
        "Sign the exact body again; a changed body needs new signatures.",
    ),
    Code.SIGNATURE_MISSING: Entry(
        Kind.INADMISSIBLE,
        "The sender or a cosigner has fewer valid signatures than its threshold.",
        "Collect the missing signatures (tx sign, tx combine) and submit again.",
    ),
    Code.SIGNATURE_SURPLUS: Entry(
        Kind.INADMISSIBLE,
        "A signature is by a key that is registered to neither the sender nor a cosigner.",
        "Remove it; check that the key has not been replaced on the ledger.",
    ),
    Code.QUOTA_EXCEEDED: Entry(
        Kind.INADMISSIBLE,
        "The block already has as many transactions of this sender as the quota allows.",
        "Nothing: validators hold it back for a later block.",
    ),
    Code.BLOCK_FULL: Entry(
        Kind.INADMISSIBLE,
        "The block has as many transactions, or bytes, as a block may have.",
        "Nothing: validators hold it back for a later block.",
    ),
}
