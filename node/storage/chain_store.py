"""The chain of one node, as it stands in a `Store`: typed reads, and the two durable writes of a validator.

`promise` comes before a signed message leaves, `commit` before anybody is told of a block and before anything is
signed at the next height (amendment A4); each is one synced batch, and nothing else writes rows of the chain or of
votes but `node.storage.replacing`. `node.storage.keys` says what rows there are. Reads of committed blocks raise
`DamagedError` rather than give what this chain did not commit, and note the block in `damaged`; the answer to that is
to fetch it again from peers, and to put it back if it is the one that the chain commits to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from ledger.block import Header, Leaf
from ledger.chain import CandidateBlock, Tip
from ledger.consensus.codec import decode_commit_record
from ledger.crypto import verify
from ledger.encoding import encode_trusted
from ledger.genesis import Genesis
from ledger.limits import HEADERS_REMEMBERED_MAX, RECEIPT_BYTES_MAX, TRAIL_STEPS_MAX
from ledger.merkle import EMPTY_FRONTIER, frontier_at
from ledger.primitives import Digest
from ledger.state import State
from ledger.trail import SetChange
from ledger.trie import TrieRoot
from ledger.validators import ValidatorSet
from node.ports import Store
from node.storage import keys
from node.storage.block_rows import (
    BlockReader,
    Place,
    StoredHeader,
    read_header,
    read_place,
)
from node.storage.commit import commit_rows
from node.storage.committed_filter import CommittedFilter
from node.storage.damaged import Damaged
from node.storage.errors import DamagedError, TrailTooLongError
from node.storage.log_tiles import GrowingTiles, TileReader
from node.storage.promises import PromisedKeys, Promises, newest_promised_height, promise_rows, read_promises
from node.storage.records import VerifiedRecords, check_record
from node.storage.set_changes import changes_set, read_set_changes, validators_after
from node.storage.state_rows import CurrentState, StateAt
from node.storage.trie_rows import TrieRows


class ChainStore:
    """One chain in one store. Is a `ledger.chain.ChainReader` of its tip. Made by `node.storage.opening`.

    Heights given to its methods are those of committed blocks: 0 to the tip's.
    """

    def __init__(self, store: Store, genesis: Genesis, proof_heights: int) -> None:
        self._store = store
        self._genesis = genesis
        self._tiles = GrowingTiles(store)
        self._state = CurrentState(store)
        self._trie = TrieRows(store, proof_heights)
        self._promised = PromisedKeys(store)
        self._records = VerifiedRecords()
        self._headers: OrderedDict[int, StoredHeader] = OrderedDict()  # that were read and checked, the oldest first
        self._committed: CommittedFilter | None = None
        self._newest: CandidateBlock | None = None  # the tip's, once this process has appended one
        self.damaged = Damaged()
        """What reads of this process found damaged."""
        self._typed_state = State(self._state)
        self._tip = _read_tip(store, self._trie)

    @property
    def genesis(self) -> Genesis:
        """The document that the chain started from."""
        return self._genesis

    @property
    def chain(self) -> Digest:
        """The hash of genesis."""
        return self._genesis.chain

    @property
    def tip(self) -> Tip:
        """The newest block."""
        return self._tip

    # ---- the two durable writes of a validator

    def promise(self, promises: Promises) -> None:
        """Make signed messages durable with all that they promise. Raises `StorageFailedError`: then nothing is sent.

        Certificates and bodies that are stored already cost nothing.
        """
        assert promises.height > self._tip.header.height, "nothing is promised at a height that is decided"
        batch = promise_rows(self._store, self._promised.of(promises.height), promises)
        self._store.write(batch.puts, sync=True)
        self._promised.written(batch, promises.height)

    def commit(self, block: CandidateBlock, record: bytes, signers: Sequence[str]) -> None:
        """Append `block` (see `commit_rows`). When this returns it is durable, and the tip.

        Raises `StorageFailedError`: then nobody is told, and `DamagedError` when rows that it extends are damaged.
        """
        assert block.header.parent_hash == self._tip.block_hash, "a block is appended to its parent"
        batch = commit_rows(
            block,
            record,
            signers,
            reader=self._store,
            promised=self._promised.of(block.header.height),
            tiles=self._tiles,
            state=self._state,
            trie=self._trie,
        )
        self._store.write(batch.puts, frozenset(batch.deletes), sync=True)
        self._tiles.written(batch, block.header.log_size)
        self._state.written(batch, block.writes)
        self._trie.written(batch, block.header.height, block.trie)
        self._records.remember(block.header.height, record)
        if self._committed is not None:
            self._committed.add(b"".join([transaction.id for transaction in block.transactions]))
        self._tip, self._newest, self._typed_state = block.tip(), block, State(self._state)

    # ---- the next height

    def promises(self, height: int) -> Promises:
        """Everything promised at `height`, which is not decided. Raises `DamagedError`: then the node only observes."""
        return read_promises(self._store, height)

    def newest_promised_height(self) -> int | None:
        """The highest height with a promise; above tip + 1 the node must sync before it votes (amendment A4)."""
        return newest_promised_height(self._store)

    def height_before_rebuild(self) -> int:
        """The height up to which this node had blocks, and may have voted, before its database was made anew; 0 if it
        never was. Raises `DamagedError`."""
        row = self._store.get(keys.HEIGHT_BEFORE_REBUILD)
        return 0 if row is None else keys.unpack_height(row)

    # ---- after the tip

    @property
    def state(self) -> CurrentState:
        """The state after the tip."""
        return self._state

    @property
    def typed_state(self) -> State:
        """The state after the tip, which remembers what it has decoded until the next block.

        For deciding that block. Who answers questions takes a `State` of its own: what was asked would stay in memory.
        """
        return self._typed_state

    def transaction_committed(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id is in the chain."""
        if self._committed is None:
            self._committed = CommittedFilter(self._store)
        return self._committed.may_have(transaction_id) and self._store.get(b"x" + transaction_id) is not None

    def read_filters(self) -> None:
        """Read which ids there are, and which state keys, so that the database is not asked for others.

        For who appends blocks; who only reads them does without. Takes some 2 s for a million of both.
        """
        self._committed = CommittedFilter(self._store)
        self._state.read_keys()

    def trie_node(self, version: int, path: bytes) -> bytes:
        """The row of the state trie written at (version, path). Raises `DamagedError`, also when there is none."""
        return self._trie.read(version, path)

    # ---- committed blocks

    def stored_header(self, height: int) -> StoredHeader:
        """Header, its bytes and hash. Raises `DamagedError`."""
        if height == self._tip.header.height:
            return StoredHeader(self._tip.header, self._tip.header_bytes, self._tip.block_hash)
        try:
            stored = read_header(self._store, height, self._headers.get(height))
        except DamagedError as error:
            self.damaged.note_block(height, str(error))
            raise
        self._headers[height] = stored
        if len(self._headers) > HEADERS_REMEMBERED_MAX:
            self._headers.popitem(last=False)
        return stored

    def header(self, height: int) -> Header:
        """The header of a block. Raises `DamagedError`."""
        return self.stored_header(height).header

    def block_hash(self, height: int) -> Digest:
        """The hash of a block. Raises `DamagedError`."""
        return self.stored_header(height).block_hash

    def committed_hash(self, height: int) -> Digest:
        """The hash of a block as the chain has it without reading that block: the one above it names its parent, and
        the tip's is in memory. Raises `DamagedError` when the one above cannot be read."""
        return self._tip.block_hash if height == self._tip.header.height else self.header(height + 1).parent_hash

    def height_of(self, hash_of_block: Digest) -> int | None:
        """The height of the committed block with this hash, or None."""
        row = self._store.get(keys.block_hash(hash_of_block))
        return None if row is None else keys.unpack_height(row)

    def record(self, height: int) -> bytes:
        """The encoded commit record of a block of height >= 1, verified. Raises `DamagedError`."""
        try:
            record = self._store.get(keys.record(height))
            if record is None:
                raise DamagedError(f"the commit record of block {height} is missing")
            if not self._records.knows(height, record):
                check_record(record, self.stored_header(height), self.validators_of(height), verify)
                self._records.remember(height, record)
        except DamagedError as error:
            self.damaged.note_block(height, str(error))
            raise
        return record

    def forget_read(self, height: int) -> None:
        """What is remembered of reading a block is forgotten: it was written anew, and is read from the disk again."""
        self._records.forget(height)

    def validators_of(self, height: int) -> ValidatorSet:
        """The validator set that signs `height`, from 1 to the tip's plus one. Raises `DamagedError`."""
        return validators_after(self._store, height - 1)

    def trail(self, height: int, *, after: int = 0) -> tuple[SetChange, ...]:
        """What leads a receipt from the set in force after block `after` to the one that signs `height`.

        That is each change between them, oldest first. Raises `DamagedError`, and `TrailTooLongError` for more than a
        file may have.
        """
        steps: list[SetChange] = []
        room = RECEIPT_BYTES_MAX
        for step in self.set_changes(after + 1, height):
            room -= len(encode_trusted(step.to_json()))
            if room < 0 or len(steps) == TRAIL_STEPS_MAX:
                raise TrailTooLongError(f"from height {after} to {height} the validator set changes too often")
            steps.append(step)
        return tuple(steps)

    def set_changes(self, from_height: int, stop_height: int) -> Iterator[SetChange]:
        """The changes of the validator set that blocks from_height .. stop_height - 1 decided, oldest first.

        Raises `DamagedError`.
        """
        for change in read_set_changes(self._store, from_height, stop_height):
            header, validators = self.header(change.height), self.validators_of(change.height + 1)
            if not (changes_set(header) and change.validators_hash == header.next_validators_hash == validators.hash):
                raise DamagedError(f"the validator set that height {change.height} decided is not the one it names")
            yield SetChange(decode_commit_record(self.record(change.height)), validators)

    def block(self, height: int, tiles: TileReader | None = None) -> BlockReader:
        """The transactions of a block, singly or all, each checked against the log. Raises `DamagedError`.

        `tiles` is the `log_reader` of an answer that several blocks are read for.
        """
        return BlockReader(self._store, self.stored_header(height), tiles or self.log_reader(), self.damaged)

    def envelopes(self, height: int) -> tuple[bytes, ...]:
        """The exact envelopes of a block. Raises `DamagedError`."""
        return tuple(self.block(height).envelopes())

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """The log entries of a block. Raises `DamagedError`."""
        return tuple(self.block(height).leaves())

    def just_appended(self, place: Place) -> tuple[bytes, Leaf] | None:
        """Envelope and leaf of a transaction of the newest block, while that is at hand: whoever waited for a block
        asks about it at once. None when this process did not append it, or another one since."""
        block = self._newest
        if block is None or block.header.height != place.height:
            return None
        item = block.transactions[place.index]
        return item.envelope, Leaf(place.height, place.index, item.id, item.envelope_hash, block.results[place.index])

    def locate(self, transaction_id: Digest) -> Place | None:
        """Where a committed transaction stands, or None."""
        return read_place(self._store, transaction_id)

    # ---- state, proofs and signatures

    def state_at(self, height: int) -> StateAt:
        """The state after a block."""
        return StateAt(self._store, height)

    def trie_root_at(self, height: int) -> TrieRoot | None:
        """Where the state trie after a block starts, or None when proofs of that height are kept no longer."""
        version = self._trie.root_version(height) if height >= self.oldest_provable_height else None
        return None if version is None else TrieRoot(version, self.header(height).state_root)

    @property
    def oldest_provable_height(self) -> int:
        """The oldest height whose state can be proved: of 0, genesis, there is no certificate, so it is at least 1."""
        return self._trie.oldest_provable_height(self._tip.header.height)

    def log_reader(self) -> TileReader:
        """A `ledger.merkle.HashReader` for one answer."""
        return TileReader(self._store)

    def last_signed_height(self, validator: str) -> int | None:
        """The newest height whose commit certificate, as it is stored here, a validator signed (by its name)."""
        row = self._store.get(keys.signer(validator))
        return None if row is None else keys.unpack_height(row)

    @property
    def store(self) -> Store:
        """The rows themselves: for queries and checks, and for what stands beside the chain and the votes, and is
        written by who keeps it (`node.replica.findings`, `node.replica.cosigned`)."""
        return self._store


def _read_tip(store: Store, trie: TrieRows) -> Tip:
    row = store.get(keys.TIP)
    if row is None:
        raise DamagedError("the database has a chain, but no tip")
    height = keys.unpack_height(row)
    stored, version = read_header(store, height), trie.root_version(height)
    header = stored.header
    log = frontier_at(header.log_size, TileReader(store)) if header.log_size else EMPTY_FRONTIER
    if log.root() != header.log_root:
        raise DamagedError(f"the log does not have the root that block {height} names")
    if version is None:
        raise DamagedError(f"the root of the state trie after block {height} is missing")
    return Tip(header, stored.header_bytes, stored.block_hash, log, TrieRoot(version, header.state_root))
