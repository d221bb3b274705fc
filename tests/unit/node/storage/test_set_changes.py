"""Set changes in storage: the index of heights, trails across any number of changes, receipts, and what damage does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.crypto import verify
from ledger.encoding import decode_object, encode
from ledger.errors import BelowAnchorError, VerificationError
from ledger.limits import RECEIPT_BYTES_MAX
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.receipt import verify_receipt
from ledger.trail import Anchor, anchor_of
from node.http.problems import HttpCode, ProblemError
from node.http.receipts import receipt_of
from node.storage import chain_store, keys
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks, check_rows, check_state
from node.storage.errors import DamagedError, TrailTooLongError
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.queries import CommittedTransaction, Queries
from node.storage.replacing import replace_block
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
    return [row.height for row in read_set_changes(chain.store, first, stop, reverse=reverse)]


def damage(chain: ChainStore) -> dict[int, tuple[str, ...]]:
    return {check.height: check.damage for check in check_blocks(chain) if check.damage}


def test_the_index_has_the_heights_that_decided_a_set_and_no_others() -> None:
    chain = changed_chain(MemoryStore())
    assert rows(chain) == list(SETS)
    assert list(read_set_changes(chain.store, 3, 7)) == [
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


def items(chain: ChainStore) -> list[CommittedTransaction]:
    """The transaction of each block that has one."""
    found = [Queries(chain).transaction(chain.leaves(height)[0].transaction_id) for height in (1, 4, 5, 8)]
    return [item for item in found if item is not None]


def anchors(chain: ChainStore) -> list[Anchor]:
    """Genesis, and a checkpoint of every block."""
    made = [
        build_pinned_checkpoint(network="test", header=chain.header(height), validators=chain.validators_of(height + 1))
        for height in range(1, 9)
    ]
    return [anchor_of(chain.genesis), *map(anchor_of_checkpoint, made)]


def test_receipts_lead_from_every_pinned_block_to_every_transaction() -> None:
    chain = changed_chain(MemoryStore())
    for height, anchor in enumerate(anchors(chain)):
        for item in items(chain):
            data = receipt_of(chain, item, height)
            assert verify_receipt(data, anchor).leaf == item.leaf
            steps = decode_object(data, bytes_max=RECEIPT_BYTES_MAX).get("trail", [])
            assert isinstance(steps, list)
            assert len(steps) == sum(height < decided < item.leaf.height for decided in SETS), "no step from before"


def test_a_trail_from_an_earlier_height_serves_a_later_anchor_and_one_from_a_later_height_does_not() -> None:
    chain = changed_chain(MemoryStore())
    for start in range(8):
        for height, anchor in enumerate(anchors(chain)):
            for item in items(chain):
                if item.leaf.height <= start:
                    continue
                data = receipt_of(chain, item, start)
                if item.leaf.height <= height:
                    with pytest.raises(BelowAnchorError):
                        verify_receipt(data, anchor)
                elif any(height < decided <= start for decided in SETS):
                    with pytest.raises(VerificationError, match=r"names another validator set|does not verify"):
                        verify_receipt(data, anchor)
                else:
                    assert verify_receipt(data, anchor).leaf == item.leaf


Bend = Callable[[list[Any]], list[Any]]

BENT_BELOW: list[tuple[str, Bend, str]] = [
    ("two steps swapped", lambda t: [t[1], t[0], *t[2:]], "not in order of height"),
    ("a step twice", lambda t: [t[0], *t], "not in order of height"),
    ("a step from the middle left out", lambda t: [t[0], *t[2:]], "does not follow from the one before"),
    ("the last one below left out", lambda t: [*t[:2], *t[3:]], "does not lead to the validator set that is pinned"),
    (
        "a step with the set of another",
        lambda t: [{**t[0], "validators": t[1]["validators"]}, *t[1:]],
        "puts another validator set in force",
    ),
    (
        "a step of another chain",
        lambda t: [bent_header(t[0], chain="00" * 32), *t[1:]],
        "does not follow from the one before",
    ),
    (
        "a step where nothing changed",
        lambda t: [bent_header(t[0], validators_hash=t[0]["record"]["header"]["next_validators_hash"]), *t[1:]],
        "did not change",
    ),
    (
        "another block at the pinned height",
        lambda t: [*t[:2], bent_header(t[2], state_root="00" * 32), *t[3:]],
        "another block 6 than the one that is pinned",
    ),
]
"""What a holder of the checkpoint at height 6 notices of the three steps that are needless for them."""


def bent_header(step: Any, **fields: str) -> Any:
    return {**step, "record": {**step["record"], "header": {**step["record"]["header"], **fields}}}


@pytest.mark.parametrize(("bend", "says"), [row[1:] for row in BENT_BELOW], ids=[row[0] for row in BENT_BELOW])
def test_steps_below_the_anchor_must_be_the_way_to_it(bend: Bend, says: str) -> None:
    chain = changed_chain(MemoryStore())
    document = decode_object(receipt_of(chain, items(chain)[-1]), bytes_max=RECEIPT_BYTES_MAX)
    trail = document["trail"]
    assert isinstance(trail, list)
    anchor = anchors(chain)[6]
    verify_receipt(encode(document), anchor)
    with pytest.raises(VerificationError, match=says):
        verify_receipt(encode({**document, "trail": bend(trail)}), anchor)


def test_signatures_below_the_anchor_are_not_looked_at() -> None:
    """They could be anybody's by now; and a file whose old signatures were damaged still serves."""
    chain = changed_chain(MemoryStore())
    data = receipt_of(chain, items(chain)[-1])
    document: Any = decode_object(data, bytes_max=RECEIPT_BYTES_MAX)
    document["trail"][0]["record"]["certificate"]["signatures"][0]["signature"] = "00" * 64
    bent = encode(document)
    assert verify_receipt(bent, anchors(chain)[6]).leaf.height == 8
    for anchor in anchors(chain)[:2]:
        with pytest.raises(VerificationError, match="does not verify"):
            verify_receipt(bent, anchor)


@pytest.mark.parametrize(("limit", "value"), [("TRAIL_STEPS_MAX", 3), ("RECEIPT_BYTES_MAX", 7_500)])
def test_a_trail_that_no_file_has_room_for_is_not_made(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    chain = changed_chain(MemoryStore())
    monkeypatch.setattr(chain_store, limit, value)
    with pytest.raises(TrailTooLongError, match="from height 0 to 9"):
        chain.trail(9)
    assert len(chain.trail(9, after=2)) == 3
    with pytest.raises(ProblemError) as refused:
        receipt_of(chain, items(chain)[-1])
    assert refused.value.problem.code == HttpCode.TRAIL_TOO_LONG
    assert verify_receipt(receipt_of(chain, items(chain)[-1], 2), anchors(chain)[2]).leaf.height == 8


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
    record, envelopes = whole.record(height), whole.envelopes(height)
    trail = whole.trail(9)
    harm(store)
    chain = open_chain(store)
    ((found,),) = (sentences for at, sentences in damage(chain).items() if at == height)
    assert says in found
    assert set(damage(chain)) == {height}
    replace_block(chain, height, record, envelopes, verify)
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
    row = chain.store.get(keys.state(b"validators"))
    assert row is not None
    store.write({keys.state(b"validators"): row.replace(b"9011", b"9013")}, sync=True)
    damaged = open_chain(store)
    assert "the validator set in the state" in damage(damaged)[7][0]
    assert "the validator set in the state" in damage(damaged)[8][0]
