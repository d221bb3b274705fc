"""JSON Schemas of proofs about the log."""

from __future__ import annotations

from node.http.schema_forms import COUNT, HEX_32, ID, RESULT, Schema, list_of, object_of

LEAF = object_of(
    {"height": COUNT, "index": COUNT, "transaction_id": ID, "envelope_hash": HEX_32, "result": RESULT},
    description="What one transaction became. Its canonical JSON is the log's entry.",
)

INCLUSION_PROOF = object_of(
    {
        "index": {**COUNT, "description": "The index in the log, from 0."},
        "size": {**COUNT, "description": "The size of the log that the proof is for."},
        "root": {**HEX_32, "description": "The root of the log of this size."},
        "leaf": LEAF,
        "leaf_hash": {**HEX_32, "description": "SHA-256 of a zero byte and the leaf's canonical JSON."},
        "path": {**list_of(HEX_32), "description": "The leaf's sibling first (RFC 6962 section 2.1.1)."},
    },
    description="Leads from the leaf to the root. What the root is worth, a checkpoint or a certified header says.",
)

CONSISTENCY_PROOF = object_of(
    {
        "from": {**COUNT, "description": "The earlier size."},
        "to": {**COUNT, "description": "The later size."},
        "from_root": HEX_32,
        "to_root": HEX_32,
        "path": {**list_of(HEX_32), "description": "RFC 6962 section 2.1.2; empty for equal sizes, and from size 0."},
    },
    description="Shows that the later log begins with all of the earlier one.",
)

LOG_SCHEMAS: dict[str, Schema] = {
    "InclusionProof": INCLUSION_PROOF,
    "ConsistencyProof": CONSISTENCY_PROOF,
    "Octets": {"type": "string", "description": "Bytes."},
}
"""What the routes of the log answer, by name."""
