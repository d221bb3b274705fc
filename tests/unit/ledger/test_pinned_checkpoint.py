"""Pinned checkpoints: one file for one block, whoever makes it, and none for what no block may be."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.encoding import Json, decode_object, encode
from ledger.errors import MalformedError
from ledger.genesis import genesis_block
from ledger.limits import ADDRESS_BYTES_MAX, NAME_BYTES_MAX, PINNED_CHECKPOINT_BYTES_MAX, VALIDATORS_MAX
from ledger.pinned_checkpoint import (
    PinnedCheckpoint,
    anchor_of_checkpoint,
    build_pinned_checkpoint,
    parse_pinned_checkpoint,
)
from tests.unit.ledger.founders import genesis_of
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    return sample_chain()


@pytest.fixture(scope="module")
def checkpoint(chain: MemoryChain) -> PinnedCheckpoint:
    return build_pinned_checkpoint(network="test", header=chain.tip.header, validators=chain.genesis.validators)


def document_of(checkpoint: PinnedCheckpoint) -> dict[str, Json]:
    return decode_object(checkpoint.document, bytes_max=PINNED_CHECKPOINT_BYTES_MAX)


def test_what_was_built_is_read_back(chain: MemoryChain, checkpoint: PinnedCheckpoint) -> None:
    assert parse_pinned_checkpoint(checkpoint.document) == checkpoint
    assert (checkpoint.header, checkpoint.block_hash) == (chain.tip.header, chain.tip.block_hash)


def test_it_gives_an_anchor_at_its_block(chain: MemoryChain, checkpoint: PinnedCheckpoint) -> None:
    anchor = anchor_of_checkpoint(checkpoint)
    assert (anchor.chain, anchor.epoch, anchor.height) == (chain.genesis.chain, 0, 3)
    assert (anchor.validators, anchor.header) == (chain.genesis.validators, chain.tip.header)


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_changed_byte_is_no_checkpoint_or_another_with_another_digest(
    checkpoint: PinnedCheckpoint, flip: int
) -> None:
    """Nothing in it proves itself: what is compared over the telephone is the digest, and that covers every byte."""
    document, digests = checkpoint.document, {checkpoint.digest}
    for position in range(len(document)):
        changed = document[:position] + bytes([document[position] ^ flip]) + document[position + 1 :]
        try:
            other = parse_pinned_checkpoint(changed).digest
        except MalformedError:
            continue
        assert other not in digests
        digests.add(other)
    assert (len(digests) > 1) == (flip == 0x01), "a bit above 7 is no ASCII"


def test_what_is_none_is_refused(chain: MemoryChain, checkpoint: PinnedCheckpoint) -> None:
    document, header = document_of(checkpoint), checkpoint.header
    for change, says in (
        ({"kind": "quorum-ledger/receipt"}, 'its "kind" is not'),
        ({"version": True}, "this software reads version 1"),
        ({"version": 2}, "this software reads version 1"),
        ({"network": ""}, "printable ASCII"),
        ({"network": "\x1b[31m"}, "printable ASCII"),
        ({"network": "x" * (NAME_BYTES_MAX + 1)}, "at most"),
        ({"validators": genesis_of(3).validators.to_json()}, "not the set that its header puts in force"),
        ({"header": replace(header, next_validators_hash=header.log_root).to_json()}, "puts in force"),
        ({"header": genesis_block(chain.genesis).tip.header.to_json()}, "height 0 is genesis"),
        ({"surplus": 1}, "unknown field"),
    ):
        with pytest.raises(MalformedError, match=says):
            parse_pinned_checkpoint(encode({**document, **change}))
    for data in (b"", b"[]", checkpoint.document + b"\n", b" " + checkpoint.document):
        with pytest.raises(MalformedError):
            parse_pinned_checkpoint(data)


def test_the_largest_set_fits() -> None:
    genesis = genesis_of(4)
    entry = genesis.validators.to_json()["validators"][0]  # type: ignore[index, call-overload]
    longest = {**entry, "name": "v" * NAME_BYTES_MAX, "operator": "o" * NAME_BYTES_MAX}  # type: ignore[dict-item]
    longest["address"] = "h" * (ADDRESS_BYTES_MAX - 6) + ":12345"
    size = len(encode(longest)) * VALIDATORS_MAX
    assert size < PINNED_CHECKPOINT_BYTES_MAX / 2
