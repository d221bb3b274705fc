"""Making a chain in an empty store, and opening the one that a store has.

LevelDB opens as empty when its log was lost, so that an empty store is never taken for a new one: only `create_chain`
writes genesis, and a store without it is refused. (consensus research section 6, rule 1)
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.encoding import Json, decode_object, encode, expect_integer
from ledger.errors import LedgerError, MalformedError
from ledger.genesis import Genesis, genesis_block, parse_genesis
from ledger.limits import KIB, PROOF_HEIGHTS_DEFAULT
from ledger.primitives import Digest, parse_digest
from node.ports import Store
from node.storage import keys
from node.storage.batch import Batch
from node.storage.block_rows import write_header
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError, StoreExistsError, StoreMismatchError, StoreMissingError
from node.storage.rows import describe
from node.storage.state_rows import CurrentState
from node.storage.trie_rows import TrieRows


def create_chain(
    store: Store,
    genesis: Genesis,
    *,
    proof_heights: int = PROOF_HEIGHTS_DEFAULT,
    taken_over: Mapping[bytes, bytes] | None = None,
) -> ChainStore:
    """Write genesis into the empty `store` and open the chain. Raises `StoreExistsError` when it is not empty.

    `taken_over` are rows of an earlier database that no peer has (`node.storage.archive`).
    """
    for key, _ in store.range(b"", b"\xff"):
        raise StoreExistsError(f"the database is not empty: it has the row {describe(key)}")
    first = genesis_block(genesis)
    batch = Batch()
    identity: dict[str, Json] = {"chain": genesis.chain.hex(), "format": keys.FORMAT_VERSION}
    batch.puts[keys.FORMAT] = encode(identity)
    batch.puts[keys.GENESIS] = genesis.document
    batch.puts[keys.TIP] = keys.pack_height(0)
    write_header(batch, 0, first.tip.header_bytes, first.tip.block_hash)
    CurrentState(store).write(batch, 0, genesis.state)
    TrieRows(store, proof_heights).write(batch, 0, first.trie)
    batch.puts.update(taken_over or {})
    store.write(batch.puts, sync=True)
    return open_chain(store, proof_heights=proof_heights)


def open_chain(
    store: Store, *, expected: Digest | None = None, proof_heights: int = PROOF_HEIGHTS_DEFAULT
) -> ChainStore:
    """The chain in `store`; `expected` is the chain (hash of genesis) that the configuration names, if it does.

    Raises `StoreMissingError` when the store is empty (its files were lost, or it was never finished),
    `StoreMismatchError` for another chain or another format, and `DamagedError` when the tip is not what was written.
    """
    chain, _ = check_identity(store, expected)
    document = store.get(keys.GENESIS)
    try:
        genesis = parse_genesis(document or b"")
    except LedgerError as error:
        raise DamagedError(f"the genesis document is none: {error}") from error
    if genesis.chain != chain:
        raise DamagedError("the genesis document does not hash to the chain of the database")
    return ChainStore(store, genesis, proof_heights)


def check_identity(
    store: Store, expected: Digest | None, *, formats: frozenset[int] = frozenset({keys.FORMAT_VERSION})
) -> tuple[Digest, int]:
    """The chain that `store` is of, and its format, which must be one of `formats`.

    Raises `StoreMissingError`, `StoreMismatchError` and `DamagedError`.
    """
    identity = store.get(keys.FORMAT)
    if identity is None:
        raise StoreMissingError("the database has no chain: its files were lost, or its creation was cut short")
    try:
        fields = decode_object(identity, bytes_max=KIB, what="format row")
        version = expect_integer(fields.get("format"), what="format")
        chain = parse_digest(fields.get("chain"), "chain")
    except MalformedError as error:
        raise DamagedError(f"what says which database this is cannot be read: {error}") from error
    if version not in formats:
        raise StoreMismatchError(
            f"the database has format {version}, written by another version of the software; "
            f"this one reads format {keys.FORMAT_VERSION}: {_remedy(version)}"
        )
    if expected is not None and chain != expected:
        raise StoreMismatchError(f"the database is of chain {chain.hex()}, not of {expected.hex()}")
    return chain, version


def _remedy(version: int) -> str:
    """What to do with a database of this other format."""
    if version > keys.FORMAT_VERSION:
        return "run the version that wrote it, or a newer one"
    if version in keys.FORMATS_UPGRADED:
        return "start the node (quorum-node start), which upgrades the database; it keeps all blocks and votes"
    return (
        "upgrade the validators one after the other, each with its database moved aside and its guard file kept: the "
        "chain is fetched again from peers; or import a file that the version that wrote it exported"
    )
