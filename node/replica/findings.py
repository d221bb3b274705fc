"""What this node found out and must not forget: evidence against validators, and why it does not vote itself.

Rows of this module, beside those of `node.storage.keys` (the checksums are the store's):

    e | 1 | height (u64) | validator index (u16)   canonical JSON {kind, validator, first, second}: the statements
    e | 2 | height (u64)                           a valid commit record that conflicts with the block of that height
    e | 3                                          why this node's key must not sign any more, as a sentence

Evidence is one row per validator and height: the first pair found, of each validator for few heights, so that who
contradicts itself at every height fills neither the disk nor the room of others. Conflicts are bounded likewise. A
silenced node stays silent: its key has signed what it does not remember, or two chains exist. The operator replaces the
key by a change of the validator set.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass

from ledger.consensus.codec import signed_statement_to_json
from ledger.consensus.effects import ReportEvidence
from ledger.consensus.evidence import contradiction
from ledger.encoding import decode_object, encode_trusted
from ledger.limits import CONFLICTS_MAX, EVIDENCE_BYTES_MAX, EVIDENCE_PER_VALIDATOR_MAX
from node.ports import Store

_EVIDENCE = struct.Struct(">2sQH")
_CONFLICT = struct.Struct(">2sQ")
_EVIDENCE_PREFIX, _CONFLICT_PREFIX, _SILENCE_KEY = b"e\x01", b"e\x02", b"e\x03"


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """Evidence as it is kept: `document` is canonical JSON {kind, validator, first, second}."""

    height: int
    validator: int
    document: bytes


class Findings:
    """The durable notes of one node about others and itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._evidence = dict(store.range(_EVIDENCE_PREFIX, _CONFLICT_PREFIX))
        self._kept = Counter(_validator_name(document) for document in self._evidence.values())
        self._conflicts = {key for key, _ in store.range(_CONFLICT_PREFIX, _SILENCE_KEY)}
        silence = store.get(_SILENCE_KEY)
        self._silence = None if silence is None else silence.decode()

    @property
    def silence(self) -> str | None:
        """Why this node's key must never sign again, or None."""
        return self._silence

    def evidence(self) -> tuple[FoundEvidence, ...]:
        """All evidence, by height and validator."""
        found = []
        for key, document in sorted(self._evidence.items()):
            _, height, validator = _EVIDENCE.unpack(key)
            found.append(FoundEvidence(height, validator, document))
        return tuple(found)

    def keep_evidence(self, report: ReportEvidence, validator_name: str) -> bool:
        """Keep a contradiction durably, unless there is one of this validator and height, or enough of this validator.

        Returns whether it was kept.
        """
        key = _EVIDENCE.pack(_EVIDENCE_PREFIX, report.first.statement.height, report.validator)
        if key in self._evidence or self._kept[validator_name] >= EVIDENCE_PER_VALIDATOR_MAX:
            return False
        kind = contradiction(report.first.statement, report.second.statement)
        assert kind is not None, "the engine reports contradictions only"
        document = encode_trusted(
            {
                "kind": str(kind),
                "validator": validator_name,
                "first": signed_statement_to_json(report.first),
                "second": signed_statement_to_json(report.second),
            }
        )
        self._store.write({key: document}, sync=True)
        self._evidence[key] = document
        self._kept[validator_name] += 1
        return True

    def keep_conflict(self, height: int, record: bytes) -> bool:
        """Keep a valid commit record for another block than ours of `height`, durably, unless there is one, or there
        are enough. Returns whether it was kept."""
        key = _CONFLICT.pack(_CONFLICT_PREFIX, height)
        if key in self._conflicts or len(self._conflicts) >= CONFLICTS_MAX:
            return False
        self._store.write({key: record}, sync=True)
        self._conflicts.add(key)
        return True

    def conflict(self, height: int) -> bytes | None:
        """The conflicting commit record of `height`, if one was found."""
        return self._store.get(_CONFLICT.pack(_CONFLICT_PREFIX, height))

    def keep_silent(self, reason: str) -> None:
        """Note, durably, that this node's key must not sign any more. The first reason stands."""
        if self._silence is None:
            self._store.write({_SILENCE_KEY: reason.encode()}, sync=True)
            self._silence = reason


def _validator_name(document: bytes) -> str:
    return str(decode_object(document, bytes_max=EVIDENCE_BYTES_MAX, what="evidence")["validator"])
