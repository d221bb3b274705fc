"""Reporting evidence: what this node found against a validator goes onto the ledger, and nobody has to ask for it.

Found evidence is durable first (`findings`). From then on it waits here until the ledger has it: at every tick, what is
not in the mempool is submitted through this node's own door, signed with its node key as `validator:<name>`, and
repeated to the peers like any submission. A block that records evidence about that validator and height, whoever
reported it, ends the waiting; what is on the ledger already does not wait after a restart. A node that is no validator
of the set in force only keeps what it found.

All of it is bounded: evidence by `Findings`, submissions by EVIDENCE_REPORTS_PER_TICK_MAX. None of it is in the way of
a decision: an accusation is a transaction like others, and where there is none, a step costs a look at an empty dict.
"""

from __future__ import annotations

from ledger.crypto import SigningKey
from ledger.evidence import Evidence
from ledger.limits import EVIDENCE_REPORTS_PER_TICK_MAX
from ledger.operations.evidence import EvidenceRecord
from ledger.primitives import Digest
from ledger.senders import validator_sender
from ledger.state import State
from ledger.transaction import assemble, build_body, sign_body
from node.replica.actions import Pending
from node.replica.deciding import Deciding
from node.replica.door import Door
from node.replica.findings import Findings
from node.storage.chain_store import ChainStore


class Reports:
    """The evidence of this node that the ledger does not have, by validator and height, and the ids of its reports."""

    def __init__(self, findings: Findings, chain: ChainStore, node_key: SigningKey | None) -> None:
        state = State(chain.state)
        self._node_key = node_key
        self._waiting = {
            (item.validator, item.height): item
            for item in findings.evidence()
            if state.evidence(item.validator, item.height) is None
        }
        self._submitted: dict[tuple[str, int], Digest] = {}
        self._next_ms = 0

    def wait(self, evidence: Evidence) -> None:
        """Report this evidence, from the next step on."""
        self._waiting[evidence.validator, evidence.height] = evidence

    def recorded(self, validator: str, height: int) -> None:
        """The ledger has evidence against this validator about this height."""
        self._waiting.pop((validator, height), None)
        self._submitted.pop((validator, height), None)

    def waiting(self) -> tuple[Evidence, ...]:
        """What the ledger does not have yet."""
        return tuple(self._waiting.values())

    def submit(self, door: Door, deciding: Deciding, now_ms: int) -> None:
        """Once per tick: submit what waits and is not pending, if this node is a validator."""
        if not self._waiting or now_ms < self._next_ms or self._node_key is None:
            return
        self._next_ms = now_ms + deciding.engine.context.timing.tick_ms
        index = deciding.validators.index_of_node_key(self._node_key.public_key)
        if index is None:
            return
        missing = [
            (place, evidence)
            for place, evidence in self._waiting.items()
            if not ((known := self._submitted.get(place)) and door.mempool.pending(known))
        ]
        for place, evidence in missing[:EVIDENCE_REPORTS_PER_TICK_MAX]:
            envelope = _report(evidence, deciding.name(index), self._node_key, deciding)
            (outcome,) = door.submit((envelope,), deciding)
            if isinstance(outcome, Pending):  # or refused for now: a full mempool, or this node has lost blocks
                self._submitted[place] = outcome.transaction_id


def _report(evidence: Evidence, name: str, node_key: SigningKey, deciding: Deciding) -> bytes:
    """The envelope with which the validator called `name` reports, valid for as long as one may be."""
    admission, sender = deciding.admission, validator_sender(name)
    body = build_body(
        chain=admission.chain,
        sender=sender,
        nonce=evidence.nonce,
        valid_until_ms=admission.parent_time_ms + admission.parameters.valid_window_ms,
        operations=[EvidenceRecord(sender, evidence)],
    )
    return assemble(body, [sign_body(body, node_key)])
