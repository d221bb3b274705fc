"""The two tables of problems: complete, disjoint, and with a status that fits."""

from __future__ import annotations

import pytest

from ledger.refusals import TABLE, Code, Kind
from node.http.problems import HTTP_TABLE, STATUS, SUBMISSION_CODES, HttpCode, Problem, row

STATUSES = {
    Kind.MALFORMED: {400, 413},
    Kind.INADMISSIBLE: {403, 409, 422},
    Kind.FAILED: {403, 404, 409, 422},
    Kind.BUSY: {429, 503},
}


@pytest.mark.parametrize("code", Code)
def test_every_code_of_the_ledger_has_a_status_that_fits_its_kind(code: Code) -> None:
    assert STATUS[code] in STATUSES[TABLE[code].kind]
    assert (Problem(code, "x").retry_after_seconds is not None) == (TABLE[code].kind is Kind.BUSY)


def test_the_tables_are_complete_and_disjoint() -> None:
    assert set(STATUS) == set(Code)
    assert set(HTTP_TABLE) == set(HttpCode)
    assert not {code.value for code in Code} & {code.value for code in HttpCode}


@pytest.mark.parametrize("code", [*Code, *HttpCode])
def test_every_problem_says_what_is_wrong_and_what_to_do(code: Code | HttpCode) -> None:
    entry = row(code)
    assert 400 <= entry.status <= 599
    assert entry.sentence.endswith(".")
    assert entry.remedy.endswith(".")
    assert (Problem(code, "x").retry_after_seconds is not None) <= (entry.status in (429, 503))


def test_a_submission_is_never_refused_for_what_a_block_records() -> None:
    assert not {code for code in SUBMISSION_CODES if isinstance(code, Code) and TABLE[code].kind is Kind.FAILED}
    assert {code for code in Code if TABLE[code].kind is not Kind.FAILED} <= set(SUBMISSION_CODES)
