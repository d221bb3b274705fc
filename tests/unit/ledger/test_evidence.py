"""Evidence as a document: one form for one contradiction, and nothing else passes for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from ledger.consensus.evidence import EvidenceKind, contradiction
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    SigningContext,
    Statement,
    TimeoutStatement,
)
from ledger.crypto import verify
from ledger.encoding import Json, encode
from ledger.errors import MalformedError
from ledger.evidence import AttestedStatement, Evidence, evidence_of, parse_evidence, signatures_verify
from ledger.limits import EVIDENCE_BYTES_MAX, NONCE_BYTES
from ledger.primitives import ZERO_DIGEST, Digest, Signature
from tests.unit.ledger.accusing import CONTRADICTIONS, X, Y, accuse, signed_statement, two_commits
from tests.unit.ledger.consensus.test_records_and_evidence import STATEMENTS
from tests.unit.ledger.members import CHAIN, key_of

KEY = key_of("consensus")
GOOD = accuse("v1", KEY, CHAIN)
CONTEXT = SigningContext(CHAIN, 0)

contradictions = pytest.mark.parametrize("statements", CONTRADICTIONS)


@contradictions
def test_it_has_one_form_whoever_finds_it(statements: tuple[Statement, Statement]) -> None:
    one, other = (signed_statement(KEY, item, CHAIN, validator=index) for index, item in enumerate(statements))
    evidence = evidence_of("v1", KEY.public_key, one, other)
    assert evidence == evidence_of("v1", KEY.public_key, other, one)
    assert parse_evidence(evidence.to_json()) == evidence
    assert evidence.height == 7
    assert evidence.kind == contradiction(*statements)
    assert len(evidence.nonce) == NONCE_BYTES
    assert signatures_verify(evidence, CONTEXT, verify)
    assert len(encode(evidence.to_json())) < EVIDENCE_BYTES_MAX


@contradictions
def test_the_other_order_is_no_second_form(statements: tuple[Statement, Statement]) -> None:
    value = accuse("v1", KEY, CHAIN, statements).to_json()
    value["first"], value["second"] = value["second"], value["first"]
    with pytest.raises(MalformedError, match="ascending order"):
        parse_evidence(value)


def test_every_kind_and_type_is_among_the_samples() -> None:
    assert {accuse("v1", KEY, CHAIN, item).kind for item in CONTRADICTIONS} == set(EvidenceKind)
    assert len({type(item) for pair in CONTRADICTIONS for item in pair}) == 4


@given(STATEMENTS, STATEMENTS)
def test_it_exists_exactly_for_contradictions(one: Statement, other: Statement) -> None:
    def make() -> Evidence:
        first, second = (signed_statement(KEY, item, CHAIN) for item in (one, other))
        return evidence_of("v1", KEY.public_key, first, second)

    if contradiction(one, other):
        assert parse_evidence(make().to_json()) == make()
    else:
        with pytest.raises(MalformedError, match="no evidence"):
            make()


HARMLESS: list[tuple[str, Statement, Statement]] = [
    ("the same statement twice", CommitStatement(7, 0, X), CommitStatement(7, 0, X)),
    ("two heights", CommitStatement(7, 0, X), CommitStatement(8, 0, Y)),
    ("two rounds", CommitStatement(7, 0, X), CommitStatement(7, 1, Y)),
    ("prepare and commit of one block", PrepareStatement(7, 0, X, ZERO_DIGEST), CommitStatement(7, 0, X)),
    ("a timeout that remembers", CommitStatement(7, 1, X), TimeoutStatement(7, 2, 1, X)),
    ("a timeout before the commit", CommitStatement(7, 1, X), TimeoutStatement(7, 0, NO_ROUND, ZERO_DIGEST)),
]


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_what_an_honest_validator_may_sign_is_none(one: Statement, other: Statement) -> None:
    items = [AttestedStatement(item, KEY.sign(b"any")).to_json() for item in (one, other)]
    for first, second in (items, items[::-1]):
        with pytest.raises(MalformedError, match="no evidence"):
            parse_evidence({"validator": "v1", "key": KEY.public_key.hex(), "first": first, "second": second})


def _without(field: str) -> dict[str, Json]:
    return {name: value for name, value in GOOD.to_json().items() if name != field}


def _first(**changes: Json) -> dict[str, Json]:
    first = GOOD.to_json()["first"]
    assert isinstance(first, dict)
    return {**GOOD.to_json(), "first": {**first, **changes}}


def _first_without(field: str) -> dict[str, Json]:
    first = GOOD.first.to_json()
    del first[field]
    return {**GOOD.to_json(), "first": first}


MALFORMED: list[tuple[str, Json, str]] = [
    ("no object", None, "must be a JSON object"),
    ("a list", [], "must be a JSON object"),
    *((f"no {name}", _without(name), f"lacks the field '{name}'") for name in GOOD.to_json()),
    ("a clock", {**GOOD.to_json(), "time_ms": 1}, "unknown field 'time_ms'"),
    ("no name", {**GOOD.to_json(), "validator": "V1"}, "validator name"),
    ("a name that is none", {**GOOD.to_json(), "validator": 1}, "validator name"),
    ("a key in upper case", {**GOOD.to_json(), "key": KEY.public_key.hex().upper()}, "key of evidence"),
    ("a statement that is none", {**GOOD.to_json(), "first": "x"}, "must be a JSON object"),
    ("a type that is none", _first(type="vote"), "one of proposal, prepare, commit and timeout"),
    *((f"a statement without {name}", _first_without(name), "lacks the field|one of") for name in GOOD.first.to_json()),
    ("a statement with an index", _first(validator=0), "unknown field 'validator'"),
    ("a statement with another's field", _first(high_round=0), "unknown field 'high_round'"),
    ("a height that is true", _first(height=True), "height must be an integer"),
    ("height zero", _first(height=0), "height must be an integer"),
    ("a negative round", _first(round=-1), "round must be an integer"),
    ("a hash in upper case", _first(block_hash="0A" * 32), "block hash"),
    ("a short signature", _first(signature="00"), "signature must be"),
]


@pytest.mark.parametrize(("value", "problem"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_another_form_is_malformed(value: Json, problem: str) -> None:
    with pytest.raises(MalformedError, match=problem):
        parse_evidence(value)


FORGED: list[tuple[str, Evidence]] = [
    ("of another chain", accuse("v1", KEY, Digest(bytes(32)))),
    ("of another epoch", accuse("v1", KEY, CHAIN, epoch=1)),
    ("by another key", replace(accuse("v1", key_of("node"), CHAIN), key=KEY.public_key)),
    ("first signature broken", replace(GOOD, first=replace(GOOD.first, signature=Signature(bytes(64))))),
    ("second signature broken", replace(GOOD, second=replace(GOOD.second, signature=Signature(bytes(64))))),
    (
        "signatures exchanged",
        replace(
            GOOD,
            first=replace(GOOD.first, signature=GOOD.second.signature),
            second=replace(GOOD.second, signature=GOOD.first.signature),
        ),
    ),
    (
        "one statement is true, the other made up",
        replace(GOOD, second=AttestedStatement(CommitStatement(7, 0, Digest(b"z" * 32)), GOOD.second.signature)),
    ),
    (
        "another height under the same signatures",
        Evidence(
            "v1",
            KEY.public_key,
            *(
                AttestedStatement(statement, item.signature)
                for statement, item in zip(two_commits(8), (GOOD.first, GOOD.second), strict=True)
            ),
        ),
    ),
]


@pytest.mark.parametrize("evidence", [row[1] for row in FORGED], ids=[row[0] for row in FORGED])
def test_a_forgery_does_not_verify(evidence: Evidence) -> None:
    assert not signatures_verify(evidence, CONTEXT, verify)


def test_the_digest_commits_to_everything() -> None:
    others = [
        replace(GOOD, validator="v2"),
        replace(GOOD, key=key_of("node").public_key),
        replace(GOOD, first=replace(GOOD.first, signature=Signature(bytes(64)))),
        replace(GOOD, second=replace(GOOD.second, signature=Signature(bytes(64)))),
        accuse("v1", KEY, CHAIN, two_commits(8)),
    ]
    assert len({item.digest for item in (GOOD, *others)}) == len(others) + 1
