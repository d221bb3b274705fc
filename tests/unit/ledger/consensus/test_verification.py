"""The door: every way in which a message or certificate can fail to prove what it says is refused with its reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.block import block_hash
from ledger.consensus.messages import (
    ConsensusMessage,
    Proposal,
    ProposedBlock,
    TimeoutCertificate,
    TimeoutEntry,
)
from ledger.consensus.statements import ProposalStatement, TimeoutStatement
from ledger.consensus.verification import (
    HeightKeys,
    verify_commit_certificate,
    verify_message,
    verify_prepare_certificate,
)
from ledger.errors import VerificationError
from ledger.primitives import ZERO_DIGEST, Digest, PublicKey, Signature
from tests.unit.ledger.consensus.signed import (
    CONTEXT,
    HEIGHT,
    VALIDATORS,
    X,
    Y,
    commit,
    committed,
    keyed_hash,
    keys,
    prepare,
    prepared,
    proposal,
    sign,
    timed_out,
    timeout,
)

BLOCK = ProposedBlock(b'{"any":"header"}', (Digest(b"t" * 32),))
JUSTIFICATION = timed_out(1, prepared(0))

GOOD: dict[str, ConsensusMessage] = {
    "fresh proposal": proposal(0, 0, block_hash(BLOCK.header), block=BLOCK),
    "proposal without its block": proposal(0, 0),
    "justified proposal": proposal(2, 2, X, JUSTIFICATION),
    "prepare": prepare(1),
    "prepare of a later round": prepare(1, 2, X, Y),
    "commit": commit(1, 3),
    "timeout": timeout(1, 3),
    "timeout naming its own round": timeout(1, 3, prepared(3, X, Y)),
    "timeout certificate": timed_out(1, prepared(1, X, Y)),
    "more than a quorum": timed_out(1, None, by=(0, 1, 2, 3)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_proves_itself_passes(name: str) -> None:
    verify_message(GOOD[name], keys())


def resigned(message: Proposal, **changes: object) -> Proposal:
    statement: ProposalStatement = replace(message.statement, **changes)  # type: ignore[arg-type]
    return replace(message, statement=statement, signature=sign(message.validator, statement))


def high(round: int, high_round: int, high_hash: Digest) -> TimeoutEntry:
    """The entry of validator 2."""
    statement = TimeoutStatement(HEIGHT, round, high_round, high_hash)
    return TimeoutEntry(2, high_round, high_hash, sign(2, statement))


def mixed(entry: TimeoutEntry, round: int, certificate: TimeoutCertificate) -> TimeoutCertificate:
    return replace(certificate, round=round, entries=(*timed_out(round).entries[:2], entry))


BAD: list[tuple[str, ConsensusMessage]] = [
    ("no validator 4", replace(prepare(1), validator=4)),
    ("does not verify", replace(prepare(1), validator=2)),
    ("does not verify", replace(commit(1), signature=Signature(bytes(64)))),
    ("justified exactly when", prepare(1, 0, X, Y)),
    ("justified exactly when", prepare(1, 1, X, ZERO_DIGEST)),
    ("justified exactly when", proposal(0, 0, X, JUSTIFICATION)),
    ("justified exactly when", proposal(2, 2)),
    ("binds another justification", replace(proposal(0, 0), justification=JUSTIFICATION)),
    ("binds another justification", replace(proposal(2, 2, X, JUSTIFICATION), justification=None)),
    ("binds another justification", replace(proposal(2, 2, X, JUSTIFICATION), justification=timed_out(1))),
    ("round 1 cannot justify a proposal in 3", resigned(proposal(2, 2, X, JUSTIFICATION), round=3)),
    ("names another block than it carries", proposal(0, 0, X, block=BLOCK)),
    (
        "names a transaction twice",
        proposal(0, 0, block_hash(BLOCK.header), block=replace(BLOCK, envelope_hashes=(X, Y, X))),
    ),
    ("a certificate of 2 signatures", timed_out(1, None, by=(0, 1))),
    ("not in ascending order", timed_out(1, None, by=(0, 0, 1))),
    ("not in ascending order", timed_out(1, None, by=(2, 1, 0))),
    ("a certificate of 2 signatures", timeout(1, 1, prepared(0, by=(0, 1)))),
    ("named in round 1, is missing", replace(timeout(1, 1, prepared(0)), prepare_certificate=None)),
    ("named in round 1, is missing", replace(timeout(1, 1, prepared(0)), prepare_certificate=prepared(1, X, Y))),
    ("names another block than its", replace(timeout(1, 1, prepared(0)), prepare_certificate=prepared(0, Y))),
    ("names no prepare certificate carries one", replace(timeout(1, 1), prepare_certificate=prepared(0))),
    ("names the later round 2", timeout(1, 1, prepared(2, X, Y))),
    ("that no entry of its timeout certificate", replace(timed_out(1), prepare_certificate=prepared(0))),
    ("named in round 1, is missing", replace(timed_out(1, prepared(0)), prepare_certificate=None)),
    ("named in round 1, is missing", mixed(high(1, 0, X), 1, timed_out(1))),
    ("names another block of round 0", mixed(high(1, 0, Y), 1, timed_out(1, prepared(0)))),
    ("names the later round 2", mixed(high(1, 2, X), 1, timed_out(1, prepared(2, X, Y)))),
    ("names a block but no round", mixed(high(1, -1, X), 1, timed_out(1))),
    ("does not verify", replace(timed_out(1), round=2)),
]


@pytest.mark.parametrize(("complaint", "message"), BAD)
def test_what_does_not_prove_itself_is_refused(complaint: str, message: ConsensusMessage) -> None:
    with pytest.raises(VerificationError, match=complaint):
        verify_message(message, keys())


def test_a_statement_of_another_height_is_refused() -> None:
    with pytest.raises(VerificationError, match="of height 5 at height 6"):
        verify_message(prepare(1), keys(height=6))


def test_a_signature_for_another_network_means_nothing() -> None:
    here = keys()
    other = HeightKeys(
        replace(CONTEXT, chain=Digest(b"o" * 32)),
        HEIGHT,
        VALIDATORS,
        lambda key, content, signature: signature == keyed_hash(key, content),
    )
    verify_message(prepare(1), here)
    with pytest.raises(VerificationError, match="does not verify"):
        verify_message(prepare(1), other)


def test_certificates() -> None:
    verify_prepare_certificate(prepared(), keys())
    verify_commit_certificate(committed(2), keys())
    with pytest.raises(VerificationError, match="does not verify"):
        verify_commit_certificate(replace(committed(2), round=3), keys())
    with pytest.raises(VerificationError, match="2 signatures"):
        verify_commit_certificate(committed(2, by=(0, 3)), keys())


def test_a_signature_that_was_verified_is_that_of_its_signer_alone() -> None:
    """All who vote alike sign the same bytes: what is remembered of one proves nothing of another."""
    here, votes = keys(), committed(2).signatures
    verify_message(commit(0, 2), here)
    borrowed = tuple(replace(vote, signature=votes[0].signature) for vote in votes)
    assert votes[0].validator == 0
    with pytest.raises(VerificationError, match="of validator 1 does not verify"):
        verify_message(replace(commit(0, 2), validator=1), here)
    with pytest.raises(VerificationError, match="of validator 1 does not verify"):
        verify_commit_certificate(replace(committed(2), signatures=borrowed), here)


def test_a_signature_is_verified_once_and_a_bad_one_every_time() -> None:
    asked: list[Signature] = []

    def verify(key: PublicKey, content: bytes, signature: Signature) -> bool:
        asked.append(signature)
        return signature == keyed_hash(key, content)

    door = HeightKeys(CONTEXT, HEIGHT, VALIDATORS, verify)
    verify_message(prepare(0), door)
    verify_message(prepare(0), door)
    verify_prepare_certificate(prepared(), door)
    assert len(asked) == 3  # 0 once, then 1 and 2 in the certificate
    for _ in range(2):
        with pytest.raises(VerificationError):
            verify_message(replace(prepare(3), validator=1), door)
    assert len(asked) == 5
