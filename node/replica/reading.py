"""The chain as checking a block reads it: the store's tip, with one short cut."""

from __future__ import annotations

from ledger.mempool import Mempool
from ledger.primitives import Digest
from ledger.state import State
from node.storage.chain_store import ChainStore


class TipReader:
    """A `ledger.chain.ChainReader` of the tip that asks the database only for ids that are not in the mempool.

    What waits in the mempool is in no block: its id was looked for when it came in, and a block that is appended takes
    its ids out (`committing.append`) before anything else is read. Nearly every transaction of a block waits here, and
    looking for what is not there costs more than the rest of its admission.
    """

    def __init__(self, chain: ChainStore, mempool: Mempool) -> None:
        self._chain = chain
        self._mempool = mempool

    @property
    def typed_state(self) -> State:
        """See `ChainStore.typed_state`."""
        return self._chain.typed_state

    def transaction_committed(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id is in the chain."""
        return not self._mempool.pending(transaction_id) and self._chain.transaction_committed(transaction_id)

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        """See `ChainStore.trie_node`."""
        return self._chain.trie_node(version, path)
