"""The table of refusals: every code in it exactly once, and fit to be printed."""

from __future__ import annotations

import ast
import inspect

import pytest

from ledger.block import leaf_from_json
from ledger.limits import RESULT_BYTES_MAX
from ledger.refusals import FAMILIES, TABLE, Code, Kind, Refusal


def test_every_code_has_exactly_one_row() -> None:
    """Read from the source, because a dict display with the same key twice keeps only one."""
    tables = [
        node.value
        for family in FAMILIES
        for node in ast.parse(inspect.getsource(family)).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "ENTRIES"
    ]
    assert len(tables) == len(FAMILIES)
    keys = [key for table in tables if isinstance(table, ast.Dict) for key in table.keys]
    rows = [key.attr for key in keys if isinstance(key, ast.Attribute)]
    assert sorted(rows) == sorted(Code.__members__)
    assert set(TABLE) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_a_code_is_its_name_and_its_row_is_written_for_people(code: Code) -> None:
    assert code.value == code.name.lower()
    entry = TABLE[code]
    for text in (entry.sentence, entry.remedy):
        assert text == text.strip()
        assert text.endswith(".")
        assert len(text) <= 160
    assert isinstance(entry.kind, Kind)


@pytest.mark.parametrize("code", [code for code in Code if TABLE[code].kind is Kind.FAILED])
def test_a_code_of_failure_may_stand_in_a_leaf(code: Code) -> None:
    zeros = "00" * 32
    leaf = {"height": 1, "index": 0, "transaction_id": zeros, "envelope_hash": zeros, "result": str(code)}
    assert leaf_from_json(leaf).result == code.value  # type: ignore[arg-type]
    assert len(code.value) <= RESULT_BYTES_MAX


def test_a_refusal_names_the_code_and_the_thing_at_hand() -> None:
    assert str(Refusal(Code.STREAM_UNKNOWN, "no stream 'invoices'")) == "stream_unknown: no stream 'invoices'"


def test_every_kind_is_used() -> None:
    assert {entry.kind for entry in TABLE.values()} == set(Kind)
