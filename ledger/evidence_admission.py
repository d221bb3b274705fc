"""Which evidence may be in a block: what is asked of a transaction that a validator sends, in place of an account.

Its form came through `parse_transaction`: one `evidence.record` and nothing else. Against the state after the parent,

* the sender is a validator of the set in force, and the one signature is by its node key;
* the statements are about a height that the chain has reached, so that there are no more rows than heights;
* the key was the consensus key of the accused at that height (rows `validator-key/<key>`), so it was checked at
  registration and may be given to the verifier;
* no evidence against the accused about that height is on the ledger: evidence is recorded once, whoever finds it.

Both statements' signatures are verified beside the transaction's own, once per envelope and node (`ledger.admission`).
All of it is a function of state and bytes: no clock, and nothing that two honest nodes can see differently. [safety]
(consensus research 2, row 16)
"""

from __future__ import annotations

from ledger.consensus.statements import SigningContext
from ledger.crypto import Verify
from ledger.evidence import Evidence, signatures_verify
from ledger.operations.evidence import EvidenceRecord
from ledger.refusals import Code, Refusal
from ledger.senders import sending_validator
from ledger.state import State
from ledger.transaction import Transaction
from ledger.validators import KeyPurpose

_EPOCH = 0  # the only one that this protocol version has


def recorded_evidence(transaction: Transaction) -> Evidence:
    """The evidence in a transaction whose sender is a validator."""
    operation = transaction.body.operations[0]
    assert isinstance(operation, EvidenceRecord), "a validator sends nothing else"
    return operation.evidence


def check_validator_authority(transaction: Transaction, state: State, height: int) -> Refusal | None:
    """Why a transaction that a validator sends may not be in the block at `height`, whose parent's state `state` is, or
    None. No signature is verified."""
    return _check_sender(transaction, state) or _check_evidence(recorded_evidence(transaction), state, height)


def check_attested_statements(transaction: Transaction, verify: Verify) -> Refusal | None:
    """Whether both statements of the evidence in a transaction that a validator sends are signed by the evidence's key,
    for the chain that the body names. Asked after `check_validator_authority`."""
    evidence = recorded_evidence(transaction)
    if signatures_verify(evidence, SigningContext(transaction.body.chain, _EPOCH), verify):
        return None
    return Refusal(Code.EVIDENCE_UNPROVEN, f"key {evidence.key.hex()} did not sign both statements for this chain")


def _check_sender(transaction: Transaction, state: State) -> Refusal | None:
    name = sending_validator(transaction.body.sender)
    node_key = next((item.node_key for item in state.validators().validators if item.name == name), None)
    if node_key is None:
        return Refusal(Code.SENDER_UNKNOWN, f"no validator {name} in the set in force")
    for item in transaction.signatures:
        if item.key != node_key:
            return Refusal(Code.SIGNATURE_SURPLUS, f"key {item.key.hex()} is not the node key of {name}")
    return None  # signatures are never empty, and one key signs once


def _check_evidence(evidence: Evidence, state: State, height: int) -> Refusal | None:
    accused, about = evidence.validator, evidence.height
    if about > height:
        return Refusal(Code.EVIDENCE_HEIGHT_AHEAD, f"the statements are about height {about}, this is {height}")
    owner = state.validator_key(evidence.key)
    if (
        owner is None
        or owner.purpose is not KeyPurpose.CONSENSUS
        or owner.validator != accused
        or not owner.in_force_at(about)
    ):
        return Refusal(
            Code.EVIDENCE_KEY_WRONG, f"{evidence.key.hex()} was not the consensus key of {accused} at height {about}"
        )
    recorded = state.evidence(accused, about)
    if recorded is not None:
        return Refusal(
            Code.EVIDENCE_RECORDED, f"{accused} at height {about}: {recorded.digest.hex()} has been recorded"
        )
    return None
