"""JSON Schemas of what proves: headers, commit records, receipts and evidence files."""

from __future__ import annotations

from ledger.operations.fields import EVIDENCE
from node.http.schema_forms import (
    COUNT,
    HEX_32,
    HEX_64,
    ID,
    QUORUM,
    RESULT,
    TIME_MS,
    VALIDATOR,
    list_of,
    nullable,
    object_of,
    reference,
)

_VOTE_SIGNATURES = list_of(object_of({"validator": COUNT, "signature": HEX_64}))
_PREPARE_CERTIFICATE = object_of(
    {
        "height": COUNT,
        "round": COUNT,
        "block_hash": HEX_32,
        "justification_digest": HEX_32,
        "signatures": _VOTE_SIGNATURES,
    }
)
_TIMEOUT_CERTIFICATE = object_of(
    {
        "height": COUNT,
        "round": COUNT,
        "entries": list_of(
            object_of(
                {
                    "validator": COUNT,
                    "high_round": {"type": "integer", "minimum": -1},
                    "high_hash": HEX_32,
                    "signature": HEX_64,
                }
            )
        ),
        "prepare_certificate": nullable(_PREPARE_CERTIFICATE),
    }
)

HEADER = object_of(
    {
        "version": COUNT,
        "chain": HEX_32,
        "epoch": COUNT,
        "height": COUNT,
        "parent_hash": HEX_32,
        "round": COUNT,
        "proposer": {"type": "string"},
        "time_ms": TIME_MS,
        "transaction_count": COUNT,
        "log_size": COUNT,
        "log_root": HEX_32,
        "state_root": HEX_32,
        "validators_hash": HEX_32,
        "next_validators_hash": HEX_32,
    },
    description="The block's header. Its canonical JSON, after a domain tag, hashes to the block hash.",
)

COMMIT_RECORD = object_of(
    {
        "header": reference("Header"),
        "certificate": object_of(
            {"height": COUNT, "round": COUNT, "block_hash": HEX_32, "signatures": _VOTE_SIGNATURES}
        ),
        "justifications": list_of(_TIMEOUT_CERTIFICATE),
    },
    description="All that proves a block final, besides its body. `validator` is the index in the set in force.",
)

_TRAIL = list_of(
    object_of(
        {
            "record": reference("CommitRecord"),
            "validators": object_of({"quorum": QUORUM, "validators": list_of(object_of(VALIDATOR))}),
        }
    )
)

RECEIPT = object_of(
    {
        "kind": {"const": "quorum-ledger/receipt"},
        "version": {"const": 1},
        "transaction": reference("Envelope"),
        "leaf": object_of(
            {"height": COUNT, "index": COUNT, "transaction_id": ID, "envelope_hash": HEX_32, "result": RESULT}
        ),
        "path": list_of(HEX_32),
        "record": reference("CommitRecord"),
        "trail": _TRAIL,
    },
    description="Proves the transaction's outcome for ever, offline: quorum-wallet receipt verify.",
)

BLOCK_PROOF = object_of(
    {
        "kind": {"const": "quorum-ledger/block-proof"},
        "version": {"const": 1},
        "record": reference("CommitRecord"),
        "transactions": list_of(object_of({"id": ID, "envelope_hash": HEX_32, "result": RESULT})),
        "log": list_of(HEX_32),
    },
    description="Proves a block to who knows its validator set, and that these are all of its transactions: appended "
    "to the log before (the roots of its perfect subtrees, largest first), they give the header's log root.",
)

LIGHT_UPDATE = object_of(
    {
        "kind": {"const": "quorum-ledger/light-update"},
        "version": {"const": 1},
        "trail": _TRAIL,
        "record": reference("CommitRecord"),
        "consistency": list_of(HEX_32),
    },
    description="Leads who knows an earlier block to the block of `record`. Where the validator set changed more often "
    "than one update has room for, that is the block of the next change: ask again from there.",
)

_TWO_STATEMENTS = {**EVIDENCE.schema}["properties"]
assert isinstance(_TWO_STATEMENTS, dict)

EVIDENCE_FILE = object_of(
    {
        "kind": {"const": "quorum-ledger/evidence"},
        "version": {"const": 1},
        "chain": HEX_32,
        **_TWO_STATEMENTS,
        "trail": _TRAIL,
        "record": nullable(reference("CommitRecord")),
    },
    description="Proves for ever, offline, that a validator contradicted itself: quorum-audit verify.",
)
