"""Every answer that is not a success: RFC 9457 problem details, from two tables and nowhere else.

A code of `ledger.refusals` keeps its sentence and remedy and gets its HTTP status here; what only HTTP can get wrong
(a parameter, a path, a size) has a row of its own in `HTTP_TABLE`. Clients branch on `code`, people read the rest.
`type` points at the row in the OpenAPI document of the same node, so that it resolves without a third party.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from ledger.refusals import TABLE, Code, Kind, Refusal

PROBLEM_TYPE_PREFIX = "/v1/openapi.json#/components/x-problems/"


@unique
class HttpCode(StrEnum):
    """Stable names of what only the HTTP layer refuses. Never renamed, never reused, distinct from `Code`."""

    REQUEST_MALFORMED = "request_malformed"
    PARAMETER_UNKNOWN = "parameter_unknown"
    PARAMETER_INVALID = "parameter_invalid"
    CURSOR_INVALID = "cursor_invalid"
    TOKEN_MISSING = "token_missing"  # noqa: S105 - the code of a problem, no password
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    PATH_UNKNOWN = "path_unknown"
    TRANSACTION_UNKNOWN = "transaction_unknown"
    TRANSACTION_DROPPED = "transaction_dropped"
    TRANSACTION_NOT_COMMITTED = "transaction_not_committed"
    BLOCK_UNKNOWN = "block_unknown"
    HEIGHT_UNKNOWN = "height_unknown"
    CERTIFICATE_UNKNOWN = "certificate_unknown"
    CANDIDATE_UNKNOWN = "candidate_unknown"
    EVIDENCE_UNKNOWN = "evidence_unknown"
    RECORD_UNKNOWN = "record_unknown"
    VALIDATOR_KEY_UNKNOWN = "validator_key_unknown"
    PROOF_UNAVAILABLE = "proof_unavailable"
    TILE_UNKNOWN = "tile_unknown"
    LOG_SIZE_UNKNOWN = "log_size_unknown"
    CHECKPOINT_UNKNOWN = "checkpoint_unknown"
    TRAIL_TOO_LONG = "trail_too_long"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    REQUEST_TIMEOUT = "request_timeout"
    BODY_TOO_LARGE = "body_too_large"
    MEDIA_TYPE_UNSUPPORTED = "media_type_unsupported"
    HEADERS_TOO_LARGE = "headers_too_large"
    BODIES_EXHAUSTED = "bodies_exhausted"
    STREAMS_EXHAUSTED = "streams_exhausted"
    CONNECTIONS_EXHAUSTED = "connections_exhausted"
    ANSWERS_UNREAD = "answers_unread"
    CLOSING = "closing"
    HALTED = "halted"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Row:
    """What one problem code always says: its status, its sentence, and the remedy for whoever gets it."""

    status: int
    sentence: str
    remedy: str


HTTP_TABLE: dict[HttpCode, Row] = {
    HttpCode.REQUEST_MALFORMED: Row(
        400, "The request is not well-formed HTTP.", "Send it with an ordinary HTTP/1.1 client."
    ),
    HttpCode.PARAMETER_UNKNOWN: Row(
        400,
        "The path does not have a query parameter of this name.",
        "Check its spelling against /v1/openapi.json; nothing is ignored silently.",
    ),
    HttpCode.PARAMETER_INVALID: Row(
        400,
        "A parameter's value is not one that it can have.",
        "Correct the parameter named in the detail; /v1/openapi.json has its form.",
    ),
    HttpCode.CURSOR_INVALID: Row(
        400,
        "The cursor is not one that this list, with these parameters, has given out.",
        "Start again without cursor, and pass next_cursor back unchanged with the same parameters.",
    ),
    HttpCode.TOKEN_MISSING: Row(
        401,
        "This node answers only who shows a bearer token.",
        "Ask its operator for one, and send it as Authorization: Bearer TOKEN (wallet: QUORUM_TOKEN_FILE).",
    ),
    HttpCode.TOKEN_INVALID: Row(
        401,
        "The bearer token is none of this node's.",
        "Check that it is this node's and whole; ask its operator for another if it was taken back.",
    ),
    HttpCode.PATH_UNKNOWN: Row(404, "Nothing is at this path.", "The paths are listed in /v1/openapi.json."),
    HttpCode.TRANSACTION_UNKNOWN: Row(
        404,
        "This node has not seen a transaction with this id.",
        "Submit the same bytes again, or ask again: until its valid_until has passed it may still be on its way.",
    ),
    HttpCode.TRANSACTION_DROPPED: Row(
        503,
        "The transaction was accepted, and is no longer held here: what it depends on changed before its block.",
        "Submit the same bytes again, to learn why or to have them held again; they never act twice.",
    ),
    HttpCode.TRANSACTION_NOT_COMMITTED: Row(
        404,
        "The transaction is in no block, so there is no receipt.",
        "Ask for its status; when it is pending, ask again for the receipt later.",
    ),
    HttpCode.BLOCK_UNKNOWN: Row(
        404,
        "This node has no such block.",
        "Compare the height with Ledger-Height: the block may not exist yet, or the node may be behind.",
    ),
    HttpCode.HEIGHT_UNKNOWN: Row(
        404,
        "This node has not reached the height.",
        "Compare it with Ledger-Height: the block may not exist yet, or the node may be behind.",
    ),
    HttpCode.CERTIFICATE_UNKNOWN: Row(
        404,
        "The genesis block has no certificate: everyone pins it by its hash instead.",
        "Compare the chain id with the genesis hash that the operators published.",
    ),
    HttpCode.CANDIDATE_UNKNOWN: Row(
        404,
        "No candidate of this name has said that it is ready to be a validator.",
        "Have its operator submit a ready statement (validator.ready); the candidate is gone once it has joined.",
    ),
    HttpCode.EVIDENCE_UNKNOWN: Row(
        404,
        "Neither the ledger nor this node has evidence with this digest.",
        "Compare it with the lists at /v1/evidence and /v1/evidence/unrecorded, also of other nodes.",
    ),
    HttpCode.RECORD_UNKNOWN: Row(
        404,
        "The stream has no record of this number, or none of this key.",
        "Compare it with the stream's count, or list its records.",
    ),
    HttpCode.VALIDATOR_KEY_UNKNOWN: Row(
        404,
        "The key is not a validator's, and never was.",
        "Compare it with the keys at /v1/validators, also at an earlier height.",
    ),
    HttpCode.PROOF_UNAVAILABLE: Row(
        404,
        "This node keeps no proof of the state after that height.",
        "Ask for one of the heights in proof_heights, or ask without proof=1: values are kept for ever.",
    ),
    HttpCode.TILE_UNKNOWN: Row(
        404,
        "The log of this node does not have this tile, or not this much of it.",
        "Fetch the tiles of a size that a checkpoint names; a partial one has the width that this size gives it.",
    ),
    HttpCode.LOG_SIZE_UNKNOWN: Row(
        404,
        "The log of this node does not have so many transactions.",
        "Compare it with the newest checkpoint: the node may be behind.",
    ),
    HttpCode.TRAIL_TOO_LONG: Row(
        422,
        "The validator set has changed more often since the height that was asked from than a file may tell.",
        "Pin a later block (quorum-audit checkpoint), and give its height as from_height.",
    ),
    HttpCode.CHECKPOINT_UNKNOWN: Row(
        404,
        "No checkpoint with a quorum of cosignatures is here that covers this.",
        "Ask again in a second or two: validators cosign at most once a second, and the newest block soon after it.",
    ),
    HttpCode.METHOD_NOT_ALLOWED: Row(
        405, "The path exists, but not with this method.", "Use one of the methods in the Allow header."
    ),
    HttpCode.NOT_ACCEPTABLE: Row(
        406,
        "The answer exists only in a media type that the Accept header excludes.",
        "Accept the media type named in the detail.",
    ),
    HttpCode.REQUEST_TIMEOUT: Row(
        408, "The request did not arrive in time.", "Send it again over a better connection, or in smaller batches."
    ),
    HttpCode.BODY_TOO_LARGE: Row(
        413,
        "The request has more bytes, or more transactions, than one request may have.",
        "Split it into smaller batches.",
    ),
    HttpCode.MEDIA_TYPE_UNSUPPORTED: Row(
        415,
        "The body's media type or content coding is not supported.",
        "Send application/json for one transaction, application/x-ndjson for many, without Content-Encoding.",
    ),
    HttpCode.HEADERS_TOO_LARGE: Row(
        431, "The request line or a header is too long.", "Shorten it; 8 KiB is the limit of each."
    ),
    HttpCode.BODIES_EXHAUSTED: Row(
        503,
        "The submissions that are being read, from this address or in all, have as many bytes as they may.",
        "Submit the same bytes again after the time in Retry-After; they never act twice.",
    ),
    HttpCode.STREAMS_EXHAUSTED: Row(
        429,
        "As many event streams as are allowed are open, from this address or in all.",
        "Close one, or try again after the time in Retry-After; Last-Event-ID resumes without loss.",
    ),
    HttpCode.CONNECTIONS_EXHAUSTED: Row(
        503,
        "As many connections as are allowed are open, from this address or in all.",
        "Reuse connections, or try again after the time in Retry-After.",
    ),
    HttpCode.ANSWERS_UNREAD: Row(
        503,
        "The answers that wait for their readers, at this address or in all, have as many bytes as they may.",
        "Read what was asked for before, and ask again after the time in Retry-After.",
    ),
    HttpCode.CLOSING: Row(
        503, "The node is shutting down.", "Ask another node, or this one after the time in Retry-After."
    ),
    HttpCode.HALTED: Row(
        503,
        "The node's storage failed; it does nothing any more and must be restarted by its operator.",
        "Ask another node, and tell this one's operator to look at its log.",
    ),
    HttpCode.INTERNAL_ERROR: Row(
        500,
        "The node failed to answer; this is a bug or a damaged disk, not a fault of the request.",
        "Ask another node, and tell this one's operator to look at its log.",
    ),
}

STATUS: dict[Code, int] = {
    # malformed: 400 whoever looks at it; one form of it is a size
    Code.TRANSACTION_MALFORMED: 400,
    Code.TRANSACTION_TOO_LARGE: 413,
    Code.VERSION_UNSUPPORTED: 400,
    Code.OPERATION_UNKNOWN: 400,
    # inadmissible: 409 against what the ledger has come to, 403 who may, 422 what is asked
    Code.CHAIN_WRONG: 422,
    Code.EXPIRED: 409,
    Code.VALID_UNTIL_TOO_FAR: 422,
    Code.ALREADY_COMMITTED: 409,
    Code.SENDER_UNKNOWN: 403,
    Code.COSIGNER_UNKNOWN: 403,
    Code.ACCOUNT_SUSPENDED: 403,
    Code.SIGNATURE_INVALID: 403,
    Code.SIGNATURE_MISSING: 403,
    Code.SIGNATURE_SURPLUS: 403,
    Code.QUOTA_EXCEEDED: 409,
    Code.BLOCK_FULL: 409,
    # evidence
    Code.VALIDATOR_SENDER_LIMITED: 400,
    Code.EVIDENCE_RECORDED: 409,
    Code.EVIDENCE_HEIGHT_AHEAD: 409,
    Code.EVIDENCE_KEY_WRONG: 422,
    Code.EVIDENCE_UNPROVEN: 422,
    # failed: recorded in a block, so never the answer to a submission; reads answer some of them
    Code.PERMISSION_DENIED: 403,
    Code.ACCOUNT_EXISTS: 409,
    Code.ACCOUNT_UNKNOWN: 404,
    Code.KEY_UNACCEPTABLE: 422,
    Code.KEY_IN_USE: 422,
    Code.THRESHOLD_IMPOSSIBLE: 422,
    Code.ROLE_GOVERNED: 403,
    Code.ROLE_HELD: 409,
    Code.ROLE_NOT_HELD: 409,
    Code.ALREADY_SUSPENDED: 409,
    Code.NOT_SUSPENDED: 409,
    Code.ADMINISTRATORS_FULL: 409,
    Code.ADMINISTRATOR_LAST: 409,
    Code.OPERATOR_UNFIT: 409,
    Code.OPERATORS_TOO_FEW: 409,
    Code.QUORUM_IMPOSSIBLE: 409,
    Code.VALIDATORS_FULL: 409,
    Code.VALIDATOR_EXISTS: 409,
    Code.VALIDATOR_UNKNOWN: 404,
    Code.VALIDATOR_NOT_READY: 409,
    Code.VALIDATOR_NAME_TAKEN: 409,
    Code.KEY_RETIRED: 409,
    Code.READY_HEIGHT_WRONG: 409,
    Code.READY_PROOF_INVALID: 422,
    Code.PARAMETER_IMPOSSIBLE: 422,
    Code.PROTOCOL_VERSION_WRONG: 422,
    Code.PROPOSAL_UNKNOWN: 404,
    Code.PROPOSAL_CLOSED: 409,
    Code.PROPOSAL_EXPIRED: 409,
    Code.PROPOSAL_CHANGED: 409,
    Code.PROPOSAL_NEW: 409,
    Code.PROPOSAL_EXPIRY_WRONG: 422,
    Code.PROPOSALS_OPEN_FULL: 409,
    Code.PROPOSALS_PENDING_FULL: 409,
    Code.SET_CHANGE_PENDING: 409,
    Code.STREAM_EXISTS: 409,
    Code.STREAM_UNKNOWN: 404,
    Code.STREAM_FROZEN: 409,
    Code.WRITER_NOT_ALLOWED: 403,
    Code.REVISION_CONFLICT: 409,
    Code.ASSET_EXISTS: 409,
    Code.ASSET_UNKNOWN: 404,
    Code.ISSUER_NOT_ALLOWED: 403,
    Code.SUPPLY_EXCEEDED: 409,
    Code.RECEIVER_SUSPENDED: 409,
    Code.TRANSFER_TO_SELF: 422,
    Code.BALANCE_INSUFFICIENT: 409,
    Code.HOLDER_FROZEN: 409,
    Code.HOLDER_NOT_FROZEN: 409,
    # busy: 429 when it is this client's share that is used up, 503 when it is the node's
    Code.MEMPOOL_FULL: 503,
    Code.SENDER_MEMPOOL_FULL: 429,
    Code.STORAGE_LOW: 503,
    Code.NOT_READY: 503,
}

_RETRY_AFTER_SECONDS: dict[Code | HttpCode, int] = {
    Code.MEMPOOL_FULL: 1,
    Code.SENDER_MEMPOOL_FULL: 1,
    Code.STORAGE_LOW: 60,
    Code.NOT_READY: 5,
    HttpCode.TRANSACTION_DROPPED: 1,
    HttpCode.BODIES_EXHAUSTED: 1,
    HttpCode.STREAMS_EXHAUSTED: 5,
    HttpCode.CONNECTIONS_EXHAUSTED: 1,
    HttpCode.ANSWERS_UNREAD: 5,
    HttpCode.CLOSING: 5,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its code, a detail that names the thing at hand, and what else its body and headers say."""

    code: Code | HttpCode
    detail: str
    extra: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return row(self.code).status

    @property
    def retry_after_seconds(self) -> int | None:
        """What Retry-After says, or None when trying again is no remedy."""
        return retry_after_seconds(self.code)

    def to_json(self) -> dict[str, object]:
        """The problem details object (RFC 9457 section 3), with `code` and `remedy` as extension members."""
        entry = row(self.code)
        return {
            "type": PROBLEM_TYPE_PREFIX + self.code.value,
            "title": entry.sentence,
            "status": entry.status,
            "code": self.code.value,
            "detail": self.detail,
            "remedy": entry.remedy,
            **self.extra,
        }


class ProblemError(Exception):
    """Carries a `Problem` out of the parsing of somebody's request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem


def retry_after_seconds(code: Code | HttpCode) -> int | None:
    """What Retry-After says of a problem with this code, or None."""
    return _RETRY_AFTER_SECONDS.get(code)


def row(code: Code | HttpCode) -> Row:
    """The row of either table."""
    if isinstance(code, HttpCode):
        return HTTP_TABLE[code]
    entry = TABLE[code]
    return Row(STATUS[code], entry.sentence, entry.remedy)


def refused(refusal: Refusal, extra: Mapping[str, object] | None = None) -> Problem:
    """The problem that a refusal is answered with, and what else its body says."""
    return Problem(refusal.code, refusal.detail, extra or {})


SUBMISSION_CODES: tuple[Code | HttpCode, ...] = (
    *(code for code, entry in TABLE.items() if entry.kind is not Kind.FAILED),
    HttpCode.REQUEST_TIMEOUT,
    HttpCode.BODY_TOO_LARGE,
    HttpCode.MEDIA_TYPE_UNSUPPORTED,
    HttpCode.BODIES_EXHAUSTED,
    HttpCode.TRANSACTION_DROPPED,
    HttpCode.CLOSING,
)
"""What a submission may be refused with: all but what is recorded in a block."""
