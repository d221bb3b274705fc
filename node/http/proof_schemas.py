"""JSON Schemas of what proves: headers, commit records, receipts and evidence files."""

from __future__ import annotations

from ledger.limits import STATE_KEY_BYTES_MAX
from ledger.operations.fields import EVIDENCE
from ledger.trie_nodes import DEPTH_MAX, PREIMAGE_BYTES_MAX
from node.http.schema_forms import (
    COUNT,
    HEX_32,
    HEX_64,
    ID,
    QUORUM,
    RESULT,
    TIME_MS,
    VALIDATOR,
    Schema,
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

_LEAF = object_of({"height": COUNT, "index": COUNT, "transaction_id": ID, "envelope_hash": HEX_32, "result": RESULT})

EXPORT_LINE: Schema = {
    "oneOf": [
        object_of({"block_hash": HEX_32, "record": reference("CommitRecord")}),
        object_of({"envelope": reference("Envelope"), "leaf": _LEAF}),
    ],
    "description": "A block; or, on the lines after it, each of its transactions. In canonical JSON.",
}

_RECEIPT: Schema = {
    "kind": {"const": "quorum-ledger/receipt"},
    "version": {"const": 1},
    "transaction": reference("Envelope"),
    "leaf": _LEAF,
    "path": list_of(HEX_32),
}

RECEIPT: Schema = {
    "description": "Proves the transaction's outcome for ever, offline: quorum-wallet receipt verify.",
    "anyOf": [
        object_of(
            {**_RECEIPT, "record": reference("CommitRecord"), "trail": _TRAIL},
            description="Of a transaction above `from_height`: its own block, and what leads there from `from_height`.",
        ),
        object_of(
            {**_RECEIPT, "position": COUNT, "header": reference("Header")},
            description="Of one at or below it: the block at `from_height`, in whose log it is at this position.",
        ),
    ],
}

STATE_PROOF = object_of(
    {
        "kind": {"const": "quorum-ledger/state-proof"},
        "version": {"const": 1},
        "key": {"type": "string", "minLength": 1, "maxLength": STATE_KEY_BYTES_MAX},
        "value": {**nullable({"type": "object"}), "description": "The row that the state has; null for none."},
        "path": {
            "type": "array",
            "items": {"type": "string", "pattern": "^([0-9a-f]{2})+$", "maxLength": 2 * PREIMAGE_BYTES_MAX},
            "minItems": 1,
            "maxItems": DEPTH_MAX,
            "description": "The preimages of the trie's nodes on the key's path, root first.",
        },
        "record": reference("CommitRecord"),
        "trail": _TRAIL,
    },
    description="Proves, offline, what the state had under a key after a block, or that it had nothing: quorum-audit "
    "verify. What is verified is its canonical form (RFC 8785).",
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
