"""The vote book against a naive count, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.consensus.messages import SignedStatement
from ledger.consensus.statements import CommitStatement, PrepareStatement, StatementType
from ledger.consensus.verification import verify_prepare_certificate, verify_timeout_certificate
from ledger.consensus.votes import VoteBook
from ledger.primitives import ZERO_DIGEST, Digest
from tests.unit.ledger.consensus.signed import (
    HEIGHT,
    X,
    Y,
    commit,
    keys,
    prepare,
    prepared,
    signed,
    timeout,
)

Z = Digest(b"z" * 32)


def bare(vote) -> SignedStatement:  # type: ignore[no-untyped-def]
    return SignedStatement(vote.statement, vote.validator, vote.signature)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 10])
def test_a_certificate_forms_at_the_quorum_and_not_before(count: int) -> None:
    for quorum in range(count // 2 + 1, count + 1):
        book = VoteBook(quorum)
        statement = PrepareStatement(HEIGHT, 0, X, ZERO_DIGEST)
        for index in range(count):
            certificate = book.prepare_certificate(statement)
            assert (certificate is not None) == (index >= quorum)
            book.add(signed(index, statement))
            book.add(signed(index, statement))  # once is enough


def test_votes_for_one_block_that_bind_two_justifications_are_no_quorum() -> None:
    book = VoteBook(3)
    for index, justification in enumerate((Y, Y, Z, Z)):
        book.add(bare(prepare(index, 1, X, justification)))
        for bound in (Y, Z):
            assert book.prepare_certificate(PrepareStatement(HEIGHT, 1, X, bound)) is None
    book.add(bare(prepare(0, 1, X, Z)))  # of who signs both, each counts
    certificate = book.prepare_certificate(PrepareStatement(HEIGHT, 1, X, Z))
    assert certificate is not None
    assert [item.validator for item in certificate.signatures] == [0, 2, 3]
    verify_prepare_certificate(certificate, keys())


VOTES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([X, Y, Z])), max_size=20)


@given(VOTES)
def test_the_book_counts_like_a_naive_count(votes: list[tuple[int, Digest]]) -> None:
    book = VoteBook(3)
    naive: dict[int, list[Digest]] = {}
    pairs = 0
    for validator, block_hash in votes:
        pairs += len(book.add(signed(validator, CommitStatement(HEIGHT, 0, block_hash))))
        values = naive.setdefault(validator, [])
        if block_hash not in values and len(values) < 2:
            values.append(block_hash)
    assert pairs == sum(len(values) == 2 for values in naive.values())
    for block_hash in (X, Y, Z):
        signers = [validator for validator in sorted(naive) if block_hash in naive[validator]]
        certificate = book.commit_certificate(CommitStatement(HEIGHT, 0, block_hash))
        assert (certificate is not None) == (len(signers) >= 3)
        if certificate is not None:
            assert [item.validator for item in certificate.signatures] == signers


def test_of_one_validator_type_and_round_two_statements_are_kept() -> None:
    book = VoteBook(3)
    first, second, third = (bare(prepare(1, 0, value)) for value in (X, Y, Z))
    assert book.add(first) == ()
    assert book.add(second) == (first,)
    assert book.add(second) == ()
    assert book.add(third) == ()
    assert book.voters(0, StatementType.PREPARE) == (1,)
    assert book.voters(0, StatementType.COMMIT) == ()


def test_contradictions_across_types_and_rounds_come_out_once() -> None:
    book = VoteBook(3)
    forgotten, late = bare(commit(2, 1, X)), bare(timeout(2, 4))
    other = bare(prepare(2, 1, Y, Z))
    assert book.add(forgotten) == ()
    assert book.add(late) == (forgotten,)
    assert book.add(other) == (forgotten,)
    assert book.add(late) == ()


def test_a_timeout_certificate_takes_only_what_it_can_prove() -> None:
    """A3: two votes name a certificate of another block; they are left out, and with the fourth it is a quorum."""
    known = {0: prepared(0, X)}
    book = VoteBook(3)
    for vote in (timeout(0, 1, prepared(0, X)), timeout(1, 1, prepared(0, Y)), timeout(2, 1)):
        book.add(bare(vote))
    assert book.timeout_certificate(HEIGHT, 1, known) is None
    book.add(bare(timeout(3, 1)))
    certificate = book.timeout_certificate(HEIGHT, 1, known)
    assert certificate is not None
    assert [entry.validator for entry in certificate.entries] == [0, 2, 3]
    assert certificate.prepare_certificate == known[0]
    verify_timeout_certificate(certificate, keys())


def test_an_equivocator_counts_once_in_a_timeout_certificate() -> None:
    book = VoteBook(3)
    for vote in (timeout(0, 1), timeout(3, 1), timeout(3, 1, prepared(0, X))):
        book.add(bare(vote))
    assert book.timeout_certificate(HEIGHT, 1, {0: prepared(0, X)}) is None


def test_forgotten_rounds_leave_nothing() -> None:
    book, fresh = VoteBook(3), VoteBook(3)
    for round in range(5):
        book.add(bare(commit(1, round)))
    book.forget_below(5)
    fresh.add(bare(commit(1, 7)))
    book.add(bare(commit(1, 7)))
    assert book == fresh
