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
    # failed: members
    ROLE_GOVERNED = "role_governed"
    ROLE_HELD = "role_held"
    ROLE_NOT_HELD = "role_not_held"
    ALREADY_SUSPENDED = "already_suspended"
    NOT_SUSPENDED = "not_suspended"
    # failed: governance
    ADMINISTRATORS_FULL = "administrators_full"
    ADMINISTRATOR_LAST = "administrator_last"
    OPERATOR_UNFIT = "operator_unfit"
    OPERATORS_TOO_FEW = "operators_too_few"
    QUORUM_IMPOSSIBLE = "quorum_impossible"
    VALIDATORS_FULL = "validators_full"
    VALIDATOR_EXISTS = "validator_exists"
    VALIDATOR_UNKNOWN = "validator_unknown"
    VALIDATOR_NOT_READY = "validator_not_ready"
    VALIDATOR_NAME_TAKEN = "validator_name_taken"
    KEY_RETIRED = "key_retired"
    READY_HEIGHT_WRONG = "ready_height_wrong"
    READY_PROOF_INVALID = "ready_proof_invalid"
    PARAMETER_IMPOSSIBLE = "parameter_impossible"
    PROTOCOL_VERSION_WRONG = "protocol_version_wrong"
    PROPOSAL_UNKNOWN = "proposal_unknown"
    PROPOSAL_CLOSED = "proposal_closed"
    PROPOSAL_EXPIRED = "proposal_expired"
    PROPOSAL_CHANGED = "proposal_changed"
    PROPOSAL_NEW = "proposal_new"
    PROPOSAL_EXPIRY_WRONG = "proposal_expiry_wrong"
    PROPOSALS_OPEN_FULL = "proposals_open_full"
    PROPOSALS_PENDING_FULL = "proposals_pending_full"
    SET_CHANGE_PENDING = "set_change_pending"
    # failed: streams and records
    STREAM_EXISTS = "stream_exists"
    STREAM_UNKNOWN = "stream_unknown"
    STREAM_FROZEN = "stream_frozen"
    WRITER_NOT_ALLOWED = "writer_not_allowed"
    REVISION_CONFLICT = "revision_conflict"
    # failed: assets
    ASSET_EXISTS = "asset_exists"
    ASSET_UNKNOWN = "asset_unknown"
    ISSUER_NOT_ALLOWED = "issuer_not_allowed"
    SUPPLY_EXCEEDED = "supply_exceeded"
    RECEIVER_SUSPENDED = "receiver_suspended"
    TRANSFER_TO_SELF = "transfer_to_self"
    BALANCE_INSUFFICIENT = "balance_insufficient"
    HOLDER_FROZEN = "holder_frozen"
    HOLDER_NOT_FROZEN = "holder_not_frozen"
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
