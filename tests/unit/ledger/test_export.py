"""Exports: anyone can read them, every byte of them is bound, and no forger gets one past an audit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from ledger.audit import ChainAudit, FlawError
from ledger.block import block_hash, encode_header
from ledger.consensus.codec import encode_commit_record
from ledger.consensus.messages import CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.crypto import Verify
from ledger.errors import LedgerError, MalformedError
from ledger.export import first_line
from ledger.export_reading import LinkedBlocks, open_exported_block, split_blocks, split_lines
from ledger.genesis import Genesis
from ledger.limits import BLOCK_TRANSACTIONS_MAX, ENVELOPE_BYTES_MAX, RECORD_BYTES_MAX
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from tests.unit.ledger.audited import audit_in_memory, remembering
from tests.unit.ledger.exporting import (
    audit_export,
    eventful_chain,
    export_of,
    export_with,
    lines_of,
    lines_of_block,
    reader_of,
)
from tests.unit.ledger.founders import founder, genesis_of, signing_key
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    return sample_chain()


@pytest.fixture(scope="module")
def eventful() -> MemoryChain:
    return eventful_chain()


def test_an_honest_export_is_audited_to_its_end(eventful: MemoryChain) -> None:
    audit = audit_export(eventful.genesis, export_of(eventful))
    assert audit.tip == eventful.tip
    audit.check_supplies()


def test_anyone_can_read_it_without_our_software(eventful: MemoryChain) -> None:
    """JSON, SHA-256 and RFC 6962: what the format's description says is all that there is to know."""

    def tagged(thing: str, document: object) -> str:
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        return hashlib.sha256(b"quorum-ledger/v1/" + thing.encode() + b"\0" + canonical).hexdigest()

    def root(leaves: Sequence[bytes]) -> bytes:
        if len(leaves) < 2:
            return leaves[0] if leaves else hashlib.sha256(b"").digest()
        half = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()

    data = export_of(eventful)
    first, *lines, last = [json.loads(line) for line in data.splitlines()]
    assert tagged("genesis", first["genesis"]) == first["chain"] == last["chain"]
    leaves: list[bytes] = []
    parent = lines[0]["record"]["header"]["parent_hash"]  # genesis is block 0
    for line in lines:
        if "record" in line:
            header = line["record"]["header"]
            assert tagged("block", header) == line["block_hash"] == line["record"]["certificate"]["block_hash"]
            assert header["parent_hash"] == parent
            parent, expected = line["block_hash"], header["log_size"]
        else:
            assert tagged("envelope", line["envelope"]) == line["leaf"]["envelope_hash"]
            assert tagged("transaction", line["envelope"]["body"]) == line["leaf"]["transaction_id"]
            leaf = json.dumps(line["leaf"], sort_keys=True, separators=(",", ":")).encode()
            leaves.append(hashlib.sha256(b"\0" + leaf).digest())
        if "record" not in line and len(leaves) == expected:
            assert root(leaves).hex() == header["log_root"]
    assert {line["leaf"]["result"] for line in lines if "leaf" in line} == {"applied", "writer_not_allowed"}
    head = last["head"]
    assert (last["blocks"], last["transactions"]) == (head["height"], len(leaves)) == (12, head["log_size"])
    assert (head["block_hash"], head["state_root"]) == (parent, header["state_root"])
    position = 0
    for part in last["parts"]:
        whole = data[position : position + part["bytes"]]
        assert hashlib.sha256(whole).hexdigest() == part["sha256"]
        position += part["bytes"]
    assert data[position:].count(b"\n") == 1


def test_parts_end_with_the_block_that_fills_them(chain: MemoryChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.export.EXPORT_PART_BYTES", 4_000)
    data = export_of(chain)
    manifest = json.loads(data.splitlines()[-1])
    sizes = [len(lines_of(chain, height)) for height in (1, 2, 3)]
    assert [(part["from_height"], part["bytes"]) for part in manifest["parts"]] == [
        (0, len(first_line(chain.genesis))),
        (1, sizes[0] + sizes[1]),
        (3, sizes[2]),
    ]
    audit_export(chain.genesis, data)


# ---- every byte


def audit_below(chain: MemoryChain, height: int, verify_signature: Verify) -> ChainAudit:
    """An audit that stands before the block of a height."""
    audit = audit_in_memory(chain.genesis, verify_signature)
    for record, block in chain.blocks[: height - 1]:
        audit.append(encode_commit_record(record), [item.envelope for item in block.transactions])
    return audit


def find_flaw(audit: ChainAudit, genesis: Genesis, data: bytes, verify_signature: Verify) -> LedgerError | None:
    """What is wrong with the block that comes next for `audit`, in a file that is as it was up to there."""
    height = audit.tip.header.height + 1
    try:
        for text in reader_of(genesis, data).blocks():
            if text.height == height:
                opened = open_exported_block(
                    text, context=audit.context, validators=audit.validators, verify_signature=verify_signature
                )
                audit.append_opened(opened)
                return None
    except LedgerError as error:
        return error
    return None


@pytest.mark.parametrize("height", [1, 2, 3])
def test_every_byte_of_a_block_is_bound_and_what_is_wrong_is_named(chain: MemoryChain, height: int) -> None:
    """Each byte changed in turn, in two ways: to its neighbour, and (a letter) to the other case."""
    genesis, data, verify_once = chain.genesis, export_of(chain), remembering()
    audit = audit_below(chain, height, verify_once)
    start = len(first_line(genesis)) + sum(len(lines_of(chain, below)) for below in range(1, height))
    stop = start + len(lines_of(chain, height))
    for position in range(start, stop):
        for mask in (0x01, 0x20):
            changed = bytearray(data)
            changed[position] ^= mask
            flaw = find_flaw(audit, genesis, bytes(changed), verify_once)
            if position == stop - 1 and height == chain.tip.header.height:
                assert isinstance(flaw, MalformedError), "the manifest has no line of its own any more"
            else:
                assert isinstance(flaw, FlawError), f"byte {position}: {flaw}"
                assert flaw.height == height, f"byte {position}: {flaw}"
    assert find_flaw(audit, genesis, data, verify_once) is None, "what was refused left no trace"


def test_every_byte_outside_of_blocks_is_bound(chain: MemoryChain) -> None:
    genesis, data = chain.genesis, export_of(chain)
    blocks = sum(len(lines_of(chain, height)) for height in (1, 2, 3))
    start = len(first_line(genesis))
    manifest = reader_of(genesis, data).manifest.line
    for position in (*range(start), *range(start + blocks, len(data))):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            differs = reader_of(genesis, bytes(changed)).manifest.line != manifest
        except MalformedError:
            continue
        assert differs, f"byte {position}"
        if position % 40 == 0:
            with pytest.raises(MalformedError, match="not that of these blocks"):
                audit_export(genesis, bytes(changed))


# ---- what is missing, moved or added


def test_a_file_that_was_torn_off_is_recognised(eventful: MemoryChain) -> None:
    """At every line, and within the last ones: what is there ends without a manifest."""
    data = export_of(eventful)
    lines = split_lines(data)[:-1]
    length = 0
    for line in lines[:-1]:
        for cut in (length, length + len(line) // 2, length + len(line) - 1):
            with pytest.raises(MalformedError):
                reader_of(eventful.genesis, data[:cut])
        length += len(line)
    for cut in range(length, len(data)):
        with pytest.raises(MalformedError):
            reader_of(eventful.genesis, data[:cut])
    assert reader_of(eventful.genesis, data).manifest.blocks == 12


def test_a_file_that_is_longer_or_empty_is_none(chain: MemoryChain) -> None:
    data = export_of(chain)
    for wrong in (b"", b"\n", data + b"\n", data + data.splitlines(keepends=True)[-1], data + b"{}\n", b"\n" + data):
        with pytest.raises(MalformedError):
            reader_of(chain.genesis, wrong)


def test_blocks_and_lines_that_are_swapped_left_out_or_repeated_are_named(eventful: MemoryChain) -> None:
    genesis = eventful.genesis
    blocks = [lines_of(eventful, height) for height in range(1, 13)]

    def first_flaw(changed: Sequence[bytes]) -> int:
        with pytest.raises(FlawError) as caught:
            audit_export(genesis, export_with(eventful, changed))
        return caught.value.height

    for at in range(0, 11, 3):
        swapped = [*blocks[:at], blocks[at + 1], blocks[at], *blocks[at + 2 :]]
        assert first_flaw(swapped) == at + 1
        assert first_flaw([*blocks[: at + 1], *blocks[at:]]) == at + 2
    third = split_lines(blocks[2])[:-1]
    for height, lines in (
        (3, [third[0], *third[2:]]),  # a transaction left out
        (3, [third[0], third[2], third[1], *third[3:]]),  # two in another order
        (3, [*third, third[1]]),  # one of them again
        (2, third[1:]),  # no commit record: then they would be of the block before
        (2, [third[1], *third]),
        (3, [third[0], b"\n", *third[1:]]),
        (3, [third[0], b'{"note":"hello"}\n', *third[1:]]),
        (3, [line.replace(b'{"block_hash"', b' {"block_hash"') for line in third]),
    ):
        assert first_flaw([*blocks[:2], b"".join(lines), *blocks[3:]]) == height


def test_blocks_are_linked_without_a_signature_or_a_state(eventful: MemoryChain) -> None:
    """What a copy is held to while it is made; a block of another chain with the same log has another parent."""
    linked = LinkedBlocks(eventful.genesis)
    texts = list(split_blocks(split_lines(b"".join(lines_of(eventful, height) for height in (1, 2, 3))), 1))
    for text in texts:
        linked.take(text)
    assert linked.block_hash == eventful.blocks[2][1].block_hash
    record, block = eventful.blocks[3]
    header = encode_header(replace(block.header, parent_hash=eventful.blocks[1][1].block_hash))
    forged = lines_of_block(replace(record, header=header), replace(block, block_hash=block_hash(header)))
    for lines, item in ((forged, "its header"), (lines_of(eventful, 3), "its header")):
        with pytest.raises(FlawError) as caught:
            linked.take(next(split_blocks(split_lines(lines), 4)))
        assert (caught.value.height, caught.value.item) == (4, item)
    linked.take(next(split_blocks(split_lines(lines_of(eventful, 4)), 4)))
    assert linked.block_hash == block.block_hash


def test_no_line_is_read_beyond_what_it_may_be(chain: MemoryChain) -> None:
    first, *transactions = split_lines(lines_of(chain, 1))[:-1]
    long = transactions[0].replace(b'"envelope":{', b'"envelope":{' + b" " * ENVELOPE_BYTES_MAX + b"  " * 1024)
    endless = first.replace(b'"record":{', b'"record":{' + b" " * RECORD_BYTES_MAX)
    for lines, item in (
        ([first, long], "transaction 0"),
        ([endless], "its commit record"),
        ([first, *transactions[:1] * (BLOCK_TRANSACTIONS_MAX + 1)], "its body"),
    ):
        with pytest.raises(FlawError) as caught:
            list(split_blocks(lines, 1))
        assert (caught.value.height, caught.value.item) == (1, item)


# ---- forgers


@pytest.mark.parametrize(
    "signers",
    [(0, 1), (), (0, 0, 1), (0, 1, 1), (1, 0, 2), (0, 1, 4), (0, 1, 99)],
    ids=["q-1", "nobody", "a duplicate", "a duplicate at the end", "another order", "a stranger", "nobody known"],
)
def test_a_forged_certificate_is_named(chain: MemoryChain, signers: tuple[int, ...]) -> None:
    record, block = chain.blocks[1]
    content = signed_bytes(SigningContext(chain.genesis.chain, 0), CommitStatement(2, 0, block.block_hash))
    signatures = tuple(VoteSignature(index, founder(index).consensus_key.sign(content)) for index in signers)
    forged = replace(record, certificate=replace(record.certificate, signatures=signatures))
    assert "commit record" in forged_flaw(chain, 2, lines_of_block(forged, block))


def test_whoever_left_the_set_signs_nothing_any_more(eventful: MemoryChain) -> None:
    """v3 was removed: q of the former set with it are no quorum, under whatever index it signs."""
    height = 10
    record, block = eventful.blocks[height - 1]
    assert block.header.validators_hash != eventful.genesis.validators.hash
    content = signed_bytes(SigningContext(eventful.genesis.chain, 0), CommitStatement(height, 0, block.block_hash))
    for index in (2, 3):
        signatures = tuple(
            VoteSignature(at, founder(key).consensus_key.sign(content)) for at, key in ((0, 0), (1, 1), (index, 3))
        )
        forged = replace(record, certificate=replace(record.certificate, signatures=signatures))
        assert "commit record" in forged_flaw(eventful, height, lines_of_block(forged, block))


def test_a_header_that_names_the_former_set_is_not_signed_by_it(eventful: MemoryChain) -> None:
    """Four former validators sign a block of their own where they are no longer in force."""
    _, block = eventful.blocks[9]
    header = encode_header(replace(block.header, validators_hash=eventful.genesis.validators.hash))
    made = replace(block, header_bytes=header, block_hash=block_hash(header))
    record = CommitRecord(header, eventful.certify(made.block_hash, 10, range(4)), ())
    assert "commit record: the block names another validator set" in forged_flaw(
        eventful, 10, lines_of_block(record, made)
    )


def test_all_validators_together_cannot_certify_what_execution_does_not_give(chain: MemoryChain) -> None:
    _, block = chain.blocks[1]
    header = encode_header(replace(block.header, state_root=bytes(32)))  # type: ignore[arg-type]
    made = replace(block, header_bytes=header, block_hash=block_hash(header))
    record = CommitRecord(header, chain.certify(made.block_hash, 2, range(4)), ())
    assert "its header: executing the block again" in forged_flaw(chain, 2, lines_of_block(record, made))


def test_another_result_in_a_leaf_is_named(chain: MemoryChain) -> None:
    lines = lines_of(chain, 3)
    assert "the leaf of transaction 3" in forged_flaw(chain, 3, lines.replace(b'"writer_not_allowed"', b'"applied"'))


def forged_flaw(chain: MemoryChain, height: int, lines: bytes) -> str:
    """How an audit names what is wrong with a file in which the block of a height has these lines."""
    blocks = [lines_of(chain, each) for each in range(1, chain.tip.header.height + 1)]
    blocks[height - 1] = lines
    with pytest.raises(FlawError) as caught:
        audit_export(chain.genesis, export_with(chain, blocks))
    assert caught.value.height == height
    return str(caught.value)


def test_a_fork_with_its_own_valid_signatures_does_not_go_on_from_another(chain: MemoryChain) -> None:
    """Either branch is a chain by itself, which is why auditors compare; no mixture of the two is."""
    other = MemoryChain(chain.genesis)
    alice = signing_key("alice")
    for height, (_, block) in enumerate(chain.blocks[:2], 1):
        assert other.append(*block.transactions).block_hash == chain.blocks[height - 1][1].block_hash
    other.nonce = 1_000
    for number in range(3):
        other.append(
            other.sign("alice", [alice], RecordAppend(by="alice", stream="notes", content=Content(f"fork {number}")))
        )
    assert audit_export(other.genesis, export_of(other)).tip == other.tip
    branch = [lines_of(other, height) for height in range(1, 6)]
    ours = [lines_of(chain, height) for height in (1, 2, 3)]
    with pytest.raises(FlawError, match=r"block 4, its header: .*its parent is"):
        audit_export(other.genesis, export_with(other, [*ours, *branch[3:]]))


def test_another_chains_export_is_refused_at_once() -> None:
    other = sample_chain(3)
    with pytest.raises(MalformedError, match=f"an export of another chain, {other.genesis.chain.hex()}"):
        reader_of(genesis_of(4), export_of(other))
    relabelled = export_of(other).replace(first_line(other.genesis), first_line(genesis_of(4)))
    with pytest.raises(MalformedError):
        reader_of(genesis_of(4), relabelled)
    mine = sample_chain(4)
    with pytest.raises(FlawError, match=r"block 1, its commit record: .*another chain"):
        audit_export(mine.genesis, export_with(mine, [lines_of(other, height) for height in (1, 2, 3)]))
