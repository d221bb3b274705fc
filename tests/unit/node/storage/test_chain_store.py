"""The chain in a store: what is committed is read again, whole or not at all, and damage is never served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.block import Leaf, block_hash, leaf_hash
from ledger.chain import CandidateBlock
from ledger.consensus.statements import StatementType
from ledger.crypto import verify
from ledger.execution import execute
from ledger.merkle import check_inclusion, prove_inclusion
from ledger.primitives import DIGEST_BYTES, Digest
from ledger.refusals import Code
from ledger.state import State
from ledger.trie import check_proof, prove
from node.ports import Store
from node.storage import keys
from node.storage.block_rows import Place
from node.storage.bodies import pack_chunk
from node.storage.chain_store import ChainStore
from node.storage.check import BlockCheck, check_blocks, check_rows, check_state
from node.storage.errors import DamagedError, StorageFailedError
from node.storage.leveldb import create_database, open_database
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.promises import OwnMessage, Promises, StoredCertificate
from node.storage.replacing import replace_block
from tests.unit.node.storage.chains import (
    FOUNDERS,
    SIGNERS,
    append,
    candidate,
    commit,
    create_stream,
    digest_of,
    genesis,
    grow,
    new_chain,
    record_of,
    stored_candidate,
    transaction,
)

SIZES = [1, 0, 3, 70, 0, 130, 2]


@pytest.fixture(params=["leveldb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = MemoryStore() if request.param == "memory" else create_database(tmp_path / "database")
    yield store
    store.close()


def assert_holds(chain: ChainStore, blocks: list[CandidateBlock]) -> None:
    """Everything about `blocks` (heights 1 to the tip) is read from `chain` as it was built."""
    assert chain.tip == blocks[-1].tip()
    for block in blocks:
        height = block.header.height
        assert chain.header(height) == block.header
        assert chain.stored_header(height).header_bytes == block.header_bytes
        assert chain.block_hash(height) == block.block_hash
        assert chain.height_of(block.block_hash) == height
        assert chain.record(height) == record_of(block)
        assert chain.envelopes(height) == tuple(item.envelope for item in block.transactions)
        assert tuple(leaf_hash(leaf) for leaf in chain.leaves(height)) == block.leaf_hashes
        for index, item in enumerate(block.transactions):
            assert chain.locate(item.id) == Place(height, index)
            assert chain.transaction_committed(item.id)
            leaf = Leaf(height, index, item.id, item.envelope_hash, block.results[index])
            assert chain.block(height).transaction(index) == (item.envelope, leaf)
    assert chain.locate(digest_of("nothing")) is None
    assert not chain.transaction_committed(digest_of("nothing"))
    assert chain.height_of(digest_of("nothing")) is None


def test_what_is_committed_is_read_again(store: Store) -> None:
    chain = new_chain(store)
    blocks = grow(chain, SIZES)
    assert_holds(chain, blocks)
    assert_holds(open_chain(store, expected=genesis().chain), blocks)


def test_genesis_is_block_zero(store: Store) -> None:
    for chain in (new_chain(store), open_chain(store)):
        assert chain.tip.header.height == 0
        assert chain.genesis.document == genesis().document
        assert chain.header(0) == chain.tip.header
        assert chain.envelopes(0) == ()
        assert dict(chain.state.range(b"", b"\xff")) == dict(genesis().state)
        assert dict(chain.state_at(0).range(b"", b"\xff")) == dict(genesis().state)
        assert chain.state_at(0).get(b"never") is None


def test_a_failed_transaction_is_kept_with_its_code(store: Store) -> None:
    chain = new_chain(store)
    block = commit(chain, [transaction(append("1", stream="missing")), transaction(create_stream(), nonce=1)])
    assert block.results == (Code.STREAM_UNKNOWN, "applied")
    assert [leaf.result for leaf in chain.leaves(1)] == ["stream_unknown", "applied"]


def test_state_and_proofs_of_earlier_heights(store: Store) -> None:
    chain = new_chain(store, proof_heights=3)
    blocks = grow(chain, [1, 1, 1, 1, 1])
    for height in range(6):
        stream = State(chain.state_at(height)).stream("invoices")
        assert (0 if stream is None else stream.count) == height
        root = chain.trie_root_at(height)
        assert (root is None) == (height <= 2)
        if root is not None:
            value = chain.state_at(height).get(b"stream/invoices")
            assert check_proof(root.hash, b"stream/invoices", value, prove(root, b"stream/invoices", chain.trie_node))
    item = blocks[2]
    path = prove_inclusion(2, item.log.size, chain.log_reader())
    assert check_inclusion(item.leaf_hashes[0], 2, item.log.size, path, item.header.log_root)


def test_who_signed_last_is_known(store: Store) -> None:
    chain = new_chain(store)
    block = candidate(chain)
    chain.commit(block, record_of(block), ("v0", "v1", "v2"))
    block = candidate(chain)
    chain.commit(block, record_of(block), ("v0", "v1", "v3"))
    assert [chain.last_signed_height(name) for name in ("v0", "v2", "v3", "v4")] == [2, 1, 2, None]


def test_a_block_is_appended_to_its_parent_only(store: Store) -> None:
    chain = new_chain(store)
    block = candidate(chain)
    commit(chain)
    with pytest.raises(AssertionError):
        chain.commit(block, record_of(block), SIGNERS)


# ---- promises


def promises_of(chain: ChainStore) -> tuple[Promises, CandidateBlock, CandidateBlock]:
    """Promises at the next height, with two candidates."""
    first = candidate(chain, [transaction(create_stream(), nonce=1), transaction(append("1"), nonce=2)])
    second = candidate(chain, [transaction(create_stream("other"), nonce=3)])
    promises = Promises(
        first.header.height,
        (
            OwnMessage(0, StatementType.PREPARE, b"prepare 0"),
            OwnMessage(0, StatementType.TIMEOUT, b"timeout 0"),
            OwnMessage(300, StatementType.PROPOSAL, b"proposal 300"),
        ),
        (StoredCertificate(0, b"tc 0"), StoredCertificate(299, b"tc 299")),
        (StoredCertificate(0, b"pc 0"), StoredCertificate(256, b"pc 256")),
        tuple(sorted((stored_candidate(first), stored_candidate(second)), key=lambda item: item.block_hash)),
    )
    return promises, first, second


def test_promises_are_read_again_in_order(store: Store) -> None:
    chain = new_chain(store)
    promises, _, _ = promises_of(chain)
    assert chain.promises(1) == Promises(1)
    assert chain.newest_promised_height() is None
    chain.promise(promises)
    for reopened in (chain, open_chain(store)):
        assert reopened.promises(1) == promises
        assert reopened.newest_promised_height() == 1
        assert reopened.tip.header.height == 0
        assert reopened.height_of(promises.candidates[0].block_hash) is None


def test_a_candidate_whose_header_was_written_wrongly_is_damage() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    promises, first, second = promises_of(chain)
    chain.promise(promises)
    store.write({keys.candidate(1, first.block_hash): second.header_bytes}, sync=True)
    with pytest.raises(DamagedError):
        chain.promises(1)


@pytest.mark.parametrize("first_lost", [0, 2])
def test_a_candidate_whose_body_has_no_end_is_damage(first_lost: int) -> None:
    store = MemoryStore()
    chain = new_chain(store)
    block = candidate(chain, [transaction(create_stream(f"s{number}"), nonce=number) for number in range(130)])
    chain.promise(Promises(1, candidates=(stored_candidate(block),)))
    lost = frozenset(keys.body_chunk(1, block.block_hash, chunk) for chunk in range(first_lost, 3))
    store.write({}, lost, sync=True)
    with pytest.raises(DamagedError, match="body"):
        chain.promises(1)


def test_a_candidate_whose_body_has_a_gap_is_damage() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    block = candidate(chain, [transaction(create_stream(f"s{number}"), nonce=number) for number in range(130)])
    chain.promise(Promises(1, candidates=(stored_candidate(block),)))
    store.write({}, frozenset({keys.body_chunk(1, block.block_hash, 1)}), sync=True)
    with pytest.raises(DamagedError, match="gap"):
        chain.promises(1)


@pytest.mark.parametrize("restarted", [False, True])
def test_promises_accumulate_and_none_is_replaced(store: Store, restarted: bool) -> None:
    chain = new_chain(store)
    promises, first, _ = promises_of(chain)
    chain.promise(promises)
    chain = open_chain(store) if restarted else chain
    again = Promises(
        1,
        (OwnMessage(0, StatementType.PREPARE, b"prepare 0"), OwnMessage(1, StatementType.TIMEOUT, b"timeout 1")),
        (StoredCertificate(0, b"the one that a statement binds"), StoredCertificate(1, b"tc 1")),
        (StoredCertificate(0, b"another of round 0"), StoredCertificate(1, b"pc 1")),
        (stored_candidate(first),),
    )
    chain.promise(again)
    found = chain.promises(1)
    assert [item.payload for item in found.messages] == [b"prepare 0", b"timeout 0", b"timeout 1", b"proposal 300"]
    assert [item.payload for item in found.timeout_certificates] == [
        b"the one that a statement binds",
        b"tc 1",
        b"tc 299",
    ]
    assert [item.payload for item in found.prepare_certificates] == [b"pc 0", b"pc 1", b"pc 256"]
    assert found.candidates == promises.candidates


def test_signing_something_else_in_the_same_round_is_a_bug(store: Store) -> None:
    chain = new_chain(store)
    chain.promise(Promises(1, (OwnMessage(0, StatementType.PREPARE, b"one"),)))
    with pytest.raises(AssertionError):
        chain.promise(Promises(1, (OwnMessage(0, StatementType.PREPARE, b"two"),)))
    with pytest.raises(AssertionError):
        chain.promise(Promises(0, (OwnMessage(0, StatementType.PREPARE, b"decided"),)))


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("winner", [0, 1, None])
def test_a_commit_ends_the_promises_of_its_height_and_keeps_one_body(
    store: Store, winner: int | None, restarted: bool
) -> None:
    chain = new_chain(store)
    promises, first, second = promises_of(chain)
    chain.promise(promises)
    chain = open_chain(store) if restarted else chain
    block = (
        candidate(chain, [transaction(create_stream("third"), nonce=9)]) if winner is None else (first, second)[winner]
    )
    chain.commit(block, record_of(block), SIGNERS)
    assert chain.promises(1) == Promises(1)
    assert chain.newest_promised_height() is None
    assert_holds(chain, [block])
    bodies = [key for key, _ in store.range(b"b", b"c")]
    assert bodies == [keys.body_chunk(1, block.block_hash, 0)]


def test_a_body_is_written_once(tmp_path: Path) -> None:
    written: list[bytes] = []

    class Watched(MemoryStore):
        def write(self, puts: object, deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
            assert isinstance(puts, dict)
            assert sync
            written.extend(key for key in puts if key.startswith(b"b"))
            super().write(puts, deletes, sync=sync)

    chain = new_chain(Watched())
    block = candidate(chain, [transaction(create_stream())])
    chain.promise(
        Promises(1, (OwnMessage(0, StatementType.PREPARE, b"prepare"),), candidates=(stored_candidate(block),))
    )
    chain.promise(Promises(1, (OwnMessage(0, StatementType.COMMIT, b"commit"),), candidates=(stored_candidate(block),)))
    chain.commit(block, record_of(block), SIGNERS)
    assert written == [keys.body_chunk(1, block.block_hash, 0)]


def test_promises_are_not_read_again_by_who_wrote_them() -> None:
    read: list[bytes] = []

    class Watched(MemoryStore):
        def get(self, key: bytes) -> bytes | None:
            read.append(key)
            return super().get(key)

        def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
            read.append(start)
            return super().range(start, stop, reverse=reverse)

    chain = new_chain(Watched())
    for height in (1, 2):
        promises, _, block = promises_of(chain)
        promises = msgspec.structs.replace(promises, height=height)
        chain.promise(promises)
        chain.commit(block, record_of(block), SIGNERS)
        assert chain.newest_promised_height() is None
    # Once it asked which heights have any; then this test did, after each block.
    assert [key for key in read if key.startswith(keys.PROMISES_PREFIX)] == [keys.promises(0)] * 3


@pytest.mark.parametrize("restarted", [False, True])
def test_promises_above_the_next_height_are_ended_by_the_commit_of_theirs(store: Store, restarted: bool) -> None:
    chain = new_chain(store)
    chain.promise(Promises(2, (OwnMessage(0, StatementType.PREPARE, b"two"),)))
    chain = open_chain(store) if restarted else chain  # as after blocks were lost
    for height in (1, 2):
        block = candidate(chain)
        chain.promise(Promises(height, (OwnMessage(1, StatementType.PREPARE, b"again"),)))
        chain.commit(block, record_of(block), SIGNERS)
        assert chain.promises(height) == Promises(height)
        assert chain.newest_promised_height() == (2 if height == 1 else None)


# ---- crashes


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_crash_in_a_write_leaves_all_of_it_or_nothing(failing: int, survives: bool) -> None:
    """The three writes of a height: prepare vote with body, commit vote, commit."""
    store = MemoryStore()
    chain = new_chain(store)
    grow(chain, [1, 3])
    block = candidate(chain, [transaction(append("x", key="k"), nonce=77)])
    steps: list[Callable[[], None]] = [
        lambda: chain.promise(
            Promises(3, (OwnMessage(0, StatementType.PREPARE, b"prepare"),), candidates=(stored_candidate(block),))
        ),
        lambda: chain.promise(
            Promises(3, (OwnMessage(0, StatementType.COMMIT, b"commit"),), (), (StoredCertificate(0, b"pc"),))
        ),
        lambda: chain.commit(block, record_of(block), SIGNERS),
    ]
    images = [store.image()]
    for number, step in enumerate(steps, 1):
        if number == failing:
            store.fail_write(1, survives=survives)
            with pytest.raises(StorageFailedError):
                step()
            break
        step()
        images.append(store.image())
    assert chain.tip.header.height == 2, "nobody was told of a commit that may not be durable"
    with pytest.raises(StorageFailedError):
        chain.commit(block, record_of(block), SIGNERS)
    crashed = store.crash()
    if not survives:
        assert crashed == images[-1]
    after = open_chain(MemoryStore(crashed))
    done = failing if survives else failing - 1
    if done == 3:
        assert after.tip == block.tip()
        assert after.promises(3) == Promises(3)
    else:
        assert after.tip.header.height == 2
        assert len(after.promises(3).messages) == done
        assert after.promises(3).candidates == ((stored_candidate(block),) if done else ())
        after.commit(block, record_of(block), SIGNERS)
    assert_holds_all(after)


def assert_holds_all(chain: ChainStore) -> None:
    newest = chain.tip.header.height
    assert list(check_blocks(chain)) == [BlockCheck(height, ()) for height in range(newest + 1)]
    assert check_state(chain) == ()
    assert check_rows(chain) is None


def test_every_power_cut_leaves_a_whole_chain() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    images = [store.image()]
    for size in SIZES[:4]:
        grow(chain, [size])
        images.append(store.image())
    for height, image in enumerate(images):
        after = open_chain(MemoryStore(image))
        assert after.tip.header.height == height
        assert_holds_all(after)


# ---- damage


DAMAGED_ROWS: list[tuple[str, Callable[[CandidateBlock], bytes], Callable[[ChainStore], object]]] = [
    ("header", lambda block: keys.header(2), lambda chain: chain.header(2)),
    ("block hash", lambda block: keys.block_hash(block.block_hash), lambda chain: chain.header(2)),
    ("record", lambda block: keys.record(2), lambda chain: chain.record(2)),
    ("body", lambda block: keys.body_chunk(2, block.block_hash, 1), lambda chain: chain.envelopes(2)),
    ("outcomes", lambda block: keys.outcomes(2, 1), lambda chain: chain.leaves(2)),
    ("tile", lambda block: keys.tile(0, 0), lambda chain: chain.envelopes(2)),
    ("place", lambda block: keys.transaction(block.transactions[0].id), lambda chain: chain.envelopes(2)),
    ("state", lambda block: keys.state(b"stream/invoices"), lambda chain: chain.state.get(b"stream/invoices")),
]


@pytest.mark.parametrize(("name", "key", "read"), DAMAGED_ROWS, ids=[row[0] for row in DAMAGED_ROWS])
def test_a_damaged_or_missing_row_is_noticed_and_the_rest_is_served(
    name: str, key: Callable[[CandidateBlock], bytes], read: Callable[[ChainStore], object]
) -> None:
    store = MemoryStore()
    blocks = grow(new_chain(store), [1, 70, 3])
    row_key = key(blocks[1])
    flipped, missing = MemoryStore(store.image()), MemoryStore(store.image())
    flipped.damage(row_key, bit=5)
    missing.write({}, frozenset({row_key}), sync=True)
    for damaged in (flipped, missing):
        if name == "tile":
            with pytest.raises(DamagedError):  # the last tile is part of the tip
                open_chain(damaged)
            continue
        chain = open_chain(damaged)
        if name not in ("place", "state") or (name == "state" and damaged is flipped):
            with pytest.raises(DamagedError):
                read(chain)
        assert chain.envelopes(3) == tuple(item.envelope for item in blocks[2].transactions)
        found = [check.height for check in check_blocks(chain) if check.damage]
        state_damage = check_state(chain)
        assert (2 in found) if name != "state" else (state_damage or damaged is missing)
        assert 3 not in found or name in ("header", "block hash", "state")


@pytest.mark.parametrize("wrong", ["flipped", "missing", "of another block"])
def test_a_header_that_was_read_before_is_held_against_its_row_again(wrong: str) -> None:
    store = MemoryStore()
    chain = new_chain(store)
    blocks = grow(chain, [1, 2, 1])
    assert chain.stored_header(2) is chain.stored_header(2), "it is remembered"
    match wrong:
        case "flipped":
            store.damage(keys.header(2), bit=5)
        case "missing":
            store.write({}, frozenset({keys.header(2)}), sync=True)
        case _:
            store.write({keys.header(2): blocks[0].header_bytes}, sync=True)
    with pytest.raises(DamagedError):
        chain.header(2)


def test_no_more_headers_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.storage.chain_store.HEADERS_REMEMBERED_MAX", 3)
    chain = new_chain(MemoryStore())
    blocks = grow(chain, [1] * 8)
    for block in (*blocks, *reversed(blocks)):
        assert chain.header(block.header.height) == block.header
        assert len(chain._headers) <= 3
    assert list(chain._headers) == [3, 2, 1]


def rewritten(store: MemoryStore, key: bytes, value: bytes) -> ChainStore:
    """The chain with one row replaced by a well-formed one: a row that was written wrongly, checksum and all."""
    copy = MemoryStore(store.image())
    copy.write({key: value}, sync=True)
    return open_chain(copy)


@pytest.mark.parametrize("wrong", [0, 63, 64, 299])
def test_leaves_are_held_against_the_log_across_its_tiles_and_need_no_envelopes(wrong: int) -> None:
    store = MemoryStore()
    chain = new_chain(store)
    blocks = grow(chain, [5, 300])
    leaves = chain.leaves(2)
    for chunk in range(5):
        store.damage(keys.body_chunk(2, blocks[1].block_hash, chunk), bit=5)
    assert chain.leaves(2) == leaves
    assert [
        (bytes.fromhex(leaf.transaction_id), bytes.fromhex(leaf.envelope_hash), leaf.result)
        for leaf in chain.block(2).leaves_in_hex()
    ] == [(leaf.transaction_id, leaf.envelope_hash, leaf.result) for leaf in leaves]
    assert chain.damaged.blocks == ()
    chunk, offset = divmod(wrong, keys.CHUNK_TRANSACTIONS)
    row = bytearray(store.get(keys.outcomes(2, chunk)) or b"")
    row[offset * DIGEST_BYTES] ^= 1
    store.write({keys.outcomes(2, chunk): bytes(row)}, sync=True)
    for read in (lambda: chain.leaves(2), lambda: list(chain.block(2).leaves_in_hex())):
        with pytest.raises(DamagedError, match=f"transaction {wrong} of block 2 is not what the log has"):
            read()
    assert chain.damaged.blocks == (2,)


def test_rows_that_are_whole_but_wrong_are_not_served() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    blocks = grow(chain, [1, 2, 1])
    header_key, body_key = keys.header(2), keys.body_chunk(2, blocks[1].block_hash, 0)
    body, outcomes = store.get(body_key), store.get(keys.outcomes(2, 0))
    assert body is not None
    assert outcomes is not None

    wrong_header = rewritten(store, header_key, blocks[0].header_bytes)
    with pytest.raises(DamagedError, match="does not hash"):
        wrong_header.header(2)
    other_envelope = pack_chunk(
        [item.envelope.replace(b'"2/1"', b'"2/9"') for item in blocks[1].transactions],
    )
    assert other_envelope != body
    with pytest.raises(DamagedError, match="not what the log has"):
        rewritten(store, body_key, other_envelope).envelopes(2)
    with pytest.raises(DamagedError, match="malformed"):
        rewritten(store, body_key, body[:-1]).envelopes(2)
    first, second = (item.envelope for item in blocks[1].transactions)
    for envelopes, found in (
        ([b"one"], "not what the log has"),
        ([second, first], "not what the log has"),
        ([first], "ends before item 1"),
        ([first, second, b""], "more than 2 transactions"),
    ):
        with pytest.raises(DamagedError, match=found):
            rewritten(store, body_key, pack_chunk(envelopes)).envelopes(2)
    wrong_outcomes = rewritten(store, keys.outcomes(2, 0), outcomes.replace(b"applied", b"expired", 1))
    for read in (
        lambda: wrong_outcomes.leaves(2),
        lambda: wrong_outcomes.envelopes(2),
        lambda: list(wrong_outcomes.block(2).leaves_in_hex()),
    ):
        with pytest.raises(DamagedError, match="transaction 0 of block 2 is not what the log has"):
            read()
    assert wrong_outcomes.damaged.blocks == (2,)
    swapped = rewritten(store, keys.record(2), record_of(blocks[0]))
    assert [bool(check.damage) for check in check_blocks(swapped)] == [False, False, True, False]
    wrong_place = rewritten(store, keys.transaction(blocks[1].transactions[0].id), store.get(
        keys.transaction(blocks[0].transactions[0].id)) or b"")  # fmt: skip
    assert [bool(check.damage) for check in check_blocks(wrong_place)] == [False, False, True, False]
    wrong_state = rewritten(store, keys.state(b"stream/invoices"), (3).to_bytes(8, "big") + b"\x01{}")
    assert len(check_state(wrong_state)) == 1


def test_a_leaf_that_was_rewritten_in_its_tile_too_is_found_by_the_root() -> None:
    """What became of a transaction agrees with its tile; opening reads no tile that is full. The header disagrees."""
    store = MemoryStore()
    grow(new_chain(store), [1, 2, 1, 0, keys.TILE_HASHES])
    outcomes = store.get(keys.outcomes(2, 0)) or b""
    ids, hashes = outcomes[:DIGEST_BYTES], outcomes[2 * DIGEST_BYTES : 3 * DIGEST_BYTES]
    tile = bytearray(store.get(keys.tile(0, 0)) or b"")
    tile[DIGEST_BYTES : 2 * DIGEST_BYTES] = leaf_hash(Leaf(2, 0, Digest(ids), Digest(hashes), "expired"))
    rewritten_outcomes = outcomes.replace(b"applied", b"expired", 1)
    store.write({keys.outcomes(2, 0): rewritten_outcomes, keys.tile(0, 0): bytes(tile)}, sync=True)
    chain = open_chain(store)
    assert chain.leaves(2)[0].result == "expired", "by itself it looks whole"
    found = {check.height: check.damage for check in check_blocks(chain) if check.damage}
    starts = "the log does not start from the root of the block before it"
    assert found == {
        2: ("block 2: the log does not have the root that its header names",),
        3: (f"block 3: {starts}",),
        4: (f"block 4: {starts}",),
        5: (f"block 5: {starts}",),
    }


def test_a_valid_record_of_another_block_of_the_height_is_found() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    other = candidate(chain, time_ms=chain.tip.header.time_ms + 500)
    commit(chain)
    store.write({keys.record(1): record_of(other)}, sync=True)
    (_, found) = check_blocks(chain)
    assert len(found.damage) == 1
    assert "is for another" in found.damage[0]


def test_a_certificate_with_a_false_signature_is_found() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    block = candidate(chain)
    record = record_of(block)
    signature = FOUNDERS[0].consensus_key.sign(b"something else").hex().encode()
    text = record.decode()
    start = text.index('"signature":"') + len('"signature":"')
    chain.commit(block, record, SIGNERS)
    store.write({keys.record(1): (text[:start] + signature.decode() + text[start + 128 :]).encode()}, sync=True)
    (_, found) = check_blocks(chain)
    assert "does not verify" in found.damage[0]
    with pytest.raises(DamagedError, match="does not verify"):
        chain.record(1)


def test_a_record_is_verified_again_by_every_process() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    block = candidate(chain)
    chain.commit(block, record_of(block), SIGNERS)
    assert open_chain(store).record(1) == chain.record(1) == record_of(block)


def test_damage_on_disk_is_found_block_by_block(tmp_path: Path) -> None:
    database = create_database(tmp_path / "database")
    blocks = grow(new_chain(database), [1, 2])
    database.write({keys.record(1): b"overwritten"}, sync=True)
    database.close()
    chain = open_chain(open_database(tmp_path / "database"))
    assert [bool(check.damage) for check in check_blocks(chain)] == [False, True, False]
    assert [check.height for check in check_blocks(chain, from_height=2)] == [2]
    replace_block(chain, 1, record_of(blocks[0]), chain.envelopes(1), verify)
    assert_holds_all(chain)
    chain.store.close()


def test_the_header_of_the_tip_is_checked_too() -> None:
    store = MemoryStore()
    blocks = grow(new_chain(store), [1, 1])
    wrong = blocks[1].header_bytes.replace(b'"time_ms":18', b'"time_ms":19')
    with pytest.raises(DamagedError):
        rewritten(store, keys.header(2), wrong)
    store.write({keys.header(2): wrong, keys.block_hash(block_hash(wrong)): keys.pack_height(2)}, sync=True)
    chain = open_chain(store)  # nothing else says what the newest header is, but its certificate
    assert [bool(check.damage) for check in check_blocks(chain)] == [False, False, True]


def test_what_was_decoded_of_the_tip_is_shared_until_the_next_block() -> None:
    store = MemoryStore()
    chain = new_chain(store)
    before = chain.typed_state
    assert before is chain.typed_state
    assert before.stream("invoices") is None
    block = candidate(chain, [transaction(create_stream())])
    time_ms = block.header.time_ms
    done = execute(before, chain=chain.chain, height=1, time_ms=time_ms, transactions=block.transactions)
    assert done.writes == block.writes
    assert before.stream("invoices") is None, "executing a block writes nothing into it"
    store.fail_write(1, survives=True)
    with pytest.raises(StorageFailedError):
        chain.commit(block, record_of(block), SIGNERS)
    assert chain.typed_state is before, "what may not be durable is not seen"
    assert before.stream("invoices") is None
    chain = open_chain(MemoryStore(store.crash()))
    before = chain.typed_state
    assert before.stream("invoices") is not None
    assert before.stream("orders") is None
    commit(chain, [transaction(create_stream("orders"), nonce=1)])
    assert before.stream("orders") is None, "who kept it sees the state that it was of"
    after = chain.typed_state.stream("orders")
    assert after is not None
    assert after is chain.typed_state.stream("orders"), "decoded once"
