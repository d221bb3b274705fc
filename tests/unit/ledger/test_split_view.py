"""Two certified blocks of one height in a file: it proves what it says, across changes of the set, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from ledger.block import encode_header
from ledger.consensus.codec import decode_commit_record
from ledger.encoding import encode_trusted
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.split_view import Side, build_split_view, verify_split_view
from ledger.trail import anchor_of
from ledger.validators import ValidatorSet, default_quorum
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.ledger.audited import remembering
from tests.unit.ledger.founders import rekeyed, set_of
from tests.unit.node.storage.chains import change_set, genesis, grow, new_chain

ANCHOR = anchor_of(genesis())
CHANGED = ValidatorSet((*set_of(0, 1, 2).validators, rekeyed(3, 5)), default_quorum(4))


def build_chain(size: int, *, changes: bool = True) -> ChainStore:
    """Three blocks, of which the second changes the set; those of another `size` are a fork from the first one on."""
    chain = new_chain(MemoryStore())
    grow(chain, [size])
    if changes:
        change_set(chain, CHANGED)
    else:
        grow(chain, [size])
    grow(chain, [size])
    return chain


@pytest.fixture(scope="module")
def one() -> ChainStore:
    return build_chain(1)


@pytest.fixture(scope="module")
def other() -> ChainStore:
    return build_chain(2)


def side(chain: ChainStore, height: int) -> Side:
    """The block of a height as an honest holder of genesis shows it."""
    return Side(decode_commit_record(chain.record(height)), chain.trail(height))


def split(first: Side, second: Side) -> bytes:
    return build_split_view(genesis().chain, first, second)


@pytest.mark.parametrize("height", [1, 2, 3])
def test_two_blocks_of_one_height_prove_that_there_are_two_chains(
    one: ChainStore, other: ChainStore, height: int
) -> None:
    found = verify_split_view(split(side(one, height), side(other, height)), ANCHOR)
    assert (found.first.block_hash, found.second.block_hash) == (one.block_hash(height), other.block_hash(height))
    assert (found.first.header.height, found.chain) == (height, genesis().chain)
    assert found.accused == ("v0", "v1", "v2")


def test_where_different_sets_signed_nobody_is_accused(one: ChainStore) -> None:
    """Each fork has its own history of sets; its indices mean somebody else."""
    unchanged = build_chain(2, changes=False)
    found = verify_split_view(split(side(one, 3), side(unchanged, 3)), ANCHOR)
    assert (found.first.block_hash != found.second.block_hash, found.accused) == (True, ())


def test_who_pinned_a_later_block_needs_no_trail_below_it(one: ChainStore, other: ChainStore) -> None:
    pinned = anchor_of_checkpoint(
        build_pinned_checkpoint(network="n", header=one.header(2), validators=one.validators_of(3))
    )
    sides = [replace(side(chain, 3), trail=()) for chain in (one, other)]
    assert verify_split_view(split(*sides), pinned).first.header.height == 3
    with pytest.raises(VerificationError):
        verify_split_view(split(*sides), ANCHOR)


def test_what_is_no_contradiction_proves_nothing(one: ChainStore, other: ChainStore) -> None:
    weak = side(other, 1)
    signatures = weak.record.certificate.signatures[:2]
    cases = {
        "the same": split(side(one, 2), side(one, 2)),
        "of different heights": split(side(one, 1), side(other, 2)),
        "the quorum is 3": split(
            side(one, 1),
            replace(
                weak, record=altered(weak.record, certificate=altered(weak.record.certificate, signatures=signatures))
            ),
        ),
        "for another block": split(
            side(one, 1),
            replace(weak, record=altered(weak.record, header=encode_header(altered(other.header(1), time_ms=1)))),
        ),
        "another validator set": split(side(one, 3), replace(side(other, 3), trail=())),
    }
    for says, data in cases.items():
        with pytest.raises(VerificationError, match=says):
            verify_split_view(data, ANCHOR)


def test_every_byte_of_it_matters(one: ChainStore, other: ChainStore) -> None:
    data = split(side(one, 3), side(other, 3))
    verify_once = remembering()
    for position in range(0, len(data), 5):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(LedgerError):
            verify_split_view(bytes(changed), ANCHOR, verify_once)
    for wrong in (
        b"",
        encode_trusted({"kind": "quorum-ledger/split-view"}),
        data.replace(b'"version":1}', b'"version":2}'),
        data.replace(b'"version":1}', b'"version":true}'),
        data.replace(genesis().chain.hex().encode(), bytes(32).hex().encode()),
    ):
        with pytest.raises((MalformedError, VerificationError)):
            verify_split_view(wrong, ANCHOR)
