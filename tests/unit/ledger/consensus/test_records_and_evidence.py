"""Commit records prove a block final, whichever way it took; two records for different blocks name the culprits."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.block import HEADER_VERSION, Header, block_hash, encode_header
from ledger.consensus.codec import justification_digest
from ledger.consensus.evidence import EvidenceKind, contradiction, find_evidence, statements_of_record
from ledger.consensus.messages import CommitRecord, TimeoutCertificate
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    Statement,
    TimeoutStatement,
)
from ledger.errors import MalformedError, VerificationError
from ledger.primitives import ZERO_DIGEST, Digest
from tests.unit.ledger.consensus.signed import (
    CHAIN,
    HEIGHT,
    VALIDATORS,
    X,
    Y,
    committed,
    keys,
    prepared,
    timed_out,
)

PARENT = Digest(b"p" * 32)


def header(round: int = 0, **changes: object) -> bytes:
    made = Header(
        version=HEADER_VERSION,
        chain=CHAIN,
        epoch=0,
        height=HEIGHT,
        parent_hash=PARENT,
        round=round,
        proposer=f"v{round}",
        time_ms=1,
        transaction_count=0,
        log_size=0,
        log_root=ZERO_DIGEST,
        state_root=ZERO_DIGEST,
        validators_hash=VALIDATORS.hash,
        next_validators_hash=VALIDATORS.hash,
    )
    return encode_header(replace(made, **changes))  # type: ignore[arg-type]


def record(fresh: int, *path: int, by: tuple[int, ...] = (0, 1, 2)) -> CommitRecord:
    """A block fresh in round `fresh`, proposed again in each round of `path`, committed in the last of all."""
    data = header(fresh)
    name = block_hash(data)
    justifications: list[TimeoutCertificate] = [] if fresh == 0 else [timed_out(fresh - 1, by=by)]
    round = fresh
    for again in path:
        bound = justification_digest(justifications[0]) if justifications else ZERO_DIGEST
        justifications.insert(0, timed_out(again - 1, prepared(round, name, bound, by), by))
        round = again
    return CommitRecord(data, committed(round, name, by), tuple(justifications))


@pytest.mark.parametrize("path", [(0,), (2,), (0, 1), (0, 3, 4), (1, 2), (2, 5, 6, 9)])
def test_a_record_verifies_however_its_block_got_there(path: tuple[int, ...]) -> None:
    made = record(*path)
    proved = verify_commit_record(made, keys=keys(), parent_hash=PARENT)
    assert proved.block_hash == block_hash(made.header)
    assert proved.header.round == path[0]
    assert verify_commit_record(made, keys=keys(), parent_hash=None) == proved


def without(made: CommitRecord, position: int) -> CommitRecord:
    kept = made.justifications[:position] + made.justifications[position + 1 :]
    return replace(made, justifications=kept)


FAR = record(1, 3, 5)
OTHER = block_hash(header(0, time_ms=2))
FLAWED: list[tuple[str, CommitRecord]] = [
    ("for another block", replace(FAR, header=header(1, time_ms=9))),
    ("for another height", replace(FAR, certificate=replace(FAR.certificate, height=6))),
    ("2 signatures", record(0, by=(0, 1))),
    ("another chain or epoch", replace(FAR, header=header(1, chain=X))),
    ("another chain or epoch", replace(FAR, header=header(1, epoch=1))),
    ("height 6 where height 5", replace(FAR, header=header(1, height=6))),
    ("another validator set", replace(FAR, header=header(1, validators_hash=X))),
    ("does not build on its parent", replace(FAR, header=header(1, parent_hash=X))),
    ("round 5 was not free", without(FAR, 0)),
    ("round 3 was prepared with another", without(FAR, 1)),
    ("justification of round 1 is missing", without(FAR, 2)),
    ("justification of round 5 is missing", replace(FAR, justifications=())),
    ("beyond the round in which the block was fresh", replace(record(0), justifications=(timed_out(0),))),
    ("beyond the fresh proposal", replace(FAR, justifications=(*FAR.justifications, timed_out(7)))),
    ("beyond the round", replace(record(0, 1), justifications=(*record(0, 1).justifications, timed_out(7)))),
    (
        "round 1 was prepared with another",
        replace(FAR, justifications=(*FAR.justifications[:2], timed_out(0, by=(1, 2, 3)))),
    ),
    ("round 5 was not free", replace(FAR, justifications=(timed_out(4, prepared(3, Y, X)), *FAR.justifications[1:]))),
    ("2 signatures", replace(FAR, justifications=(timed_out(4, FAR.justifications[0].prepare_certificate, (0, 1)),))),
]


@pytest.mark.parametrize(("complaint", "made"), FLAWED)
def test_a_record_that_does_not_prove_its_block_is_refused(complaint: str, made: CommitRecord) -> None:
    with pytest.raises(VerificationError, match=complaint):
        verify_commit_record(made, keys=keys(), parent_hash=PARENT)


def test_the_round_of_the_header_is_that_of_the_fresh_proposal() -> None:
    """A8: header says round 2, but the justifications lead to round 1, or to round 0, or to none."""
    for justifications in (
        (timed_out(2, prepared(1, block_hash(header(2)), justification_digest(timed_out(0)))), timed_out(0)),
        (timed_out(2, prepared(0, block_hash(header(2)))),),
    ):
        made = CommitRecord(header(2), committed(3, block_hash(header(2))), justifications)
        with pytest.raises(VerificationError, match=r"was not free|leads to round 0"):
            verify_commit_record(made, keys=keys(), parent_hash=PARENT)
    made = CommitRecord(header(2), committed(0, block_hash(header(2))), ())
    with pytest.raises(VerificationError, match="leads to round 0"):
        verify_commit_record(made, keys=keys(), parent_hash=PARENT)


def test_a_header_that_is_none_is_malformed() -> None:
    with pytest.raises(MalformedError):
        verify_commit_record(replace(FAR, header=b"{}"), keys=keys(), parent_hash=PARENT)


# ---- evidence

BLOCKS = st.sampled_from([X, Y])
ROUNDS = st.integers(0, 3)
STATEMENTS = st.one_of(
    st.builds(ProposalStatement, st.just(HEIGHT), ROUNDS, BLOCKS, BLOCKS),
    st.builds(PrepareStatement, st.just(HEIGHT), ROUNDS, BLOCKS, BLOCKS),
    st.builds(CommitStatement, st.just(HEIGHT), ROUNDS, BLOCKS),
    st.builds(TimeoutStatement, st.just(HEIGHT), ROUNDS, st.integers(NO_ROUND, 3), BLOCKS),
)

PAIRS: list[tuple[EvidenceKind | None, Statement, Statement]] = [
    (EvidenceKind.TWO_STATEMENTS, PrepareStatement(5, 1, X, Y), PrepareStatement(5, 1, X, X)),
    (EvidenceKind.TWO_STATEMENTS, TimeoutStatement(5, 1, 0, X), TimeoutStatement(5, 1, 1, X)),
    (None, PrepareStatement(5, 1, X, Y), PrepareStatement(5, 1, X, Y)),
    (None, PrepareStatement(5, 1, X, Y), PrepareStatement(5, 2, Y, Y)),
    (None, PrepareStatement(5, 1, X, Y), PrepareStatement(6, 1, Y, Y)),
    (EvidenceKind.COMMIT_OF_ANOTHER_BLOCK, PrepareStatement(5, 1, X, Y), CommitStatement(5, 1, Y)),
    (None, PrepareStatement(5, 1, X, Y), CommitStatement(5, 1, X)),
    (None, PrepareStatement(5, 1, X, Y), CommitStatement(5, 2, Y)),
    (EvidenceKind.COMMIT_FORGOTTEN, CommitStatement(5, 2, X), TimeoutStatement(5, 2, 1, Y)),
    (EvidenceKind.COMMIT_FORGOTTEN, CommitStatement(5, 2, X), TimeoutStatement(5, 3, -1, ZERO_DIGEST)),
    (None, CommitStatement(5, 2, X), TimeoutStatement(5, 2, 2, X)),
    (None, CommitStatement(5, 2, X), TimeoutStatement(5, 1, -1, ZERO_DIGEST)),
    (None, ProposalStatement(5, 1, X, Y), PrepareStatement(5, 1, Y, Y)),
    (None, ProposalStatement(5, 1, X, Y), CommitStatement(5, 1, Y)),
]


@pytest.mark.parametrize(("kind", "first", "second"), PAIRS)
def test_which_pairs_are_evidence(kind: EvidenceKind | None, first: Statement, second: Statement) -> None:
    assert contradiction(first, second) == kind
    assert contradiction(second, first) == kind


@given(STATEMENTS, STATEMENTS)
def test_order_does_not_matter_and_nobody_contradicts_himself(first: Statement, second: Statement) -> None:
    assert contradiction(first, second) == contradiction(second, first)
    assert contradiction(first, first) is None


def test_two_conflicting_records_name_at_least_2q_minus_n_culprits() -> None:
    """The accountability theorem, for every pair of quorums of 3 of 4 and the ways in which a fork can look."""
    for by in itertools.combinations(range(4), 3):
        for first, second in (
            (record(0), replace_time(record(0, by=by), by)),  # both in round 0: commit and commit
            (record(0), record(1, by=by)),  # a timeout certificate forgot the commit
            (record(0), record(2, 3, by=by)),
            (record(1), record(1, by=by)),
        ):
            if first.header == second.header:
                continue
            found = find_evidence(statements_of_record(first) + statements_of_record(second))
            assert len({pair[0].validator for pair in found}) >= 2


def replace_time(made: CommitRecord, by: tuple[int, ...]) -> CommitRecord:
    data = header(0, time_ms=77)
    return CommitRecord(data, committed(0, block_hash(data), by), ())


def test_one_record_alone_accuses_nobody() -> None:
    assert find_evidence(statements_of_record(FAR)) == ()
