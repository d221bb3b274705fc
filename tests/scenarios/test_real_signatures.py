"""The keyed hash of the driver stands for Ed25519; here the real thing signs, through the same door."""

from __future__ import annotations

import pytest

from ledger.consensus.messages import PrepareVote, TimeoutCertificate, TimeoutEntry
from ledger.consensus.statements import PrepareStatement, TimeoutStatement, signed_bytes
from ledger.consensus.verification import HeightKeys, verify_message, verify_timeout_certificate
from ledger.crypto import SigningKey, verify
from ledger.errors import VerificationError
from ledger.primitives import ZERO_DIGEST, Digest, Signature
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet
from tests.scenarios.driver.chain import CONTEXT

KEYS = [SigningKey(bytes([index]) * 32) for index in range(12)]
VALIDATORS = ValidatorSet(
    tuple(
        Validator(f"v{i}", "acme", KEYS[i].public_key, KEYS[4 + i].public_key, KEYS[8 + i].public_key, "h:1")
        for i in range(4)
    ),
    Quorum(QuorumRule.FIXED, 3),
)


def test_the_door_takes_real_signatures_and_refuses_altered_ones() -> None:
    keys = HeightKeys(CONTEXT, 7, VALIDATORS, verify)
    statement = PrepareStatement(7, 0, Digest(bytes([9]) * 32), ZERO_DIGEST)
    signature = KEYS[2].sign(signed_bytes(CONTEXT, statement))
    verify_message(PrepareVote(statement, 2, signature), keys)
    verify_message(PrepareVote(statement, 2, signature), keys)  # remembered
    with pytest.raises(VerificationError, match="does not verify"):
        verify_message(PrepareVote(statement, 1, signature), keys)
    altered = Signature(bytes([signature[0] ^ 1]) + signature[1:])
    with pytest.raises(VerificationError, match="does not verify"):
        verify_message(PrepareVote(statement, 2, altered), keys)


def test_a_timeout_certificate_of_real_signatures() -> None:
    keys = HeightKeys(CONTEXT, 7, VALIDATORS, verify)
    statement = TimeoutStatement(7, 4, -1, ZERO_DIGEST)
    entries = tuple(TimeoutEntry(i, -1, ZERO_DIGEST, KEYS[i].sign(signed_bytes(CONTEXT, statement))) for i in range(3))
    verify_timeout_certificate(TimeoutCertificate(7, 4, entries, None), keys)
    with pytest.raises(VerificationError, match="does not verify"):
        verify_timeout_certificate(TimeoutCertificate(7, 5, entries, None), keys)
