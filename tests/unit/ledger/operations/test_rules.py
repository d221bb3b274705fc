"""The rules of every operation: each of its refusals, with the operation that triggers it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.operations.kinds import Operation
from ledger.operations.table import OPERATIONS
from ledger.refusals import TABLE, Code, Kind, Refusal
from ledger.state import Overlay
from tests.unit.ledger.operations import (
    refused_accounts,
    refused_assets,
    refused_governance,
    refused_members,
    refused_streams,
)
from tests.unit.ledger.operations.acting import PLACE, RefusedOperation, overlay

ON_THE_SMALL_LEDGER: list[RefusedOperation] = [
    *refused_accounts.REFUSED,
    *refused_members.REFUSED,
    *refused_streams.REFUSED,
    *refused_assets.REFUSED,
]

REFUSED: list[refused_governance.RefusedOn] = [
    *((*row, overlay) for row in ON_THE_SMALL_LEDGER),
    *refused_governance.REFUSED,
]


@pytest.mark.parametrize(
    ("operation", "code", "prepare"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refusal(operation: Operation, code: Code, prepare: Callable[[], Overlay]) -> None:
    before = prepare()
    rows = before.writes()
    refusal = operation.apply(before, PLACE)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code, refusal
    assert refusal.detail
    assert TABLE[code].kind is Kind.FAILED
    assert before.writes() == rows


@pytest.mark.parametrize("type_name", OPERATIONS)
def test_the_declared_codes_are_those_that_occur(type_name: str) -> None:
    kind = OPERATIONS[type_name]
    assert {code for _, operation, code, _ in REFUSED if operation.kind is kind} == kind.codes


def test_every_code_of_failure_belongs_to_an_operation() -> None:
    failures = {code for code, entry in TABLE.items() if entry.kind is Kind.FAILED}
    assert set().union(*(kind.codes for kind in OPERATIONS.values())) == failures
