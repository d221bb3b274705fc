"""Receipts: what they prove, and that nothing in the file can be changed, swapped, or taken from another chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from ledger.block import block_hash, encode_header, parse_header
from ledger.consensus.codec import commit_record_to_json
from ledger.consensus.messages import CommitRecord
from ledger.encoding import Json, decode_object, encode, encode_trusted
from ledger.errors import BelowAnchorError, LedgerError, MalformedError, VerificationError
from ledger.limits import RECEIPT_BYTES_MAX
from ledger.pinned_checkpoint import PinnedCheckpoint, anchor_of_checkpoint, build_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import Pinned, build_receipt, verify_receipt
from ledger.trail import Anchor, anchor_of
from tests.unit.ledger.founders import genesis_of
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    return sample_chain()


@pytest.fixture(scope="module")
def anchor(chain: MemoryChain) -> Anchor:
    return anchor_of(chain.genesis)


def document_of(data: bytes) -> dict[str, Json]:
    return decode_object(data, bytes_max=RECEIPT_BYTES_MAX)


def test_every_transaction_of_the_chain_has_a_receipt_that_verifies(chain: MemoryChain, anchor: Anchor) -> None:
    for height, (_, block) in enumerate(chain.blocks, 1):
        for index, transaction in enumerate(block.transactions):
            verified = verify_receipt(chain.receipt(height, index), anchor)
            assert verified.transaction == transaction
            assert (verified.leaf.height, verified.leaf.index) == (height, index)
            assert verified.leaf.result == block.results[index]
            assert verified.block_hash == block.block_hash
            assert verified.signers == ("v0", "v1", "v2")


def test_a_failed_transaction_has_a_receipt_too_and_it_says_so(chain: MemoryChain, anchor: Anchor) -> None:
    assert verify_receipt(chain.receipt(3, 3), anchor).leaf.result == "writer_not_allowed"


@pytest.mark.parametrize("flip", [0x01, 0x80])
@pytest.mark.parametrize("pinned", [False, True], ids=["certified", "pinned"])
def test_every_single_byte_is_bound(chain: MemoryChain, flip: int, pinned: bool) -> None:
    data = chain.pinned_receipt(1, 1, 3) if pinned else chain.receipt(3, 1)
    anchor = anchor_of_checkpoint(chain.checkpoint(3)) if pinned else anchor_of(chain.genesis)
    verify_receipt(data, anchor)
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
        with pytest.raises(LedgerError):
            verify_receipt(changed, anchor)


def test_every_truncation_and_every_extension_is_refused(chain: MemoryChain, anchor: Anchor) -> None:
    data = chain.receipt(1, 0)
    for length in range(0, len(data), 7):
        with pytest.raises(LedgerError):
            verify_receipt(data[:length], anchor)
    for extension in (b" ", b"\n", b"{}", b"\0"):
        with pytest.raises(MalformedError):
            verify_receipt(data + extension, anchor)


def test_a_version_has_one_form(chain: MemoryChain, anchor: Anchor) -> None:
    """`true` equals 1 in Python, and would make a second file of the same receipt."""
    document = document_of(chain.receipt(1, 0))
    for version in (True, 2, "1", None):
        with pytest.raises(MalformedError, match="this software reads version 1"):
            verify_receipt(encode({**document, "version": version}), anchor)


def test_a_receipt_proves_nothing_to_the_holder_of_another_genesis(chain: MemoryChain) -> None:
    other = genesis_of(4, quorum=None).validators
    for stranger in (
        anchor_of(genesis_of(3)),
        Anchor(bytes(32), 0, 0, other),  # type: ignore[arg-type]
        replace(anchor_of(chain.genesis), epoch=1),
        replace(anchor_of(chain.genesis), height=3),
    ):
        with pytest.raises(VerificationError):
            verify_receipt(chain.receipt(3, 0), stranger)


Change = Callable[[dict[str, Json], dict[str, Json]], None]


def swap(field: str) -> Change:
    """Take one part from the other receipt."""

    def change(document: dict[str, Json], other: dict[str, Json]) -> None:
        document[field] = other[field]

    return change


def drop_signature(document: dict[str, Json], _: dict[str, Json]) -> None:
    document["record"]["certificate"]["signatures"].pop()  # type: ignore[index, call-overload, union-attr]


def repeat_signature(document: dict[str, Json], _: dict[str, Json]) -> None:
    signatures = document["record"]["certificate"]["signatures"]  # type: ignore[index, call-overload]
    signatures[2] = signatures[1]  # type: ignore[index, call-overload]


def relabel_signature(document: dict[str, Json], _: dict[str, Json]) -> None:
    document["record"]["certificate"]["signatures"][2]["validator"] = 3  # type: ignore[index, call-overload]


def stranger_signature(document: dict[str, Json], _: dict[str, Json]) -> None:
    document["record"]["certificate"]["signatures"][2]["validator"] = 4  # type: ignore[index, call-overload]


def another_result(document: dict[str, Json], _: dict[str, Json]) -> None:
    document["leaf"]["result"] = "stream_frozen"  # type: ignore[index, call-overload]


def useless_trail(document: dict[str, Json], other: dict[str, Json]) -> None:
    document["trail"] = [{"record": other["record"], "validators": genesis_of(4).validators.to_json()}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swap("leaf"), "a block of height 3 where height 2 is proved"),
        (swap("path"), "inclusion path"),
        (swap("transaction"), "another transaction"),
        (swap("record"), "inclusion path|where height"),
        (drop_signature, "2 signatures, and the quorum is 3"),
        (repeat_signature, "not in ascending order"),
        (relabel_signature, "does not verify"),
        (stranger_signature, "there is no validator 4"),
        (another_result, "inclusion path"),
        (useless_trail, "did not change"),
    ],
)
def test_parts_of_two_true_receipts_do_not_make_a_third(
    chain: MemoryChain, anchor: Anchor, change: Change, says: str
) -> None:
    document, other = document_of(chain.receipt(3, 0)), document_of(chain.receipt(2, 0))
    change(document, other)
    with pytest.raises(VerificationError, match=says):
        verify_receipt(encode(document), anchor)


def test_deeply_nested_content_still_fits_a_receipt() -> None:
    from ledger.operations.fields import Content
    from ledger.operations.streams import RecordAppend
    from tests.unit.ledger.founders import signing_key

    chain = sample_chain()
    content: Json = "bottom"
    alice = signing_key("alice")
    for _ in range(28):  # the envelope is then as deep as canonical JSON may be
        content = [content]
    chain.append(chain.sign("alice", [alice], RecordAppend(by="alice", stream="notes", content=Content(content))))
    assert verify_receipt(chain.receipt(4, 0), anchor_of(chain.genesis)).leaf.result == "applied"


def test_building_needs_nothing_but_what_is_stored(chain: MemoryChain) -> None:
    record, block = chain.blocks[0]
    data = build_receipt(
        envelope=block.transactions[0].envelope,
        leaf=verify_receipt(chain.receipt(1, 0), anchor_of(chain.genesis)).leaf,
        path=(block.leaf_hashes[1],),
        record=record,
        trail=(),
    )
    assert data == chain.receipt(1, 0)


# ---- receipts for those who pinned a later block


def test_a_pinned_block_proves_every_transaction_up_to_it_without_a_signature(chain: MemoryChain) -> None:
    def nobody_signs(*_: object) -> bool:
        raise AssertionError("no signature of a validator is asked")

    for at in (1, 2, 3):
        anchor = anchor_of_checkpoint(chain.checkpoint(at))
        for height in range(1, at + 1):
            block = chain.blocks[height - 1][1]
            for index, transaction in enumerate(block.transactions):
                signatures = {item.key for item in transaction.signatures}
                verified = verify_receipt(
                    chain.pinned_receipt(height, index, at),
                    anchor,
                    lambda key, *_, known=signatures: key in known or nobody_signs(),
                )
                assert (verified.leaf.height, verified.leaf.index) == (height, index)
                assert verified.leaf.result == block.results[index]
                assert verified.header == chain.blocks[at - 1][1].header
                assert isinstance(verified.proof, Pinned)
                assert verified.signers == ()


def test_signatures_of_a_time_before_the_pinned_block_prove_nothing_to_its_holder(chain: MemoryChain) -> None:
    """Not even true ones: the same file with stolen keys would be another past."""
    for at in (1, 2, 3):
        anchor = anchor_of_checkpoint(chain.checkpoint(at))
        for height in range(1, 4):
            if height > at:
                assert verify_receipt(chain.receipt(height, 0), anchor).signers == ("v0", "v1", "v2")
                continue
            with pytest.raises(BelowAnchorError) as refused:
                verify_receipt(chain.receipt(height, 0), anchor)
            assert (refused.value.height, refused.value.anchor_height) == (height, at)


def test_a_receipt_for_one_pinned_block_proves_nothing_to_the_holder_of_another(
    chain: MemoryChain, anchor: Anchor
) -> None:
    data = chain.pinned_receipt(1, 0, 2)
    for stranger, says in (
        (anchor, "for holders of a checkpoint at height 2, and proves nothing from genesis"),
        (
            anchor_of_checkpoint(chain.checkpoint(1)),
            "another checkpoint: .* at height 2, and pinned is one at height 1",
        ),
        (
            anchor_of_checkpoint(chain.checkpoint(3)),
            "another checkpoint: .* at height 2, and pinned is one at height 3",
        ),
        (anchor_of_checkpoint(fork(chain, 2)), "another checkpoint"),
    ):
        with pytest.raises(VerificationError, match=says):
            verify_receipt(data, stranger)


def fork(chain: MemoryChain, height: int) -> PinnedCheckpoint:
    """A checkpoint of a block that differs in one bit of what it commits to."""
    made = chain.checkpoint(height)
    root = Digest(bytes([made.header.log_root[0] ^ 1]) + made.header.log_root[1:])
    return build_pinned_checkpoint(
        network="test", header=altered(made.header, log_root=root), validators=made.validators
    )


def test_what_the_pinned_log_does_not_have_is_not_proved(chain: MemoryChain) -> None:
    anchor = anchor_of_checkpoint(chain.checkpoint(2))
    document, later = document_of(chain.pinned_receipt(2, 0, 2)), document_of(chain.pinned_receipt(3, 0, 3))
    leaf = document["leaf"]
    assert isinstance(leaf, dict)
    for changes, says in (
        ({"position": 1}, "inclusion path"),
        ({"position": 3}, "inclusion path"),
        ({"position": 2**53 - 1}, "inclusion path"),
        ({"path": later["path"]}, "inclusion path"),
        ({"leaf": {**leaf, "result": "stream_frozen"}}, "inclusion path"),
        ({"leaf": {**leaf, "height": 3}}, "above the checkpoint's"),
        ({"leaf": later["leaf"], "transaction": later["transaction"]}, "above the checkpoint's"),
        ({"transaction": later["transaction"]}, "another transaction"),
        ({"header": later["header"]}, "another checkpoint"),
    ):
        with pytest.raises(VerificationError, match=says):
            verify_receipt(encode({**document, **changes}), anchor)
    for changes in ({"position": -1}, {"position": True}, {"position": None}, {"trail": []}, {"record": None}):
        with pytest.raises(MalformedError):
            verify_receipt(encode({**document, **changes}), anchor)


def test_no_receipt_is_of_both_forms(chain: MemoryChain, anchor: Anchor) -> None:
    certified, pinned = document_of(chain.receipt(3, 0)), document_of(chain.pinned_receipt(3, 0, 3))
    for trusted in (anchor, anchor_of_checkpoint(chain.checkpoint(2)), anchor_of_checkpoint(chain.checkpoint(3))):
        for both in (
            {**certified, **pinned},
            {**pinned, "trail": certified["trail"]},
            {**certified, "position": 3},
            {**certified, "header": pinned["header"]},
        ):
            with pytest.raises(MalformedError, match="unknown field"):
                verify_receipt(encode(both), trusted)


# ---- across changes of the validator set


def grown_chain() -> tuple[MemoryChain, bytes, bytes]:
    """A chain of one validator whose block 4 decides a set of three, with receipts from before and after."""
    from ledger.operations.fields import Content
    from ledger.operations.streams import RecordAppend
    from ledger.rows.settings import VALIDATORS_KEY
    from tests.unit.ledger.founders import signing_key

    chain = sample_chain(1)
    grown = genesis_of(3).validators
    before = chain.receipt(3, 0)
    # No operation changes the set yet: the row is put in place as if block 4 had written it, and its header says so.
    base, parent = chain.tip, chain.append()
    header = encode_header(altered(parent.header, next_validators_hash=grown.hash))
    changed = CommitRecord(header, chain.certify(block_hash(header), 4), ())
    chain.tip = altered(base, header=parse_header(header), header_bytes=header, block_hash=block_hash(header))
    chain.rows[VALIDATORS_KEY] = encode_trusted(grown.to_json())
    chain.genesis = replace(chain.genesis, validators=grown)  # `certify` signs with as many founders
    alice = signing_key("alice")
    record = RecordAppend(by="alice", stream="notes", content=Content("new era"))
    chain.append(chain.sign("alice", [alice], record))
    document = document_of(chain.receipt(5, 0))
    document["trail"] = [{"record": commit_record_to_json(changed), "validators": grown.to_json()}]
    return chain, before, encode(document)


def test_a_receipt_leads_across_a_change_of_the_validator_set() -> None:
    chain, before, after = grown_chain()
    anchor = Anchor(chain.genesis.chain, 0, 0, genesis_of(1).validators)
    assert verify_receipt(before, anchor).signers == ("v0",)
    assert verify_receipt(after, anchor).signers == ("v0", "v1")
    assert verify_receipt(after, anchor).leaf.height == 5


def test_a_trail_cannot_be_left_out_or_bent() -> None:
    chain, _, after = grown_chain()
    anchor = Anchor(chain.genesis.chain, 0, 0, genesis_of(1).validators)
    document = document_of(after)
    (step,) = document["trail"]  # type: ignore[misc, str-unpack, union-attr]
    for trail, says in (
        ([], "names another validator set"),
        ([{**step, "validators": genesis_of(2).validators.to_json()}], "puts another validator set in force"),
        ([step, step], "not in order of height"),
        ([{**step, "record": document["record"]}], "not in order of height"),
    ):
        with pytest.raises(VerificationError, match=says):
            verify_receipt(encode({**document, "trail": trail}), anchor)
