"""What a refusal is, and the list of all codes, family by family."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """What becomes of a transaction that is refused (see the package's docstring)."""

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
    # malformed and inadmissible: evidence, and validators as senders
    VALIDATOR_SENDER_LIMITED = "validator_sender_limited"
    EVIDENCE_RECORDED = "evidence_recorded"
    EVIDENCE_HEIGHT_AHEAD = "evidence_height_ahead"
    EVIDENCE_KEY_WRONG = "evidence_key_wrong"
    EVIDENCE_UNPROVEN = "evidence_unproven"
    # failed: accounts
    PERMISSION_DENIED = "permission_denied"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_UNKNOWN = "account_unknown"
    KEY_UNACCEPTABLE = "key_unacceptable"
    KEY_IN_USE = "key_in_use"
    THRESHOLD_IMPOSSIBLE = "threshold_impossible"
    # failed: streams and records
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
