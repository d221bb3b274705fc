"""JSON Schemas of proposals, candidates, set changes to come, and what the doctor finds."""

from __future__ import annotations

from ledger.refusals import Code
from ledger.rows.governance import ProposalState
from node.doctor import FindingCode, Severity
from node.http.schema_forms import (
    COUNT,
    HEX_32,
    NAME,
    TIME,
    TIME_MS,
    TOLERANCE,
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

_HEIGHT: Schema = {**COUNT, "description": "The height after whose block this was so."}
_CODE: Schema = enum_of((code.value for code in Code), "Why not; stable.")

_IMPACT = object_of(
    {
        "before": object_of(TOLERANCE),
        "after": {
            **nullable(object_of(TOLERANCE)),
            "description": "null when the changes would break n/2 < q <= n, or name validators wrongly.",
        },
        "validators": {**list_of({"type": "string"}), "description": "Who is in the set then; empty without `after`."},
        "renewed": {
            **list_of({"type": "string"}),
            "description": "Those of them that come with the entry of a candidate: they join, or have new keys.",
        },
        "sentence": text("Both in plain words, and what is lost, if anything is; or what is wrong."),
    },
    description="What the changes do to quorum and tolerance.",
)

PENDING_SET_CHANGE: Schema = {
    **nullable(
        object_of(
            {
                "proposal": {**COUNT, "description": "The number of the proposal that decided it."},
                "activation_height": {**COUNT, "description": "The first height that the changed set signs."},
                "changes": list_of(reference("Change")),
                "impact": _IMPACT,
            }
        )
    ),
    "description": "The change of the validator set or its quorum that is decided and not yet in force, if any.",
}

CANDIDATE = provable(
    {
        "name": {"type": "string"},
        "entry": object_of(VALIDATOR),
        "digest": {**HEX_32, "description": "What a proposal names the entry by."},
        "ready_height": {**COUNT, "description": "The height that the node had when its keys signed."},
        "recorded_height": {**COUNT, "description": "The height whose block recorded it."},
        "height": _HEIGHT,
    },
    description="An entry whose three keys have signed that they are ready.",
)

_PROPOSAL: Schema = {
    "number": COUNT,
    "proposer": NAME,
    "changes": list_of(reference("Change")),
    "evidence": list_of(HEX_32),
    "memo": nullable({"type": "string"}),
    "expires": {**TIME_MS, "description": "Ledger time (ms) from which nobody votes on it any more, as it is signed."},
    "expires_time": TIME,
    "delay": {**COUNT, "description": "Heights from the deciding block to the first one where it is in force."},
    "digest": {**HEX_32, "description": "What votes name it by: compute it from proposer .. delay and the chain."},
    "created_height": COUNT,
    "approvals": list_of(NAME),
    "rejections": list_of(NAME),
    "state": enum_of(ProposalState, "`open` ones whose time has come are shown as `expired`."),
    "decided_height": {**nullable(COUNT), "description": "The height whose block says that it is no longer open."},
    "activation_height": {**nullable(COUNT), "description": "The first height where it is, or was to be, in force."},
    "code": {**nullable(_CODE), "description": "Why a failed one did."},
    "height": _HEIGHT,
}

PROPOSAL = provable(_PROPOSAL)

PROPOSAL_DETAILS = provable(
    {
        **_PROPOSAL,
        "tally": object_of(
            {
                "height": {
                    **COUNT,
                    "description": "Against the set in force after this height: the newest while open.",
                },
                "approvals": COUNT,
                "rejections": COUNT,
                "n": COUNT,
                "q": COUNT,
                "missing": {**COUNT, "description": "How many more validators must approve."},
                "votes": list_of(
                    object_of(
                        {
                            "validator": {"type": "string"},
                            "operator": NAME,
                            "vote": nullable(enum_of(("approve", "reject"), "null: its operator has not voted.")),
                            "counts": {
                                "type": "boolean",
                                "description": "Whether its vote has weight: its operator has the role, unsuspended.",
                            },
                        }
                    )
                ),
                "sentence": text("The same in plain words."),
            }
        ),
        "impact": _IMPACT,
        "obstacle": {
            **nullable(object_of({"code": _CODE, "detail": {"type": "string"}, "remedy": {"type": "string"}})),
            "description": "Why the changes could not come into force on the state of now, if they are still to come.",
        },
    }
)

DOCTOR = object_of(
    {
        "healthy": {"type": "boolean", "description": "Whether nothing but notices was found."},
        "findings": list_of(
            object_of(
                {
                    "code": enum_of(FindingCode, "What to branch on; stable."),
                    "severity": enum_of(Severity, "A notice is no fault."),
                    "sentence": {"type": "string"},
                    "remedy": {"type": "string"},
                    "validators": {
                        **list_of({"type": "string"}),
                        "description": "Whom it is about; this node too, if it is about itself and it is a validator.",
                    },
                    "for_ms": {
                        **nullable(COUNT),
                        "description": "For how many milliseconds, as far as this node knows; null when it cannot.",
                    },
                }
            )
        ),
        "head": reference("Head"),
    },
    description="What this node finds wrong with itself and its network, the worst first.",
)
