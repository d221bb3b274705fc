"""Lies about others: evidence that is forged, reported again, or too much of it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.consensus.messages import SignedStatement
from ledger.consensus.statements import CommitStatement
from ledger.evidence import Evidence, evidence_of
from ledger.operations.evidence import EvidenceRecord
from ledger.primitives import Digest
from ledger.senders import validator_sender
from ledger.transaction import assemble, build_body, sign_body
from node.wire import Transactions

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_MANY = 4


def forged_evidence(liar: Liar) -> bool:
    """Evidence against somebody honest, with the liar's own signatures."""
    validators = liar.deciding.validators.validators
    accused = validators[(liar.me + 1) % len(validators)]
    _report(liar, [replace(_contradiction(liar, 0), validator=accused.name, key=accused.consensus_key)])
    return True


def evidence_again(liar: Liar) -> bool:
    """Evidence that is on the ledger, or will be, of its own finding."""
    known = liar.running._parts.findings.evidence()
    if not known:
        return False
    _report(liar, [liar.world.rng.choice(known)])
    return True


def many_accusations(liar: Liar) -> bool:
    """True evidence against itself, many times: two votes each that it never sent anywhere else."""
    _report(liar, [_contradiction(liar, number) for number in range(_MANY)])
    return True


def _contradiction(liar: Liar, number: int) -> Evidence:
    """Two commit votes of the liar, of one round."""
    height, round = liar.deciding.height, liar.world.rng.randrange(4)
    statements = [CommitStatement(height, round, Digest(bytes((number, side)) * 16)) for side in (1, 2)]
    first, second = (SignedStatement(statement, liar.me, liar.sign(statement)) for statement in statements)
    return evidence_of(
        liar.identity.founder.card.validator.name, liar.identity.founder.consensus_key.public_key, first, second
    )


def _report(liar: Liar, accusations: list[Evidence]) -> None:
    """Send reports under the liar's node key, as a validator does."""
    deciding = liar.deciding
    name = liar.identity.founder.card.validator.name
    envelopes = []
    for evidence in accusations:
        body = build_body(
            chain=deciding.admission.chain,
            sender=validator_sender(name),
            nonce=evidence.nonce,
            valid_until_ms=deciding.admission.parent_time_ms + deciding.admission.parameters.valid_window_ms,
            operations=[EvidenceRecord(validator_sender(name), evidence)],
        )
        envelopes.append(assemble(body, [sign_body(body, liar.identity.founder.node_key)]))
    liar.tell_some(Transactions(tuple(envelopes)))
