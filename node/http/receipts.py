"""Receipts from what storage holds (design section 5): nothing is proved here, only put together."""

from __future__ import annotations

from ledger.consensus.codec import decode_commit_record
from ledger.merkle import prove_inclusion
from ledger.receipt import build_receipt
from node.storage.chain_store import ChainStore
from node.storage.queries import CommittedTransaction


def receipt_of(chain: ChainStore, item: CommittedTransaction) -> bytes:
    """The receipt of a committed transaction, against the root in its own block's header."""
    header, leaf = item.header, item.leaf
    position = header.log_size - header.transaction_count + leaf.index
    return build_receipt(
        envelope=item.envelope,
        leaf=leaf,
        path=prove_inclusion(position, header.log_size, chain.log_reader()),
        record=decode_commit_record(chain.record(leaf.height)),
        trail=chain.trail(leaf.height),
    )
