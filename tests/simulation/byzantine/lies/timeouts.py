"""Lies about rounds that are given up: too early, with less than is known, and certificates that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.codec import encode_timeout_certificate
from ledger.consensus.messages import PrepareCertificate, TimeoutCertificate, TimeoutEntry, TimeoutVote
from ledger.consensus.statements import StatementType, TimeoutStatement
from ledger.primitives import ZERO_DIGEST, Digest
from node.wire import Justification

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_NOBODYS = Digest(b"\x07" * 32)


def early_timeout(liar: Liar) -> bool:
    """Give a round up at once, naming any certificate that proves itself, or none."""
    state, rng = liar.state, liar.world.rng
    round = max(0, state.round + rng.choice((-1, 0, 0, 0, 1)))
    known = [item for item in state.prepare_certificates.values() if item.round <= round]
    prepared = rng.choice([None, *known])
    statement = timeout_statement(liar, round, prepared)
    liar.say(TimeoutVote(statement, liar.me, liar.sign(statement), prepared))
    return True


def timeout_of_a_higher_certificate(liar: Liar) -> bool:
    """Give a round up, and name a later one's certificate, which does not exist ("hq <= r")."""
    state, rng = liar.state, liar.world.rng
    high_round = state.round + rng.choice((0, 1, 7))
    statement = TimeoutStatement(liar.deciding.height, state.round, high_round, _NOBODYS)
    certificates = list(state.prepare_certificates.values())
    attached = rng.choice(certificates) if certificates else None
    if attached is None:
        return False
    liar.claim(TimeoutVote(statement, liar.me, liar.sign(statement), attached))
    return True


def weak_certificate(liar: Liar) -> bool:
    """A timeout certificate that binds as little as possible, with its own word that it knows nothing."""
    round = liar.state.round
    entries = others_entries(liar, round)[: liar.quorum - 1]
    return _certify(liar, round, [*entries, _own_entry(liar, timeout_statement(liar, round, None))])


def poisoned_certificate(liar: Liar) -> bool:
    """A timeout certificate that names a prepare certificate of this round which nobody has (amendment A3)."""
    round = liar.state.round
    entries = others_entries(liar, round)[: liar.quorum - 1]
    own = TimeoutStatement(liar.deciding.height, round, round, _NOBODYS)
    return _certify(liar, round, [*entries, _own_entry(liar, own)])


def stale_certificate(liar: Liar) -> bool:
    """The certificate of an earlier round, again, as if it were news."""
    known = [item for item in liar.state.justifications.values() if item.round < liar.state.round]
    if not known:
        return False
    liar.say(liar.world.rng.choice(known))
    return True


def certificate_of_too_few(liar: Liar) -> bool:
    """A timeout certificate with one signer less than a quorum."""
    round = liar.state.round
    entries = others_entries(liar, round)[: max(0, liar.quorum - 2)]
    return _claim(liar, round, [*entries, _own_entry(liar, timeout_statement(liar, round, None))])


def certificate_with_one_signer_twice(liar: Liar) -> bool:
    """A timeout certificate in which the liar makes up for all who are missing."""
    round = liar.state.round
    entries = others_entries(liar, round)[: max(0, liar.quorum - 2)]
    own = _own_entry(liar, timeout_statement(liar, round, None))
    return _claim(liar, round, [*entries, *[own] * (liar.quorum - len(entries))])


def timeout_statement(liar: Liar, round: int, prepared: PrepareCertificate | None) -> TimeoutStatement:
    """What the liar says of a round that it gives up."""
    if prepared is None:
        return TimeoutStatement(liar.deciding.height, round, -1, ZERO_DIGEST)
    return TimeoutStatement(liar.deciding.height, round, prepared.round, prepared.block_hash)


def _own_entry(liar: Liar, own: TimeoutStatement) -> TimeoutEntry:
    return TimeoutEntry(liar.me, own.high_round, own.high_hash, liar.sign(own))


def others_entries(liar: Liar, round: int) -> list[TimeoutEntry]:
    """The timeouts of others for this round, those that bind least first."""
    entries: dict[int, TimeoutEntry] = {}
    for statement, signers in liar.state.book._signers.get((round, StatementType.TIMEOUT), {}).items():
        assert isinstance(statement, TimeoutStatement)
        for validator, signature in signers.items():
            entry = TimeoutEntry(validator, statement.high_round, statement.high_hash, signature)
            if validator != liar.me:
                entries.setdefault(validator, entry)
    return sorted(entries.values(), key=lambda entry: (entry.high_round, entry.validator))


def _certify(liar: Liar, round: int, entries: list[TimeoutEntry]) -> bool:
    """Tell some, in either of the two ways, if there are enough entries."""
    if len(entries) < liar.quorum:
        return False
    certificate = _certificate(liar, round, entries)
    if liar.world.rng.random() < 0.5:
        liar.say(certificate)
    else:
        liar.tell_some(Justification(liar.deciding.height, encode_timeout_certificate(certificate)))
    return True


def _claim(liar: Liar, round: int, entries: list[TimeoutEntry]) -> bool:
    liar.claim(_certificate(liar, round, entries))
    return True


def _certificate(liar: Liar, round: int, entries: list[TimeoutEntry]) -> TimeoutCertificate:
    entries = sorted(entries, key=lambda entry: entry.validator)
    high_round = max(entry.high_round for entry in entries)
    prepared = liar.state.prepare_certificates.get(high_round)
    return TimeoutCertificate(liar.deciding.height, round, tuple(entries), prepared)
