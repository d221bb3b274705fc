"""Checking a whole database against the chain's own hashes and certificates: what `quorum-node verify-store` runs.

Each block is read as it would be served, and held against its neighbours: header hash and link, the commit record with
its signatures under the validators of the parent's state, the set that it decided for the next height with its place in
the index, the body against the leaves, the leaves against the log root in the header, the indexes of ids. The state
after the tip is held against the state root, value by value. What was executed is not executed again: that is the
audit's work (ledger.audit), from the blocks that are checked here.

A check reports and goes on; it changes nothing. What `damage` names at a height, `node.storage.replacing` can put back
when it is of that block alone; anything else needs a new database, filled by peers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.merkle import frontier_at
from ledger.primitives import ZERO_DIGEST, Digest
from ledger.trie import check_proof, count_keys, prove
from node.storage import keys
from node.storage.block_rows import Place, StoredHeader, read_header
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.set_changes import check_set_change


@dataclass(frozen=True, slots=True)
class BlockCheck:
    """What was found at one height; `damage` are sentences, none when all is well."""

    height: int
    damage: tuple[str, ...]


def check_blocks(chain: ChainStore, *, from_height: int = 0) -> Iterator[BlockCheck]:
    """Check the blocks from `from_height` to the tip, one by one."""
    for height in range(from_height, chain.tip.header.height + 1):
        yield check_block(chain, height)


def check_block(chain: ChainStore, height: int) -> BlockCheck:
    """Check one block."""
    parts = check_in_parts(chain, height)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            found: BlockCheck = end.value
            return found


def check_in_parts(chain: ChainStore, height: int) -> Generator[None, None, BlockCheck]:
    """Check one block, and stop after each chunk of its transactions but the last: meanwhile blocks may be appended,
    and this one be put back."""
    try:
        parent = chain.stored_header(height - 1) if height > 0 else None
    except DamagedError:
        parent = None  # found again, and reported, by whoever checks that height
    try:
        stored = read_header(chain.store, height)  # of the tip, too, whose header is in memory
    except DamagedError as error:
        return BlockCheck(height, (str(error),))
    damage: list[str] = []
    for check in (_check_link, _check_validators):
        try:
            check(chain, stored, parent)
        except (DamagedError, LedgerError) as error:
            damage.append(f"block {height}: {error}")
    try:
        yield from _check_body(chain, stored, parent)
    except (DamagedError, LedgerError) as error:
        damage.append(f"block {height}: {error}")
    try:
        _check_record(chain, stored)
    except (DamagedError, LedgerError) as error:
        damage.append(f"commit record of block {height}: {error}")
    return BlockCheck(height, tuple(damage))


def check_state(chain: ChainStore) -> tuple[str, ...]:
    """What is wrong with the values after the tip: they must be those that the state root commits to, and all of them.

    The rows of the state trie are held against the root, too, also in what is not hashed.
    """
    tip, damage, count = chain.tip, [], 0
    try:
        for key, value in chain.state.range(b"", b"\xff"):
            count += 1
            proof = prove(tip.trie_root, key, chain.trie_node)
            if not check_proof(tip.header.state_root, key, value, proof):
                damage.append(f"the value of state key {key!r} is not the one that the state root commits to")
        if (committed := count_keys(tip.trie_root, chain.trie_node)) != count:
            damage.append(f"the state has {count} keys, and the state root commits to {committed}")
    except (DamagedError, LedgerError) as error:
        damage.append(f"the state cannot be read: {error}")
    return tuple(damage)


def check_rows(chain: ChainStore) -> str | None:
    """The first row, if any, that cannot be read or does not match its checksum, as a sentence."""
    try:
        for _ in chain.store.range(b"", b"\xff"):
            pass
    except DamagedError as error:
        return str(error)
    return None


def _check_link(chain: ChainStore, stored: StoredHeader, parent: StoredHeader | None) -> None:
    header = stored.header
    if header.chain != chain.chain:
        raise DamagedError("its header is of another chain")
    if header.height == 0 and header.parent_hash != ZERO_DIGEST:
        raise DamagedError("genesis has a parent")
    if parent is None:
        return
    if header.parent_hash != parent.block_hash:
        raise DamagedError("it is not a child of the block before it")
    if header.validators_hash != parent.header.next_validators_hash:
        raise DamagedError("it is signed by another validator set than the block before it decided")
    if header.log_size != parent.header.log_size + header.transaction_count:
        raise DamagedError("its log is not that of its parent and its transactions")


def _check_validators(chain: ChainStore, stored: StoredHeader, _: StoredHeader | None) -> None:
    check_set_change(chain.store, stored.header)


def _check_body(chain: ChainStore, stored: StoredHeader, parent: StoredHeader | None) -> Iterator[None]:
    header = stored.header
    before = header.log_size - header.transaction_count
    log = frontier_at(before, chain.log_reader())
    if parent is not None and log.root() != parent.header.log_root:
        raise DamagedError("the log does not start from the root of the block before it")
    for start in range(0, header.transaction_count, keys.CHUNK_TRANSACTIONS):
        if start > 0:
            yield
        tiles = chain.log_reader()
        _, leaves = chain.block(header.height, tiles).chunk(start)
        for index, leaf in enumerate(leaves, start):
            if chain.locate(Digest(bytes.fromhex(leaf.transaction_id))) != Place(header.height, index):
                raise DamagedError(f"transaction {index} is not found by its id")
        # They are the hashes of these leaves: the chunk was held against them.
        log = log.append([tiles(0, position) for position in range(log.size, log.size + len(leaves))])
    if log.root() != header.log_root:
        raise DamagedError("the log does not have the root that its header names")


def _check_record(chain: ChainStore, stored: StoredHeader) -> None:
    if stored.header.height > 0:
        chain.record(stored.header.height)
