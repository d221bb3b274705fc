"""JSON Schemas (2020-12) of everything that the API answers, by name: what the OpenAPI document refers to.

They are strict (no property beyond those listed), so that the test that holds every real answer against its schema
fails when an answer and its documentation part ways. The operations come from `ledger.operations.table`.
"""

from __future__ import annotations

from ledger.consensus.evidence import EvidenceKind
from ledger.governance.changes import CHANGES
from ledger.operations.fields import EVIDENCE
from ledger.operations.table import OPERATIONS, operation_schema
from ledger.parameters import PARAMETERS
from ledger.refusals import Code
from node.http.governance_schemas import (
    DOCTOR,
    PENDING_SET_CHANGE,
)
from node.http.log_schemas import LOG_SCHEMAS
from node.http.problems import HttpCode
from node.http.proof_schemas import (
    BLOCK_PROOF,
    COMMIT_RECORD,
    EVIDENCE_FILE,
    EXPORT_LINE,
    HEADER,
    LIGHT_UPDATE,
    RECEIPT,
    STATE_PROOF,
)
from node.http.schema_forms import (
    COUNT,
    HEX_32,
    HEX_64,
    ID,
    NAME,
    QUORUM,
    RESULT,
    TIME_MS,
    TIMES,
    TOLERANCE,
    VALIDATOR,
    Schema,
    enum_of,
    list_of,
    nullable,
    object_of,
    reference,
    text,
)
from node.http.state_schemas import ACCOUNT, STATE_ITEMS, STATE_SCHEMAS
from node.replica import Role

_PLACE: Schema = {
    "envelope_hash": HEX_32,
    "result": RESULT,
    "height": COUNT,
    "index": {**COUNT, "description": "Its index in the block, from 0."},
    "block_hash": HEX_32,
    **TIMES,
}
_BLOCK_LISTED: Schema = {
    "height": COUNT,
    "block_hash": HEX_32,
    **TIMES,
    "header": reference("Header"),
    "round": {**COUNT, "description": "The round in which the block was committed."},
    "signers": {
        **list_of({"type": "string"}),
        "description": "Validators whose signatures are in the certificate that this node has. Others may have signed.",
    },
}

_ENVELOPE = object_of(
    {
        "body": object_of(
            {
                "version": {"const": 1},
                "chain": {**HEX_32, "description": "Hash of genesis."},
                "sender": {"type": "string"},
                "nonce": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "valid_until": TIME_MS,
                "operations": list_of(reference("Operation")),
                "cosigners": list_of(NAME),
                "memo": {"type": "string"},
            },
            optional=("cosigners", "memo"),
        ),
        "signatures": list_of(object_of({"key": HEX_32, "signature": HEX_64})),
    },
    description="A transaction in canonical JSON (RFC 8785): the exact signed bytes matter.",
)

_COMMITTED = object_of(
    {
        "id": ID,
        "state": {"const": "committed"},
        **_PLACE,
        "receipt": text("The path of the receipt."),
        "transaction": reference("Envelope"),
    },
    description="Final: in a block, applied or failed with a code.",
)
_UNCOMMITTED = object_of(
    {
        "id": ID,
        "state": enum_of(["pending", "expired"], "`pending` may become committed or expired; `expired` is final."),
        "head": reference("Head"),
    }
)

_PROBLEM_FIELDS: Schema = {
    "type": {"type": "string", "format": "uri-reference"},
    "title": {"type": "string"},
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "code": enum_of([*(code.value for code in Code), *(code.value for code in HttpCode)], "What to branch on; stable."),
    "detail": {"type": "string"},
    "remedy": {"type": "string"},
}

_PROBLEM_EXTRAS: Schema = {
    "id": ID,
    "state": {"const": "unknown"},
    "head": reference("Head"),
    "reasons": list_of({"type": "string"}),
    "proof": reference("StateProof"),
    "proof_heights": nullable(object_of({"from": COUNT, "to": COUNT})),
}

_RESULTS = object_of(
    {
        "results": list_of(
            {
                "oneOf": [
                    object_of({"id": ID, "state": enum_of(["pending", "expired"], "As of now.")}),
                    object_of(
                        {
                            "id": ID,
                            "state": {"const": "committed"},
                            "result": RESULT,
                            "height": COUNT,
                            "index": COUNT,
                        }
                    ),
                    object_of({"state": {"const": "refused"}, **_PROBLEM_FIELDS}),
                ]
            }
        )
    },
    description="One result for each line, in order.",
)

_RECORD = object_of(
    {
        "stream": NAME,
        "revision": {**COUNT, "description": "The record's number in its stream, from 1."},
        "key": nullable({"type": "string"}),
        "content": {"description": "Any JSON value; or content_digest instead."},
        "content_digest": HEX_32,
        "transaction_id": ID,
        "height": COUNT,
        "index": COUNT,
        "operation": {**COUNT, "description": "The operation's index in the transaction."},
        "by": NAME,
        **TIMES,
    },
    optional=("content", "content_digest"),
)

_STATUS = object_of(
    {
        "network": {"type": "string"},
        "chain": {**HEX_32, "description": "Hash of genesis: the chain's identity."},
        "version": text("The version of the software."),
        "head": reference("Head"),
        "role": enum_of([role.value for role in Role], "What this node does in consensus."),
        "reason": text("Why it has this role."),
        "validator": nullable({"type": "string"}),
        **TOLERANCE,
        "deciding": object_of(
            {
                "height": COUNT,
                "round": COUNT,
                "leader": {"type": "string"},
                "proposal_seen": {"type": "boolean"},
                "prepared": list_of({"type": "string"}),
                "committed": list_of({"type": "string"}),
                "timed_out": list_of({"type": "string"}),
                "missing": list_of({"type": "string"}),
            },
            description="The height being decided, and whose votes of the current round are here.",
        ),
        "explanation": text("What the node waits for, in one sentence."),
        "pending_set_change": PENDING_SET_CHANGE,
        "mempool": object_of({"transactions": COUNT, "bytes": COUNT}),
        "peers": list_of(
            object_of(
                {
                    "node_key": HEX_32,
                    "validator": nullable({"type": "string"}),
                    "deciding": {**COUNT, "description": "The height that it says it is deciding; 0 before it has."},
                    "round": COUNT,
                }
            )
        ),
        "evidence_count": COUNT,
    }
)

_GENESIS = object_of(
    {
        "kind": {"const": "quorum-ledger/genesis"},
        "version": {"const": 1},
        "network": {"type": "string"},
        "salt": {"type": "string", "pattern": "^[0-9a-f]+$"},
        "time_ms": TIME_MS,
        "quorum": QUORUM,
        "parameters": object_of(
            {name: {"type": "integer", "description": PARAMETERS[name].description} for name in PARAMETERS}
        ),
        "accounts": list_of(object_of({**ACCOUNT, "suspended": {"type": "boolean"}})),
        "cards": list_of(
            object_of(
                {
                    "validator": object_of(VALIDATOR),
                    "operator": object_of({name: ACCOUNT[name] for name in ("name", "keys", "threshold")}),
                    "proofs": object_of({"consensus": HEX_64, "node": HEX_64, "cosigning": HEX_64}),
                }
            )
        ),
    },
    description="The document that the chain started from, in its exact canonical bytes.",
)


def _page(item: str) -> Schema:
    return object_of(
        {
            "items": list_of(reference(item)),
            "next_cursor": {
                **nullable({"type": "string"}),
                "description": "Pass it back as `cursor` for the next page; null when this was the last.",
            },
            "head": reference("Head"),
        }
    )


_ITEMS: dict[str, Schema] = {
    **STATE_ITEMS,
    "Block": object_of({**_BLOCK_LISTED}),
    "Transaction": object_of(
        {"id": ID, **_PLACE, "sender": {"type": "string"}, "operations": list_of(enum_of(OPERATIONS, "A type."))}
    ),
    "Record": _RECORD,
    "Evidence": object_of(
        {
            "digest": HEX_32,
            "kind": enum_of(EvidenceKind, "How the statements contradict each other."),
            "validator": {"type": "string"},
            "height": {**COUNT, "description": "The height that both statements are about."},
            "evidence": {
                **EVIDENCE.schema,
                "description": "Two statements that no honest validator signs both, with its signatures.",
            },
            "file": text("The path of the portable file."),
            "recorded": {
                **nullable(
                    object_of(
                        {"height": COUNT, "index": COUNT, "transaction_id": ID, "by": {"type": "string"}, **TIMES}
                    )
                ),
                "description": "Where the ledger has it, and which validator reported it; null where it has not.",
            },
        }
    ),
}

SCHEMAS: dict[str, Schema] = {
    **_ITEMS,
    **{f"{name}Page": _page(name) for name in _ITEMS},
    "Head": object_of({"height": COUNT, "block_hash": HEX_32, **TIMES}, description="This node's newest block."),
    "Header": HEADER,
    "Envelope": _ENVELOPE,
    "Operation": {"oneOf": [reference(kind.type) for kind in OPERATIONS.values()]},
    **{kind.type: operation_schema(kind) for kind in OPERATIONS.values()},
    "TransactionStatus": {"oneOf": [_COMMITTED, _UNCOMMITTED]},
    "Submitted": {"oneOf": [_COMMITTED, _UNCOMMITTED, _RESULTS]},
    "WholeBlock": object_of(
        {
            **_BLOCK_LISTED,
            "transactions": list_of(object_of({"id": ID, "envelope_hash": HEX_32, "result": RESULT})),
        }
    ),
    "BlockEvent": object_of(
        {
            **_BLOCK_LISTED,
            "transactions": {
                **list_of(reference("Transaction")),
                "description": "With a filter: those of the block's transactions that match it.",
            },
            "proof": {
                **nullable(reference("BlockProof")),
                "description": "With proof=1; null for genesis, which everyone pins instead.",
            },
        },
        optional=("transactions", "proof"),
    ),
    "BlockProof": BLOCK_PROOF,
    "CommitRecord": COMMIT_RECORD,
    "ExportLine": EXPORT_LINE,
    "Receipt": RECEIPT,
    "EvidenceFile": EVIDENCE_FILE,
    "StateProof": STATE_PROOF,
    **STATE_SCHEMAS,
    "LightUpdate": LIGHT_UPDATE,
    "Change": {"oneOf": [kind.schema for kind in CHANGES.values()]},
    "Doctor": DOCTOR,
    "Genesis": _GENESIS,
    "Status": _STATUS,
    "Alive": object_of({"alive": {"const": True}}),
    "Ready": object_of({"ready": {"const": True}}),
    "OpenApi": {"type": "object", "description": "This document."},
    "Text": {"type": "string"},
    **LOG_SCHEMAS,
    "Problem": {
        **object_of({**_PROBLEM_FIELDS, **_PROBLEM_EXTRAS}, optional=_PROBLEM_EXTRAS),
        "description": "RFC 9457. `transaction_unknown` also has id, state and head; `not_ready` has reasons; what is "
        "unknown has the proof of it when that was asked for; `proof_unavailable` says which heights can be proved.",
    },
}
"""Every schema of the document, by name."""
