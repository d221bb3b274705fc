"""The vote book: every statement seen at one height, counted towards quorums, and compared for contradictions.

It is fed with single votes and with the signatures of certificates alike, and keeps of each validator, type and round
at most two different statements: the first, and one more that proves the equivocation. Both count. So an
equivocator can neither hide a quorum by sending different votes to different peers (what it signed twice is counted
twice, for different values), nor fill the memory. Rounds far behind or far ahead of the current one are not kept.

The book knows numbers only: which certificate is learned, and what follows, is decided by those who ask it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.consensus.evidence import contradiction
from ledger.consensus.messages import (
    CommitCertificate,
    PrepareCertificate,
    SignedStatement,
    TimeoutCertificate,
    TimeoutEntry,
    VoteSignature,
)
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    Statement,
    StatementType,
    TimeoutStatement,
)
from ledger.limits import VOTES_PER_VALIDATOR_MAX
from ledger.primitives import Digest, Signature


@dataclass(slots=True)
class VoteBook:
    """Statements seen, by validator and by value; `quorum` is q."""

    quorum: int
    _seen: dict[int, dict[tuple[int, StatementType], list[SignedStatement]]] = field(default_factory=dict)
    _signers: dict[tuple[int, StatementType], dict[Statement, dict[int, Signature]]] = field(default_factory=dict)

    def add(self, signed: SignedStatement) -> tuple[SignedStatement, ...]:
        """Take in a verified statement; returns the earlier ones of its validator that it contradicts.

        Each contradictory pair comes out once: a statement that is there already adds nothing.
        """
        statement = signed.statement
        place = (statement.round, statement.type)
        seen = self._seen.setdefault(signed.validator, {})
        same_place = seen.setdefault(place, [])
        if len(same_place) >= VOTES_PER_VALIDATOR_MAX or statement in [item.statement for item in same_place]:
            return ()
        contradicted = [item for items in seen.values() for item in items if contradiction(item.statement, statement)]
        same_place.append(signed)
        self._signers.setdefault(place, {}).setdefault(statement, {})[signed.validator] = signed.signature
        return tuple(contradicted)

    def prepare_certificate(self, statement: PrepareStatement) -> PrepareCertificate | None:
        """The certificate for this statement, once q have signed it."""
        signatures = self._quorum_for(statement)
        if signatures is None:
            return None
        return PrepareCertificate(
            statement.height, statement.round, statement.block_hash, statement.justification_digest, signatures
        )

    def commit_certificate(self, statement: CommitStatement) -> CommitCertificate | None:
        """The certificate for this statement, once q have signed it."""
        signatures = self._quorum_for(statement)
        if signatures is None:
            return None
        return CommitCertificate(statement.height, statement.round, statement.block_hash, signatures)

    def timeout_certificate(
        self, height: int, round: int, prepared: dict[int, PrepareCertificate]
    ) -> TimeoutCertificate | None:
        """The certificate that q gave `round` up, once they have.

        Only votes whose high round and hash agree with the certificates at hand (`prepared`, by round) are used, so
        that the result can be proved (amendment A3). Of two timeouts of one validator, the first that agrees counts.
        """
        entries: dict[int, TimeoutEntry] = {}
        for statement, signers in self._signers.get((round, StatementType.TIMEOUT), {}).items():
            assert isinstance(statement, TimeoutStatement)
            high_round, high_hash = statement.high_round, statement.high_hash
            if high_round != NO_ROUND:
                certificate = prepared.get(high_round)
                if certificate is None or certificate.block_hash != high_hash:
                    continue
            for validator, signature in signers.items():
                entries.setdefault(validator, TimeoutEntry(validator, high_round, high_hash, signature))
        if len(entries) < self.quorum:
            return None
        ordered = tuple(entries[validator] for validator in sorted(entries))
        high_round = max(entry.high_round for entry in ordered)
        return TimeoutCertificate(height, round, ordered, prepared.get(high_round))

    def justification_digests(self, round: int, block_hash: Digest) -> tuple[Digest, ...]:
        """The justifications with which this block was prepared in this round, as far as prepare votes were seen."""
        return tuple(
            statement.justification_digest
            for statement in self._signers.get((round, StatementType.PREPARE), {})
            if isinstance(statement, PrepareStatement) and statement.block_hash == block_hash
        )

    def voters(self, round: int, kind: StatementType) -> tuple[int, ...]:
        """Who was seen to sign a statement of this type in this round, in ascending order."""
        return tuple(sorted(validator for validator, seen in self._seen.items() if seen.get((round, kind))))

    def tally(self, round: int, kind: StatementType) -> tuple[tuple[Digest, tuple[int, ...]], ...]:
        """Which blocks were voted for in this round (`kind` is PREPARE or COMMIT), and by whom, in ascending order.

        Whoever signed two different votes stands under both.
        """
        signers: dict[Digest, set[int]] = {}
        for statement, signatures in self._signers.get((round, kind), {}).items():
            assert isinstance(statement, PrepareStatement | CommitStatement)
            signers.setdefault(statement.block_hash, set()).update(signatures)
        return tuple((block_hash, tuple(sorted(signers[block_hash]))) for block_hash in sorted(signers))

    def forget_below(self, round: int) -> None:
        """Drop what was seen in rounds below `round`."""
        for seen in self._seen.values():
            for place in [place for place in seen if place[0] < round]:
                del seen[place]
        for place in [place for place in self._signers if place[0] < round]:
            del self._signers[place]

    def _quorum_for(self, statement: Statement) -> tuple[VoteSignature, ...] | None:
        """The signatures under `statement` in ascending order of validator, once there are q."""
        place = (statement.round, statement.type)
        signers = self._signers.get(place, {}).get(statement, {})
        if len(signers) < self.quorum:
            return None
        return tuple(VoteSignature(validator, signers[validator]) for validator in sorted(signers))
