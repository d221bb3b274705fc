"""JSON Schemas of what the state has: each as of a height, with the proof of it if that was asked for."""

from __future__ import annotations

from ledger.consensus.evidence import EvidenceKind
from ledger.limits import STATE_KEY_BYTES_MAX
from ledger.parameters import PARAMETERS
from ledger.roles import ROLES
from ledger.validators import KeyPurpose
from node.http.governance_schemas import CANDIDATE, PENDING_SET_CHANGE, PROPOSAL, PROPOSAL_DETAILS
from node.http.schema_forms import (
    AMOUNT,
    COUNT,
    DECIMALS,
    HEX_32,
    ID,
    NAME,
    QUORUM,
    TIMES,
    TOLERANCE,
    TOTAL,
    VALIDATOR,
    Schema,
    enum_of,
    list_of,
    nullable,
    object_of,
    provable,
    reference,
    text,
)

ACCOUNT: Schema = {
    "name": NAME,
    "keys": list_of(HEX_32),
    "threshold": {"type": "integer", "minimum": 1},
    "roles": list_of(enum_of(ROLES, "A role.")),
}
"""What an account has, in the state and in genesis."""

_HEIGHT: Schema = {**COUNT, "description": "The height after whose block this was so."}
_ROW: Schema = {
    **nullable({"type": "object"}),
    "description": "The row as it stands in the state, in canonical JSON; null for none.",
}
_STATE_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": STATE_KEY_BYTES_MAX}
_LAST_SIGNED: Schema = {
    **nullable(COUNT),
    "description": "The newest height whose certificate, as this node has it, the validator signed.",
}

STATE_ITEMS: dict[str, Schema] = {
    "Account": provable({**ACCOUNT, "suspended": {"type": "boolean"}, "height": _HEIGHT}),
    "Stream": provable(
        {
            "name": NAME,
            "owner": NAME,
            "writers": list_of(NAME),
            "count": COUNT,
            "frozen": {"type": "boolean"},
            "height": _HEIGHT,
        }
    ),
    "Asset": provable(
        {
            "name": NAME,
            "owner": NAME,
            "decimals": DECIMALS,
            "cap": {**nullable(AMOUNT), "description": "The most there may be of it; null: 2^128 - 1."},
            "issuers": list_of(NAME),
            "supply": {**TOTAL, "description": "How much there is of it, in smallest units: the sum of all balances."},
            "height": _HEIGHT,
        }
    ),
    "Balance": provable(
        {
            "account": NAME,
            "asset": NAME,
            "amount": {**TOTAL, "description": "In smallest units; the last `decimals` digits stand behind the point."},
            "decimals": DECIMALS,
            "frozen": {"type": "boolean", "description": "Frozen: it neither sends nor receives nor is burnt."},
            "height": _HEIGHT,
        }
    ),
    "Candidate": CANDIDATE,
    "Proposal": PROPOSAL,
    "RecordedEvidence": provable(
        {
            "validator": {"type": "string"},
            "accused_height": {**COUNT, "description": "The height at which the validator contradicted itself."},
            "kind": enum_of(EvidenceKind, "How the statements contradict each other."),
            "digest": HEX_32,
            "recorded_height": {**COUNT, "description": "The height whose block recorded it."},
            "transaction_id": ID,
            "file": text("The path of the portable file."),
            "height": _HEIGHT,
        }
    ),
    "StateVersion": object_of({"value": _ROW, "height": COUNT, **TIMES}),
}
"""What there are lists of, by the name of its schema."""

STATE_SCHEMAS: dict[str, Schema] = {
    "ValidatorSet": provable(
        {
            "height": _HEIGHT,
            "hash": {**HEX_32, "description": "`next_validators_hash` of the header at `height`."},
            "quorum": QUORUM,
            **TOLERANCE,
            "validators": list_of(object_of({**VALIDATOR, "last_signed_height": _LAST_SIGNED})),
            "pending_set_change": PENDING_SET_CHANGE,
        }
    ),
    "Validator": provable({**VALIDATOR, "last_signed_height": _LAST_SIGNED, "height": _HEIGHT}),
    "ValidatorKey": provable(
        {
            "key": HEX_32,
            "validator": {"type": "string"},
            "purpose": enum_of(KeyPurpose, "What the key is for."),
            "since": {**COUNT, "description": "The first height at which it was in force."},
            "until": {**nullable(COUNT), "description": "The last one; null while it is in force."},
            "height": _HEIGHT,
        }
    ),
    "LatestRecord": provable(
        {
            "stream": NAME,
            "key": {"type": "string"},
            "revision": {**COUNT, "description": "Its number in the stream: what the state, and the proof, say."},
            "record": reference("Record"),
            "height": _HEIGHT,
        }
    ),
    "ParametersInForce": provable(
        {
            "parameters": object_of(
                {name: {"type": "integer", "description": kind.description} for name, kind in PARAMETERS.items()}
            ),
            "height": _HEIGHT,
        }
    ),
    "StateRow": provable({"key": _STATE_KEY, "value": _ROW, "height": _HEIGHT}),
    "ProposalDetails": PROPOSAL_DETAILS,
}
"""What there is one of, by the name of its schema."""
