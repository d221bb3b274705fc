"""The load is what a run says it is."""

from __future__ import annotations

import pytest
from benchmark.kinds import NAMES
from benchmark.load import CLIENTS, Load

from ledger.crypto import SigningKey
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend
from ledger.primitives import Digest
from ledger.transaction import Transaction, parse_transaction


def _made(load: Load, name: str, count: int) -> list[Transaction]:
    parsed = [parse_transaction(envelope) for envelope in getattr(load, name)(count)]
    made = [item for item in parsed if isinstance(item, Transaction)]
    assert len(made) == len(parsed) == count
    return made


def _operations(made: list[Transaction]) -> list[Operation]:
    return [operation for item in made for operation in item.body.operations]


@pytest.fixture
def load() -> Load:
    return Load(Digest(bytes(32)), SigningKey(bytes(32)), [])


@pytest.mark.parametrize("name", NAMES)
def test_transactions_of_each_kind_differ_and_clients_send_them_in_turn(name: str, load: Load) -> None:
    count = CLIENTS + 2
    made = _made(load, name, count) + _made(load, name, count)
    assert len({item.id for item in made}) == 2 * count
    assert [item.body.sender for item in made[:count]] == [f"client{number % CLIENTS}" for number in range(count)]
    assert all(operation.by == item.body.sender for item in made for operation in item.body.operations)


def test_only_records_with_a_key_have_one_and_no_two_the_same(load: Load) -> None:
    keyed = [each for each in _operations(_made(load, "keyed_records", 70)) if isinstance(each, RecordAppend)]
    keyed += [each for each in _operations(_made(load, "keyed_records", 70)) if isinstance(each, RecordAppend)]
    assert len({each.key for each in keyed} - {None}) == 140
    plain = [each for each in _operations(_made(load, "records", 70)) if isinstance(each, RecordAppend)]
    assert [each.key for each in plain] == [None] * 70
