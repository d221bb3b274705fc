"""Everything the engine can ask for. The replica carries effects out in order, and is the only one that does.

`Cast…` effects are promises: the replica signs the statement, makes the message *and* everything in `durable`
durable in one synced batch, and only then sends it to all validators and hands it back as `MessageReceived(…, None)`.
The engine has noted the promise when it returns the effect, so nothing that it says afterwards contradicts it.
(consensus research, section 1.3 "Persist before send", and amendments A2, A5)
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ledger.consensus.inputs import PeerId
from ledger.consensus.messages import (
    CommitCertificate,
    ConsensusMessage,
    PrepareCertificate,
    ProposedBlock,
    SignedStatement,
    TimeoutCertificate,
)
from ledger.consensus.statements import CommitStatement, PrepareStatement, ProposalStatement, TimeoutStatement
from ledger.primitives import Digest


class Durable(Struct, frozen=True):
    """What a statement promises to hold: certificates and block bodies of its height.

    A timeout certificate brings its own prepare certificate. Some of it may be durable already.
    """

    timeout_certificates: tuple[TimeoutCertificate, ...] = ()
    prepare_certificates: tuple[PrepareCertificate, ...] = ()
    block_hash: Digest | None = None


class CastProposal(Struct, frozen=True):
    """Sign and send a proposal; `block` travels with it unless it is None (proposed again)."""

    statement: ProposalStatement
    justification: TimeoutCertificate | None
    block: ProposedBlock | None
    durable: Durable


class CastPrepare(Struct, frozen=True):
    """Sign and send a prepare vote."""

    statement: PrepareStatement
    durable: Durable


class CastCommit(Struct, frozen=True):
    """Sign and send a commit vote."""

    statement: CommitStatement
    durable: Durable


class CastTimeout(Struct, frozen=True):
    """Sign and send a timeout vote with exactly this prepare certificate, now and at every resend."""

    statement: TimeoutStatement
    prepare_certificate: PrepareCertificate | None
    durable: Durable


class Broadcast(Struct, frozen=True):
    """Send a message that is already durable, or needs no durability, to all validators."""

    message: ConsensusMessage


class BroadcastStatus(Struct, frozen=True):
    """Tell all peers our height and round (part of the resend tick)."""

    round: int


class Send(Struct, frozen=True):
    """Answer one peer."""

    peer: PeerId
    message: ConsensusMessage


class BuildBlock(Struct, frozen=True):
    """Build a fresh block for `round` and answer with `BlockBuilt`, at once.

    In round 0 its time is the wall clock, but above the parent's; in later rounds exactly the parent's + 1 ms (A7).
    """

    round: int


class CheckBlock(Struct, frozen=True):
    """Answer with `BlockChecked` as soon as the block is here; fetch what is missing. Asked again at every resend
    tick until it is answered. `block` is the content that came with the proposal, None where it must be fetched too.
    """

    block_hash: Digest
    block: ProposedBlock | None = None


class WantJustification(Struct, frozen=True):
    """Fetch the justification with this digest from peers; answer with `JustificationReceived`.

    Asked again at every resend tick until it is answered.
    """

    digest: Digest


class Commit(Struct, frozen=True):
    """Append the block: it is final, valid, here, and its record is complete. The engine is done with its height."""

    block_hash: Digest
    certificate: CommitCertificate
    justifications: tuple[TimeoutCertificate, ...]


class ReportEvidence(Struct, frozen=True):
    """One validator signed two contradictory statements (section 1.6: E1, E2 or E3)."""

    validator: int
    first: SignedStatement
    second: SignedStatement


class VoteStateContradicted(Struct, frozen=True):
    """Somebody shows a statement under this node's own key that this node does not remember: its vote state is lost,
    old, or its key is used elsewhere. The engine casts nothing any more; neither may an engine of a later height.
    """

    statement: SignedStatement


class WakeAt(Struct, frozen=True):
    """Hand in a `Wake` at this monotonic time; replaces the earlier wish."""

    monotonic_ms: int


Effect: TypeAlias = (
    CastProposal
    | CastPrepare
    | CastCommit
    | CastTimeout
    | Broadcast
    | BroadcastStatus
    | Send
    | BuildBlock
    | CheckBlock
    | WantJustification
    | Commit
    | ReportEvidence
    | VoteStateContradicted
    | WakeAt
)
