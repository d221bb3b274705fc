"""Every expected refusal of the ledger and its nodes: a stable code, a sentence, and what to do about it.

A refusal is a value, not an exception: `Refusal(Code.STREAM_UNKNOWN, "no stream 'invoices'")`. The table below is
what the API documentation is made from, and a test holds that every code is in it exactly once.

Three kinds, by what becomes of the transaction:

* *malformed* and *inadmissible*: it cannot be in a block; the answer is this node's, nothing is recorded;
* *failed*: it was in a block and an operation was refused: recorded with its code, final, the id is used;
* *busy*: nothing is wrong with it; try again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """What becomes of a transaction that is refused (see the module's docstring)."""

    MALFORMED = "malformed"
    INADMISSIBLE = "inadmissible"
    FAILED = "failed"
    BUSY = "busy"


@unique
class Code(StrEnum):
    """Stable names of refusals. Never renamed and never reused."""

    # malformed
    TRANSACTION_MALFORMED = "transaction_malformed"
    TRANSACTION_TOO_LARGE = "transaction_too_large"
    VERSION_UNSUPPORTED = "version_unsupported"
    OPERATION_UNKNOWN = "operation_unknown"
    # inadmissible
    CHAIN_WRONG = "chain_wrong"
    EXPIRED = "expired"
    VALID_UNTIL_TOO_FAR = "valid_until_too_far"
    ALREADY_COMMITTED = "already_committed"
    SENDER_UNKNOWN = "sender_unknown"
    COSIGNER_UNKNOWN = "cosigner_unknown"
    ACCOUNT_SUSPENDED = "account_suspended"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_SURPLUS = "signature_surplus"
    QUOTA_EXCEEDED = "quota_exceeded"
    BLOCK_FULL = "block_full"
    # failed
    PERMISSION_DENIED = "permission_denied"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_UNKNOWN = "account_unknown"
    KEY_UNACCEPTABLE = "key_unacceptable"
    KEY_IN_USE = "key_in_use"
    THRESHOLD_IMPOSSIBLE = "threshold_impossible"
    STREAM_EXISTS = "stream_exists"
    STREAM_UNKNOWN = "stream_unknown"
    STREAM_FROZEN = "stream_frozen"
    WRITER_NOT_ALLOWED = "writer_not_allowed"
    REVISION_CONFLICT = "revision_conflict"
    # busy
    MEMPOOL_FULL = "mempool_full"
    SENDER_MEMPOOL_FULL = "sender_mempool_full"
    STORAGE_LOW = "storage_low"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: the kind of a code, its sentence, and the remedy for whoever is refused."""

    kind: Kind
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: the code, and a detail that names the thing at hand."""

    code: Code
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


TABLE: dict[Code, Entry] = {
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
        "No account has the sender's name.",
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
    Code.PERMISSION_DENIED: Entry(
        Kind.FAILED,
        "The account that the operation is by may not do this.",
        "Have it done by an account with the role or ownership named in the detail.",
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
    Code.STREAM_EXISTS: Entry(
        Kind.FAILED,
        "A stream with this name exists; names are never used twice.",
        "Choose another name.",
    ),
    Code.STREAM_UNKNOWN: Entry(
        Kind.FAILED,
        "No stream has this name.",
        "Check the name, or create the stream first.",
    ),
    Code.STREAM_FROZEN: Entry(
        Kind.FAILED,
        "The stream is frozen and takes no more records.",
        "Ask its owner, or write to another stream.",
    ),
    Code.WRITER_NOT_ALLOWED: Entry(
        Kind.FAILED,
        "The account is not among the stream's writers.",
        "Ask the stream's owner to add it to the writers.",
    ),
    Code.REVISION_CONFLICT: Entry(
        Kind.FAILED,
        "The entity key is at another revision than the one expected.",
        "Read the newest record of the key, decide again, and append with its revision.",
    ),
    Code.MEMPOOL_FULL: Entry(
        Kind.BUSY,
        "The node holds as many pending transactions as it may.",
        "Submit the same bytes again after the time in Retry-After; they never act twice.",
    ),
    Code.SENDER_MEMPOOL_FULL: Entry(
        Kind.BUSY,
        "The node holds as many pending transactions of this sender as it may.",
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
