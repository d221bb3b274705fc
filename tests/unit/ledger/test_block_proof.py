"""Block proofs: all transactions of a block with their results, and no other list passes for them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ledger.block_proof import BlockProof, build_block_proof, check_block_proof, parse_block_proof
from ledger.consensus.codec import decode_commit_record
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.limits import MIB
from ledger.merkle import frontier_at
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.node.storage.chains import grow, new_chain

SIZES = (1, 0, 3, 2, 7, 1, 5)


@pytest.fixture(scope="module")
def chain() -> ChainStore:
    chain = new_chain(MemoryStore())
    grow(chain, SIZES)
    return chain


def document(chain: ChainStore, height: int) -> dict[str, Any]:
    header = chain.header(height)
    before = frontier_at(header.log_size - header.transaction_count, chain.log_reader())
    data = build_block_proof(decode_commit_record(chain.record(height)), chain.leaves(height), before)
    value = decode(data, bytes_max=MIB, what="proof")
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("height", range(1, len(SIZES) + 1))
def test_it_proves_all_transactions_of_its_block_and_of_no_other(chain: ChainStore, height: int) -> None:
    proof = parse_block_proof(document(chain, height))
    assert check_block_proof(proof, chain.header(height)) == tuple(chain.leaves(height))
    for other in range(1, len(SIZES) + 1):
        if other != height and SIZES[other - 1]:
            with pytest.raises(VerificationError):
                check_block_proof(proof, chain.header(other))


@pytest.mark.parametrize("height", [h for h, size in enumerate(SIZES, 1) if size > 1])
def test_nothing_can_be_left_out_added_moved_or_relabelled(chain: ChainStore, height: int) -> None:
    good = document(chain, height)
    listed, log = good["transactions"], good["log"]
    lies = [
        {"transactions": listed[1:]},
        {"transactions": [*listed, listed[0]]},
        {"transactions": listed[::-1]},
        {"transactions": [{**listed[0], "result": "stream_frozen"}, *listed[1:]]},
        {"transactions": [{**listed[0], "id": "00" * 32}, *listed[1:]]},
        {"log": [*log, "00" * 32]},
        {"log": log[1:]},
        {"log": ["00" * 32, *log[1:]]},
    ]
    for lie in lies:
        with pytest.raises(VerificationError):
            check_block_proof(parse_block_proof({**good, **lie}), chain.header(height))


def changed(good: dict[str, Any], data: bytes) -> BlockProof:
    """The proof with the members in `data` instead of its own."""
    members = decode(data, bytes_max=MIB, what="proof")
    assert isinstance(members, dict)
    return parse_block_proof({**good, **members})


def test_every_byte_is_bound_or_malformed(chain: ChainStore) -> None:
    """The header is taken as verified: flips in the record are the certificate's to find."""
    good = document(chain, 4)
    data = encode({name: good[name] for name in ("transactions", "log")})
    dice = random.Random(1)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << dice.randrange(8)
        with pytest.raises(LedgerError):
            check_block_proof(changed(good, bytes(flipped)), chain.header(4))


def test_a_document_has_one_form(chain: ChainStore) -> None:
    good = document(chain, 3)
    for changed in (
        None,
        [],
        {**good, "kind": "quorum-ledger/receipt"},
        {**good, "version": True},
        {**good, "more": 1},
        {**good, "log": ["00"]},
        {**good, "transactions": [{}] * 1_001},
    ):
        with pytest.raises(MalformedError):
            parse_block_proof(changed)
