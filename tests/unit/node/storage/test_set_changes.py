"""Set changes in storage: the index of heights, trails across any number of changes, receipts, and what damage does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import VerificationError
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from node.http.receipts import receipt_of
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks, check_rows, check_state
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.queries import Queries
from node.storage.set_changes import ChangeRow, read_set_changes
from tests.unit.ledger.founders import set_of
from tests.unit.node.storage.chains import append, change_set, commit, create_stream, genesis, new_chain, transaction

SETS = {2: set_of(0, 1, 2, 3, 4), 3: set_of(3, 4), 6: set_of(5), 7: set_of(5, 0, 1)}
"""By the height that decides it: growing, a shrinking in the very next block, down to one, and growing again."""

SIGNERS = [("v0", "v1", "v2"), ("v0", "v1", "v2", "v3"), ("v3", "v4"), ("v5",), ("v5", "v0")]
"""Who signs a block of each era."""


def changed_chain(store: MemoryStore) -> ChainStore:
    """Eight blocks, one transaction in each that changes nothing."""
    chain = new_chain(store)
    commit(chain, [transaction(create_stream())])
    for height in range(2, 9):
        if height in SETS:
            change_set(chain, SETS[height])
        else:
            commit(chain, [transaction(append(str(height)), nonce=height)])
    return chain


def rows(chain: ChainStore, first: int = 0, stop: int = 100, *, reverse: bool = False) -> list[int]:
    return [row.height for row in read_set_changes(chain.reader, first, stop, reverse=reverse)]


def damage(chain: ChainStore) -> dict[int, tuple[str, ...]]:
    return {check.height: check.damage for check in check_blocks(chain) if check.damage}


def test_the_index_has_the_heights_that_decided_a_set_and_no_others() -> None:
    chain = changed_chain(MemoryStore())
    assert rows(chain) == list(SETS)
    assert list(read_set_changes(chain.reader, 3, 7)) == [
        ChangeRow(3, SETS[3].hash),
        ChangeRow(6, SETS[6].hash),
    ]
    assert rows(chain, 3, reverse=True) == [7, 6, 3]
    assert rows(new_chain(MemoryStore())) == []


def test_the_set_of_every_height_is_known() -> None:
    chain = changed_chain(MemoryStore())
    in_force = genesis().validators
    for height in range(1, 10):
        assert chain.validators_of(height) == in_force
        in_force = SETS.get(height, in_force)
    assert [len(chain.trail(height)) for height in range(1, 10)] == [0, 0, 1, 2, 2, 2, 3, 4, 4]


def test_receipts_lead_from_genesis_across_every_change() -> None:
    chain = changed_chain(MemoryStore())
    anchor, found = anchor_of(chain.genesis), []
    for height in (1, 4, 5, 8):
        leaf = chain.leaves(height)[0]
        item = Queries(chain).transaction(leaf.transaction_id)
        assert item is not None
        receipt = verify_receipt(receipt_of(chain, item), anchor)
        assert receipt.leaf == leaf
        found.append(receipt.signers)
    assert found == [SIGNERS[0], SIGNERS[2], SIGNERS[2], SIGNERS[4]]


def test_a_receipt_without_its_trail_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = changed_chain(MemoryStore())
    item = Queries(chain).transaction(chain.leaves(8)[0].transaction_id)
    assert item is not None
    monkeypatch.setattr(ChainStore, "trail", lambda self, height, after: ())
    with pytest.raises(VerificationError):
        verify_receipt(receipt_of(chain, item), anchor_of(chain.genesis))


def test_a_whole_store_passes_the_check_and_records_verify_under_their_own_sets() -> None:
    store = MemoryStore()
    changed_chain(store)
    chain = open_chain(store)
    assert damage(chain) == {}
    assert check_state(chain) == ()
    assert check_rows(chain) is None


DAMAGES: list[tuple[Callable[[MemoryStore], None], int, str]] = [
    (lambda store: store.write({}, frozenset({keys.set_change(3)}), sync=True), 3, "lacks height 3"),
    (lambda store: store.write({keys.set_change(3): SETS[2].hash}, sync=True), 3, "has a wrong row for height 3"),
    (lambda store: store.write({keys.set_change(5): SETS[3].hash}, sync=True), 5, "names height 5"),
    (lambda store: store.damage(keys.set_change(6)), 6, "does not match its checksum"),
]


@pytest.mark.parametrize(("harm", "height", "says"), DAMAGES, ids=[says for _, _, says in DAMAGES])
def test_a_damaged_index_is_found_and_its_block_puts_it_back(
    harm: Callable[[MemoryStore], None], height: int, says: str
) -> None:
    store = MemoryStore()
    whole = changed_chain(store)
    header, record, envelopes = whole.stored_header(height), whole.record(height), whole.envelopes(height)
    trail = whole.trail(9)
    harm(store)
    chain = open_chain(store)
    ((found,),) = (sentences for at, sentences in damage(chain).items() if at == height)
    assert says in found
    assert set(damage(chain)) == {height}
    chain.replace_block(height, header.header_bytes, record, envelopes)
    assert damage(chain) == {}
    assert chain.trail(9) == trail


def test_a_trail_is_not_built_from_rows_that_the_headers_do_not_confirm() -> None:
    for key, value in (
        (keys.set_change(5), SETS[3].hash),
        (keys.set_change(3), SETS[2].hash),
        (keys.set_change(3), b""),
    ):
        store = MemoryStore()
        changed_chain(store)
        store.write({key: value}, sync=True)
        with pytest.raises(DamagedError):
            open_chain(store).trail(9)


def test_a_set_in_the_state_that_is_not_the_one_of_the_header_is_found() -> None:
    store = MemoryStore()
    chain = changed_chain(store)
    row = chain.reader.get(keys.state(b"validators"))
    assert row is not None
    store.write({keys.state(b"validators"): row.replace(b"9011", b"9013")}, sync=True)
    damaged = open_chain(store)
    assert "the validator set in the state" in damage(damaged)[7][0]
    assert "the validator set in the state" in damage(damaged)[8][0]
