"""Putting a damaged block back from what a peer gave: only if it is the very block that this chain committed. [safety]

The chain says itself which block that is: the block above names its parent by hash, and so on up to the tip. What a
peer gave is taken only if all of this holds, and otherwise nothing is written:

* its header hashes to the hash that the block above it names (that of the tip is in memory since it was appended);
* its commit record proves that header final, by the validators of its height, in the state that is here;
* its transactions, each with some result, are the leaves that the log has at their places.

Then every row that the block alone has is written again: header, record, body, outcomes, and the ways to them. Nothing
of the vote state, of the state, or of what several blocks share (tiles, indexes) is ever made from what a peer gave.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.block import Leaf, block_hash, leaf_hash, parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys
from ledger.crypto import Verify
from ledger.errors import VerificationError
from ledger.execution import APPLIED
from ledger.merkle import check_inclusion, prove_inclusion
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction, parse_transaction
from node.storage import keys
from node.storage.batch import Batch
from node.storage.block_rows import StoredHeader, write_header, write_outcomes
from node.storage.bodies import write_body
from node.storage.chain_store import ChainStore
from node.storage.check import check_block
from node.storage.errors import DamagedError
from node.storage.log_tiles import TileReader
from node.storage.set_changes import write_set_change

_RESULTS = (APPLIED, *(str(code) for code in Code))
"""Everything that a transaction in a block can have become, the most frequent first."""


def replace_block(chain: ChainStore, height: int, encoded: bytes, envelopes: Sequence[bytes], verify: Verify) -> None:
    """Put back block `height` (1 to the tip's) from its encoded commit record and its envelopes, durably.

    Raises `LedgerError`, and writes nothing, when they are not the block of this chain; `DamagedError` when what would
    show that, or another row of the block, is damaged too: then the database has to be made anew; and
    `StorageFailedError`.
    """
    assert 1 <= height <= chain.tip.header.height, "genesis is made, and not fetched"
    committed = chain.committed_hash(height)
    record = decode_commit_record(encoded)
    if block_hash(record.header) != committed:
        raise VerificationError(f"the record is not that of block {height} of this chain")
    header = parse_header(record.header)
    assert header.height == height, "parents are one lower"
    signing = SigningContext(chain.chain, header.epoch)
    keys_of_height = HeightKeys(signing, height, chain.validators_of(height), verify)
    verify_commit_record(record, keys=keys_of_height, parent_hash=header.parent_hash)
    stored = StoredHeader(header, record.header, committed)
    transactions = _open(height, envelopes, header.transaction_count)
    results = _results(chain, stored, transactions)
    _write(chain, stored, encoded, transactions, results)
    chain.forget_read(height)
    found = check_block(chain, height).damage
    if found:
        raise DamagedError(f"block {height} was put back, and is not whole: {found[0]}")
    chain.damaged.note_replaced(height)


def _open(height: int, envelopes: Sequence[bytes], count: int) -> list[Transaction]:
    """The transactions as they stand in the envelopes. Raises `VerificationError`."""
    if len(envelopes) != count:
        raise VerificationError(f"block {height} has {count} transactions, not {len(envelopes)}")
    transactions = []
    for envelope in envelopes:
        transaction = parse_transaction(envelope)
        if isinstance(transaction, Refusal):
            raise VerificationError(f"a transaction of block {height} is none: {transaction}")
        transactions.append(transaction)
    return transactions


def _results(chain: ChainStore, stored: StoredHeader, transactions: Sequence[Transaction]) -> list[str]:
    """What became of each transaction: the result with which it is the leaf that the log has at its place.

    Raises `VerificationError` when there is none, and `DamagedError` when that is the fault of the log here.
    """
    header, in_log = stored.header, TileReader(chain.store)
    first_leaf = header.log_size - header.transaction_count
    results = []
    for index, item in enumerate(transactions):
        expected = in_log(0, first_leaf + index)
        result = _result(expected, header.height, index, item)
        if result is None:
            _check_log(chain, first_leaf + index, expected)
            raise VerificationError(f"transaction {index} is not that of block {header.height}")
        results.append(result)
    return results


def _result(expected: Digest, height: int, index: int, item: Transaction) -> str | None:
    for result in _RESULTS:
        if leaf_hash(Leaf(height, index, item.id, item.envelope_hash, result)) == expected:
            return result
    return None


def _check_log(chain: ChainStore, leaf: int, leaf_hash_here: Digest) -> None:
    """Raise `DamagedError` unless the log here leads from its leaf to the root that the tip names."""
    tip, reader = chain.tip.header, chain.log_reader()
    path = prove_inclusion(leaf, tip.log_size, reader)
    if not check_inclusion(leaf_hash_here, leaf, tip.log_size, path, tip.log_root):
        raise DamagedError(f"leaf {leaf} of the log is not the one that the newest block commits to")


def _write(
    chain: ChainStore, stored: StoredHeader, record: bytes, transactions: Sequence[Transaction], results: Sequence[str]
) -> None:
    height, batch = stored.header.height, Batch()
    batch.puts[keys.record(height)] = record
    write_header(batch, height, stored.header_bytes, stored.block_hash)
    write_body(batch, height, stored.block_hash, [item.envelope for item in transactions])
    write_outcomes(batch, stored.header, transactions, results)
    batch.deletes.add(keys.set_change(height))
    write_set_change(batch, stored.header)
    chain.store.write(batch.puts, frozenset(batch.deletes - batch.puts.keys()), sync=True)
