"""The messages of consensus as values: signed statements, the certificates made of them, and what they travel with.

A value of a `Signed…` or certificate type that reaches the engine has been verified against the validator set
of its height by `ledger.consensus.verification` (the door); the engine checks no signature.

Validators are named by their index in the set of that height. Signatures of a certificate stand in strictly
ascending order of index.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ledger.consensus.statements import (
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    Statement,
    TimeoutStatement,
)
from ledger.primitives import Digest, Signature


class ProposedBlock(Struct, frozen=True):
    """The content of a proposal: the header's canonical bytes and the envelope hashes of the body, in order."""

    header: bytes
    envelope_hashes: tuple[Digest, ...]


class VoteSignature(Struct, frozen=True):
    """One validator's signature in a certificate."""

    validator: int
    signature: Signature


class SignedStatement(Struct, frozen=True):
    """A bare statement with its signature, without what it travels with: what evidence is made of."""

    statement: Statement
    validator: int
    signature: Signature


class PrepareCertificate(Struct, frozen=True):
    """q prepare votes of one (height, round, block, justification)."""

    height: int
    round: int
    block_hash: Digest
    justification_digest: Digest
    signatures: tuple[VoteSignature, ...]


class CommitCertificate(Struct, frozen=True):
    """q commit votes of one (height, round, block): the signed quorum that appends a block."""

    height: int
    round: int
    block_hash: Digest
    signatures: tuple[VoteSignature, ...]

    @property
    def signers(self) -> tuple[int, ...]:
        """Who signed, as indices in the set of the height, ascending."""
        return tuple(item.validator for item in self.signatures)


class TimeoutEntry(Struct, frozen=True):
    """One validator's timeout vote in a timeout certificate."""

    validator: int
    high_round: int
    high_hash: Digest
    signature: Signature


class TimeoutCertificate(Struct, frozen=True):
    """q timeout votes of one (height, round).

    When the highest `high_round` is m >= 0, `prepare_certificate` is the one of round m, and every entry with
    `high_round` m names its block; otherwise it is None (amendment A3). No entry has `high_round` > round.
    A timeout certificate of round r - 1 is also the justification of a proposal in round r.
    """

    height: int
    round: int
    entries: tuple[TimeoutEntry, ...]
    prepare_certificate: PrepareCertificate | None

    @property
    def high_round(self) -> int:
        """The highest round of a prepare certificate that a signer held, or -1."""
        return max(entry.high_round for entry in self.entries)


class Proposal(Struct, frozen=True):
    """A leader's proposal. `justification` is None exactly in round 0; `block` may be None when proposed again.

    `block`, where it is there, has the hash that the statement names; whether it is valid is another question.
    """

    statement: ProposalStatement
    validator: int
    signature: Signature
    justification: TimeoutCertificate | None
    block: ProposedBlock | None


class PrepareVote(Struct, frozen=True):
    """A signed prepare statement."""

    statement: PrepareStatement
    validator: int
    signature: Signature


class CommitVote(Struct, frozen=True):
    """A signed commit statement."""

    statement: CommitStatement
    validator: int
    signature: Signature


class TimeoutVote(Struct, frozen=True):
    """A signed timeout statement, with the prepare certificate it names (None exactly when it names none)."""

    statement: TimeoutStatement
    validator: int
    signature: Signature
    prepare_certificate: PrepareCertificate | None


SignedMessage: TypeAlias = Proposal | PrepareVote | CommitVote | TimeoutVote
ConsensusMessage: TypeAlias = SignedMessage | TimeoutCertificate


class CommitRecord(Struct, frozen=True):
    """All that proves a block final, besides its body: header, commit certificate, and why its round could propose it.

    `justifications` is empty when the certificate's round is 0. Otherwise it starts with a justification of the
    certificate's round and follows, by justification digest, the prepare certificates down to the proposal that was
    fresh: in the round that stands in the header (amendment A8).
    """

    header: bytes
    certificate: CommitCertificate
    justifications: tuple[TimeoutCertificate, ...]
