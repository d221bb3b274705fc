"""Refusals of evidence, and of validators as senders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.VALIDATOR_SENDER_LIMITED: Entry(
        Kind.MALFORMED,
        "The sender is a validator, which may record one piece of evidence in a transaction and do nothing else.",
        "Send everything else as an account; nodes report evidence by themselves.",
    ),
    Code.EVIDENCE_RECORDED: Entry(
        Kind.INADMISSIBLE,
        "Evidence against this validator about this height is on the ledger, or in the same block, already.",
        "Nothing is left to do: /v1/evidence has it.",
    ),
    Code.EVIDENCE_HEIGHT_AHEAD: Entry(
        Kind.INADMISSIBLE,
        "The statements are about a height that the chain has not reached.",
        "Keep the evidence until the chain has reached it.",
    ),
    Code.EVIDENCE_KEY_WRONG: Entry(
        Kind.INADMISSIBLE,
        "The key was not the consensus key of the accused validator at the height of the statements.",
        "Compare it with the validator set of that height; the signatures accuse nobody.",
    ),
    Code.EVIDENCE_UNPROVEN: Entry(
        Kind.INADMISSIBLE,
        "A statement's signature does not verify under the key, for this chain.",
        "Nothing: it is no evidence.",
    ),
}
