"""What this node found out and must not forget: evidence against validators, and why it does not vote itself.

Rows of this module, beside those of `node.storage.keys` (the checksums are the store's):

    e | 1 | height (u64) | validator index (u16)   evidence in canonical JSON (ledger.evidence)
    e | 2 | height (u64)                           a valid commit record that conflicts with the block of that height
    e | 3                                          why this node's key must not sign any more, as a sentence

Evidence is one row per validator and height: the first pair found, of each key for few heights, so that who
contradicts itself at every height fills neither the disk nor the room of others, nor that of the keys which replace
its own or of who comes to have its name. Conflicts are bounded likewise. A silenced node stays silent: its key has
signed what it does not remember, or two chains exist. The operator replaces the key by a change of the validator set.
"""

from __future__ import annotations

import struct
from collections import Counter

from ledger.encoding import decode_object, encode_trusted
from ledger.evidence import Evidence, parse_evidence
from ledger.limits import CONFLICTS_MAX, EVIDENCE_BYTES_MAX, EVIDENCE_PER_VALIDATOR_MAX
from node.ports import Store

_EVIDENCE = struct.Struct(">2sQH")
_CONFLICT = struct.Struct(">2sQ")
_EVIDENCE_PREFIX, _CONFLICT_PREFIX, _SILENCE_KEY = b"e\x01", b"e\x02", b"e\x03"


class Findings:
    """The durable notes of one node about others and itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._evidence = {key: _parse(row) for key, row in store.range(_EVIDENCE_PREFIX, _CONFLICT_PREFIX)}
        self._kept = Counter(item.key for item in self._evidence.values())
        self._conflicts = {key for key, _ in store.range(_CONFLICT_PREFIX, _SILENCE_KEY)}
        silence = store.get(_SILENCE_KEY)
        self._silence = None if silence is None else silence.decode(errors="replace")

    @property
    def silence(self) -> str | None:
        """Why this node's key must never sign again, or None."""
        return self._silence

    def evidence(self) -> tuple[Evidence, ...]:
        """All evidence, by height and validator."""
        return tuple(self._evidence[key] for key in sorted(self._evidence))

    def keep_evidence(self, validator: int, evidence: Evidence) -> bool:
        """Keep a contradiction of `validator` (its index) durably, unless there is one of this validator and height, or
        enough under its key.

        Returns whether it was kept.
        """
        key = _EVIDENCE.pack(_EVIDENCE_PREFIX, evidence.height, validator)
        if key in self._evidence or self._kept[evidence.key] >= EVIDENCE_PER_VALIDATOR_MAX:
            return False
        self._store.write({key: encode_trusted(evidence.to_json())}, sync=True)
        self._evidence[key] = evidence
        self._kept[evidence.key] += 1
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

    @property
    def first_conflict(self) -> int | None:
        """The lowest height at which a conflicting commit record was found, or None."""
        return _CONFLICT.unpack(min(self._conflicts))[1] if self._conflicts else None

    def keep_silent(self, reason: str) -> None:
        """Note, durably, that this node's key must not sign any more. The first reason stands."""
        if self._silence is None:
            self._store.write({_SILENCE_KEY: reason.encode()}, sync=True)
            self._silence = reason


def _parse(row: bytes) -> Evidence:
    return parse_evidence(decode_object(row, bytes_max=EVIDENCE_BYTES_MAX, what="evidence"))
