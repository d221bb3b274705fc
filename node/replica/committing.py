"""Appending a block: the one place where the chain grows. Durable before visible. [safety]

The order is: check the record against this height's validators and the block against the record; write one synced
batch with block, record, state and indexes, which also ends the promises of the height; and only then announce the
block and prune the mempool. The caller begins the next height after that, so that no vote of it leaves earlier.
(design section 2, amendment A4)
"""

from __future__ import annotations

from ledger.consensus.record import verify_commit_record
from node.replica.actions import BlockAppended
from node.replica.deciding import Decided, Deciding
from node.replica.door import Door
from node.replica.outbox import Outbox
from node.storage.chain_store import ChainStore


def append(decided: Decided, deciding: Deciding, *, chain: ChainStore, door: Door, out: Outbox) -> None:
    """Append `decided` to the chain, durably, and then announce it.

    Raises `StorageFailedError`; then nothing was announced.
    """
    candidate = decided.candidate
    # Nearly free: the keys remember every signature of this height that was verified before.
    certified = verify_commit_record(decided.record, keys=deciding.keys, parent_hash=chain.tip.block_hash)
    assert certified.block_hash == candidate.block_hash, "a record proves the block that it is appended with"
    chain.commit(candidate, decided.encoded, deciding.validators.names_of(decided.record.certificate.signers))
    transaction_ids = tuple([transaction.id for transaction in candidate.transactions])
    out.add(BlockAppended(candidate.header.height, candidate.block_hash, transaction_ids))
    door.remove(transaction_ids)
    door.drop_expired(candidate.header.time_ms)
