"""Claims: what others verify for a run is what the run itself would have found, or the run counts for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.admission import check_signatures
from ledger.claims import Claims, answer
from ledger.crypto import SigningKey, verify
from ledger.errors import MalformedError
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.primitives import ZERO_DIGEST, PublicKey, Signature
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body

KEYS = [SigningKey(bytes([number]) * 32) for number in range(1, 5)]
MESSAGES = [b"quorum-ledger/v1/any\0" + b"x" * size for size in (0, 1, 300)]

signed = st.tuples(st.sampled_from(KEYS), st.sampled_from(MESSAGES), st.sampled_from(["good", "key", "bit", "message"]))


def claimed(key: SigningKey, message: bytes, flaw: str) -> tuple[PublicKey, bytes, Signature]:
    """A signature, and what is wrong with it."""
    signature = key.sign(message)
    match flaw:
        case "key":
            return SigningKey(bytes(32)).public_key, message, signature
        case "bit":
            return key.public_key, message, Signature(signature[:40] + bytes([signature[40] ^ 1]) + signature[41:])
        case "message":
            return key.public_key, message + b".", signature
        case _:
            return key.public_key, message, signature


@given(st.lists(signed, max_size=12))
def test_the_answer_is_what_verify_says_of_each(drawn: list[tuple[SigningKey, bytes, str]]) -> None:
    claims, items = Claims(), [claimed(*item) for item in drawn]
    assert all(claims.claim(*item) for item in items)
    expected = [verify(*item) for item in items]
    found = answer(claims.job())
    assert list(found) == expected
    assert claims.found_true(found) == all(expected)
    for signatures in (1, 2, 5, 100):
        jobs = claims.jobs(signatures)
        assert b"".join(answer(job) for job, _ in jobs) == found
        assert [len(answer(job)) for job, _ in jobs] == [count for _, count in jobs]
        assert all(count >= signatures for _, count in jobs[:-1])
    assert len(claims) == len(items)


@given(st.binary(max_size=12), st.integers(0, 5))
def test_only_one_answer_is_a_yes(given_answer: bytes, count: int) -> None:
    claims = Claims()
    for number in range(count):
        claims.claim(*claimed(KEYS[0], b"%d" % number, "good"))
    assert claims.found_true(given_answer) == (given_answer == b"\1" * count)


def test_what_no_signature_can_be_is_not_even_claimed() -> None:
    claims = Claims()
    key, message, signature = claimed(KEYS[0], MESSAGES[0], "good")
    assert not claims.claim(PublicKey(key[:31]), message, signature)
    assert not claims.claim(key, message, Signature(signature + b"\0"))
    assert len(claims) == 0
    assert claims.found_true(answer(claims.job()))


def test_a_message_that_many_signed_is_handed_over_once() -> None:
    message = MESSAGES[2]
    claims = Claims()
    for key in KEYS:
        claims.claim(*claimed(key, message, "good"))
    assert len(claims.job()) < 2 * len(message) + 96 * len(KEYS)
    assert answer(claims.job()) == b"\1" * len(KEYS)


def test_a_transaction_that_many_signed_is_handed_over_once() -> None:
    """An export of few megabytes would otherwise make jobs of hundreds."""
    record = RecordAppend("acme", "orders", Content("x" * 5_000))
    body = build_body(chain=ZERO_DIGEST, sender="acme", nonce=bytes(16), valid_until_ms=1, operations=[record])
    made = parse_transaction(assemble(body, [sign_body(body, key) for key in KEYS]))
    assert isinstance(made, Transaction)
    claims = Claims()
    assert check_signatures(made, claims.claim) is None
    assert len(claims) == len(KEYS)
    assert len(claims.job()) < 2 * len(body)
    assert answer(claims.job()) == b"\1" * len(KEYS)


def test_a_job_that_is_none_is_refused() -> None:
    claims = Claims()
    claims.claim(*claimed(KEYS[0], MESSAGES[1], "good"))
    job = claims.job()
    for cut in range(1, len(job)):
        with pytest.raises(MalformedError):
            answer(job[:cut] if cut < 4 + 2 + 96 else job[:4] + b"\xff\xff" + job[6:cut])
    assert answer(b"") == b""
