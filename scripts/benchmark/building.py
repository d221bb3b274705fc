"""A long chain, quickly: real signatures, real execution, real certificates, straight into a node's database.

What is left out is what does not stay: no votes, no peers, and no sync of each block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from benchmark.load import CLIENTS, Load
from ledger.chain import build_block, leader_order_at
from ledger.consensus.codec import encode_commit_record
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.crypto import SigningKey
from ledger.genesis import Genesis
from ledger.limits import HTTP_PAGE_ITEMS_DEFAULT
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import State
from ledger.transaction import Transaction, parse_transaction
from node.ports import Store
from node.storage.chain_store import ChainStore
from node.storage.opening import open_chain

BLOCK_TRANSACTIONS = 100
RECORDS_PER_KEY = HTTP_PAGE_ITEMS_DEFAULT  # in any chain, from its beginning to its end: a page
_CHUNK = 2_000  # transactions that a process signs at a time
_CHUNKS_AHEAD = 6


class _Unsynced:
    """The store, written without waiting for the disk: a chain that is lost in a power cut is built again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.get, self.range, self.close = store.get, store.range, store.close

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """Apply the batch."""
        self._store.write(puts, deletes, sync=False)


def build(
    store: Store,
    genesis: Genesis,
    *,
    council: SigningKey,
    consensus_key: SigningKey,
    count: int,
    say: Callable[[str], None],
    block_transactions: int = BLOCK_TRANSACTIONS,
    keyed: bool = True,
) -> None:
    """Append `count` records, so many in a block, to the chain of one validator that is in `store`; `keyed` ones are
    about entities."""
    chain = open_chain(_Unsynced(store))
    load = Load(genesis.chain, council, ())
    for envelope in load.preparation():
        _append(chain, consensus_key, [_parsed(envelope)])
    made = _signed(genesis.chain, count, keyed=keyed)
    for height in range(1, count // block_transactions + 1):
        _append(chain, consensus_key, [_parsed(envelope) for envelope in islice(made, block_transactions)])
        if height * block_transactions % 50_000 == 0:
            say(f"  {height * block_transactions} of {count} transactions")


def _signed(chain: Digest, count: int, *, keyed: bool) -> Iterator[bytes]:
    """The envelopes, in order, signed by several processes a few chunks ahead."""
    keys = entity_keys(count) if keyed else 0
    with ProcessPoolExecutor(2) as pool:
        starts = iter(range(0, count, _CHUNK))
        waiting = [pool.submit(_chunk, chain, first, keys) for first in islice(starts, _CHUNKS_AHEAD)]
        while waiting:
            done = waiting.pop(0).result()
            waiting += [pool.submit(_chunk, chain, first, keys) for first in islice(starts, 1)]
            yield from done


def entity_keys(count: int) -> int:
    """How many entity keys the records of a chain of `count` are about."""
    return count // RECORDS_PER_KEY


def _chunk(chain: Digest, first: int, keys: int) -> list[bytes]:
    load = Load(chain, SigningKey(bytes(32)), (), first + 1_000_000)  # nothing here is by the council
    envelopes = []
    for number in range(first, first + _CHUNK):
        client = number % CLIENTS
        key = f"order-{number % keys}" if keys else None  # `keys` is a multiple of STREAMS: always in one stream
        envelopes.append(load.sign(f"client{client}", load.client_key(client), [load.record(client, number, key)]))
    return envelopes


def _parsed(envelope: bytes) -> Transaction:
    transaction = parse_transaction(envelope)
    assert not isinstance(transaction, Refusal), transaction
    return transaction


def _append(chain: ChainStore, consensus_key: SigningKey, transactions: list[Transaction]) -> None:
    tip = chain.tip
    height = tip.header.height + 1
    validators = State(chain.state).validators().validators
    proposer = validators[leader_order_at(chain.state, height)[0]].name
    time_ms = tip.header.time_ms + 10
    built = build_block(tip, chain, round=0, proposer=proposer, time_ms=time_ms, transactions=transactions)
    assert not built.refused, built.refused
    block = built.block
    statement = CommitStatement(height, 0, block.block_hash)
    signature = consensus_key.sign(signed_bytes(SigningContext(block.header.chain, 0), statement))
    certificate = CommitCertificate(height, 0, block.block_hash, (VoteSignature(0, signature),))
    chain.commit(block, encode_commit_record(CommitRecord(block.header_bytes, certificate, ())), (proposer,))
