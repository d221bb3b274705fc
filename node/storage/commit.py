"""The one batch that appends a block: everything that a block writes, and everything that it ends."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from ledger.chain import CandidateBlock
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.block_rows import write_header, write_outcomes
from node.storage.bodies import write_body
from node.storage.indexes import write_indexes
from node.storage.log_tiles import GrowingTiles
from node.storage.promises import release_promises
from node.storage.set_changes import write_set_change
from node.storage.state_rows import CurrentState
from node.storage.trie_rows import TrieRows


def commit_rows(
    block: CandidateBlock,
    record: bytes,
    signers: Iterable[str],
    *,
    reader: Reader,
    promised: AbstractSet[bytes],
    tiles: GrowingTiles,
    state: CurrentState,
    trie: TrieRows,
) -> Batch:
    """The batch that appends `block`, a child of the tip, with its encoded commit record (design section 7).

    `signers` are the names of the validators whose signatures are in the record's certificate. The body is included
    unless it was stored when the block was prepared; bodies of other candidates, and all promises of the height, whose
    keys are `promised`, go.
    """
    height, batch = block.header.height, Batch()
    batch.puts[keys.TIP] = keys.pack_height(height)
    batch.puts[keys.record(height)] = record
    write_header(batch, height, block.header_bytes, block.block_hash)
    if not release_promises(batch, reader, promised, height, block.block_hash):
        write_body(batch, height, block.block_hash, [transaction.envelope for transaction in block.transactions])
    write_outcomes(batch, block.header, block.transactions, block.results)
    tiles.write(batch, block.log_levels)
    write_indexes(batch, block)
    write_set_change(batch, block.header)
    state.write(batch, height, block.writes)
    trie.write(batch, height, block.trie)
    for name in signers:
        batch.puts[keys.signer(name)] = keys.pack_height(height)
    return batch
